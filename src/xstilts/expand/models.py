"""What recipes start from: backbones, pretrained or pretrained here, and their controls."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xstilts.backbones.family import Kind
from xstilts.backbones.names import check_folder
from xstilts.expand.data import Replicate
from xstilts.expand.objectives import SENTINELS, usual
from xstilts.expand.phases import Model, Phases
from xstilts.experiment import BackboneSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import TARGET
from xstilts.stages import describe
from xstilts.stages.describe import Use
from xstilts.stages.resolve import kind_of, resolve, retrieval_of

CONTROL_NAMES = {"random": "random encoder", "english": "English-only pretraining"}


@dataclass(frozen=True)
class Models:
    """Makes the models of an experiment."""

    phases: Phases

    def of(self, spec: BackboneSpec, replicate: Replicate) -> list[Model]:
        """The backbone and its controls."""
        experiment = self.phases.files.experiment
        seed = replicate.seed if spec.seed is None else spec.seed
        use, source = Use(spec.route, spec.attention, spec.output), None
        if spec.source is not None:
            source, revision = resolve(spec.source, spec.revision, replicate.world)
            check_folder(source)
            known = kind_of(source, None, spec.output)
            tokenizer = describe.tokenizer_of(source, revision)
            start = describe.start_pretrained(source, revision, use, spec.name)
            random = describe.start_random_like(source, revision, tokenizer, replicate.seed, use, "random")
        else:
            assert spec.architecture is not None
            assert spec.tokenizer is not None
            known = kind_of(None, spec.architecture, spec.output)
            config = spec.tokenizer.model_dump(exclude={"tasks"}) | ({"ascii": True} if spec.output == "text" else {})
            if self._needs_sentinels(spec, known):
                config["sentinels"] = SENTINELS
            tasks = [experiment.task(name) for name in spec.tokenizer.tasks]
            tokenizer = describe.tokenizer_trained(config, replicate.data, tasks)
            random = describe.start_random(spec.architecture, spec.config, tokenizer, seed, use, "random")
            start = random
        retrieval = retrieval_of(source, spec.retrieval)
        base = Model(spec.name, random, tokenizer, retrieval, replicate, output=spec.output, kind=known)
        for phase in spec.pretrain:
            start = self.phases.train(start, phase, base, seed)
        models = [replace(base, stage=start, train=spec.train)]
        for kind, how in spec.controls.items():
            stage = random
            if kind == "english":
                stage = self._english(spec, how, base, seed)
            models.append(replace(models[0], name=f"{spec.name} ({CONTROL_NAMES[kind]})", stage=stage, control=kind))
        return models

    def _needs_sentinels(self, spec: BackboneSpec, kind: Kind | None) -> bool:
        """Whether any phase corrupts spans: other vocabularies stay as they are."""
        experiment = self.phases.files.experiment
        phases = [*spec.pretrain, *(phase for recipe in experiment.recipes for phase in recipe.phases)]
        parts = [part for phase in phases for part in phase.tasks if part.task != TARGET]
        forms = [part.objective or usual(experiment.task(part.task), kind, spec.output) for part in parts]
        return "span_corruption" in forms

    def _english(self, spec: BackboneSpec, how: str, base: Model, seed: int) -> Stage:
        """The control pretrained on English alone: a given model, or the same phases on English text."""
        if how != "auto":
            place = resolve(how, None, base.replicate.world)
            return describe.start_pretrained(*place, Use(spec.route, spec.attention, spec.output), "English only")
        stage = base.stage
        for phase in spec.pretrain:
            alone = tuple(
                part.model_copy(update={"languages": ("en",)})
                for part in phase.tasks
                if "en" in self.phases.files.experiment.task(part.task).languages
            )
            if not alone:
                continue
            shorter = dict(phase.train)
            if spec.english_share < 1 and phase.train.get("steps"):
                shorter["steps"] = max(1, round(phase.train["steps"] * spec.english_share))
            own = phase.model_copy(update={"tasks": alone, "train": shorter})
            stage = self.phases.train(stage, own, base, seed)
        return stage
