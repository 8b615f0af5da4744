"""What recipes start from: backbones, pretrained or pretrained here, and their controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xstilts.backbones.families import Kind
from xstilts.backbones.names import check_folder
from xstilts.core.errors import ConfigError
from xstilts.expand.data import Replicate
from xstilts.expand.objectives import SENTINELS, usual, writes
from xstilts.expand.phases import Phases, StartModel
from xstilts.experiment import BackboneSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import TARGET, Component, PhaseSpec
from xstilts.stages import describe
from xstilts.stages.describe import Use
from xstilts.stages.resolve import kind_of, max_positions_of, resolve, retrieval_of, width_of, within_depth

CONTROL_NAMES = {"random": "random encoder", "english": "English-only pretraining"}


@dataclass(frozen=True)
class Models:
    """Makes the models of an experiment."""

    phases: Phases

    def of(self, spec: BackboneSpec, replicate: Replicate) -> list[StartModel]:
        """The backbone and its controls. Raises `ConfigError` for a way of pretraining that does not fit it."""
        experiment = self.phases.files.experiment
        seed = replicate.seed if spec.seed is None else spec.seed
        use, source = Use(spec.route, spec.attention, spec.output), None
        if spec.source is not None:
            source, revision = resolve(spec.source, spec.revision, replicate.world)
            check_folder(source)
            known = kind_of(source, None, spec.output)
            tokenizer = describe.tokenizer_of(source, revision)
            start = describe.start_pretrained(source, revision, self._first(spec, known), spec.name)
            random = describe.start_random_like(source, revision, tokenizer, replicate.seed, use, "random")
        else:
            assert spec.architecture is not None
            assert spec.tokenizer is not None
            known = kind_of(None, spec.architecture, spec.output)
            config = spec.tokenizer.model_dump(exclude={"tasks"}) | ({"ascii": True} if spec.output == "text" else {})
            if self._needs_sentinels(spec, known):
                config["sentinels"] = SENTINELS
            tasks = [experiment.task(name) for name in spec.tokenizer.tasks]
            config["languages"] = self.phases.files.text_languages(tasks, spec.tokenizer.languages, replicate)
            tokenizer = describe.tokenizer_trained(config, self.phases.files.source(replicate, *tasks), tasks)
            start, random = (
                describe.start_random(spec.architecture, spec.config, tokenizer, seed, used, "random")
                for used in (self._first(spec, known), use)
            )
        retrieval = retrieval_of(source, spec.retrieval)
        base = StartModel(spec.name, start, tokenizer, retrieval, replicate, output=spec.output, kind=known)
        asked = (source, spec.architecture, spec.config)
        base = replace(base, max_positions=max_positions_of(*asked), width=width_of(*asked))
        models = [replace(base, stage=self._pretrained(spec.pretrain, base, use, seed), train=spec.train)]
        for kind, how in spec.controls.items():
            control = replace(models[0], stage=random)
            if kind == "english" and how == "auto":
                control = replace(models[0], stage=self._pretrained(self._in_english(spec), base, use, seed))
            elif kind == "english":
                control = self._of_source(how, spec, use, models[0])
            models.append(replace(control, name=f"{spec.name} ({CONTROL_NAMES[kind]})", control=kind))
        return models

    def _of_source(self, how: str, spec: BackboneSpec, use: Use, model: StartModel) -> StartModel:
        """A control that is a pretrained model, with all that is its own."""
        source, revision = resolve(how, None, model.replicate.world)
        check_folder(source)
        return replace(
            model,
            stage=describe.start_pretrained(source, revision, use, "English only"),
            tokenizer=describe.tokenizer_of(source, revision),
            retrieval=within_depth(retrieval_of(source, spec.retrieval), source),
            kind=kind_of(source, None, spec.output),
            max_positions=max_positions_of(source, None, {}),
            width=width_of(source, None, {}),
        )

    def _first(self, spec: BackboneSpec, kind: Kind | None) -> Use:
        """How the backbone is run at first: with its output layer where the first phase of pretraining trains that."""
        if spec.output == "text" or not (spec.pretrain and writes(spec.pretrain[0], kind)):
            return Use(spec.route, spec.attention, spec.output)
        return Use(spec.route, output="text")

    def _pretrained(self, phases: Sequence[PhaseSpec], base: StartModel, use: Use, seed: int) -> Stage:
        """The backbone after phases of pretraining, run as recipes do."""
        stage, output = base.stage, base.stage.config.get("output", "head")
        earlier: dict[str, Component] = {}
        for phase in phases:
            wanted = "text" if writes(phase, base.kind) else base.output
            if (output, wanted) == ("head", "text"):
                raise ConfigError(
                    f"backbone '{base.name}': phase {phase.label} trains the output layer, which is left out after the "
                    "phase before it: put it first, or give the backbone `output: text`"
                )
            if output != wanted:
                stage = describe.start_trained(stage, use)
            stage = self.phases.train(stage, phase, replace(base, output=wanted), seed, tuple(earlier.values()))
            output = wanted
            earlier |= {part.name: part for part in phase.without_idle().tasks}
        return stage if output == base.output else describe.start_trained(stage, use)

    def _needs_sentinels(self, spec: BackboneSpec, kind: Kind | None) -> bool:
        """Whether any phase corrupts spans: other vocabularies stay as they are."""
        experiment = self.phases.files.experiment
        phases = [*spec.pretrain, *(phase for recipe in experiment.recipes for phase in recipe.phases)]
        parts = [part for phase in phases for part in phase.tasks if part.task != TARGET]
        forms = [part.objective or usual(experiment.task(part.task), kind, spec.output) for part in parts]
        return "span_corruption" in forms

    def _in_english(self, spec: BackboneSpec) -> list[PhaseSpec]:
        """The phases of pretraining on English text alone, those without any left out."""
        phases = []
        for phase in spec.pretrain:
            alone = tuple(
                part.model_copy(update={"languages": ("en",)})
                for part in phase.tasks
                if "en" in self.phases.files.experiment.task(part.task).languages
            )
            if alone:
                english = phase.model_copy(update={"tasks": alone})
                options, share = self.phases.files.experiment.options(english), spec.english_share
                shorter: dict[str, float] = {"epochs": options.epochs * share}
                if options.steps:
                    shorter = {"steps": max(1, round(options.steps * share))}
                phases.append(english.model_copy(update={"train": {**phase.train, **(shorter if share < 1 else {})}}))
        return phases
