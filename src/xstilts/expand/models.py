"""The models that recipes start from: backbones, pretrained or pretrained here, and their controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    """Describes the models of an experiment."""

    phases: Phases

    def of(self, spec: BackboneSpec, replicate: Replicate) -> list[StartModel]:
        """The backbone and its controls. Raises `ConfigError` for pretraining that does not fit it."""
        seed = replicate.seed if spec.seed is None else spec.seed
        use, source = Use(spec.route, spec.attention, spec.output), None
        if spec.source is not None:
            source, revision = resolve(spec.source, spec.revision, replicate.world)
            shape, tokenizer = _shape(spec, source), describe.tokenizer_of(source, revision)
            start = describe.start_pretrained(source, revision, self._first(spec, shape["kind"]), spec.name)
            random = describe.start_random_like(source, revision, tokenizer, replicate.seed, use, "random")
        else:
            assert spec.architecture is not None
            shape = _shape(spec, None)
            tokenizer = self._tokenizer(spec, shape["kind"], replicate)
            start, random = (
                describe.start_random(spec.architecture, spec.config, tokenizer, seed, used, "random")
                for used in (self._first(spec, shape["kind"]), use)
            )
        retrieval = retrieval_of(source, spec.retrieval)
        base = StartModel(spec.name, start, tokenizer, retrieval, replicate, output=spec.output, **shape)
        models = [replace(base, stage=self._pretrained(spec.pretrain, base, use, seed), train=spec.train)]
        for kind, how in spec.controls.items():
            control = replace(models[0], stage=random)
            if kind == "english" and how == "auto":
                control = replace(models[0], stage=self._pretrained(self._in_english(spec), base, use, seed))
            elif kind == "english":
                source, revision = resolve(how, None, replicate.world)
                control = replace(
                    models[0],
                    tokenizer=describe.tokenizer_of(source, revision),
                    retrieval=within_depth(retrieval_of(source, spec.retrieval), source),
                    **_shape(spec, source),
                    stage=describe.start_pretrained(source, revision, use, "English only"),
                )
            models.append(replace(control, name=f"{spec.name} ({CONTROL_NAMES[kind]})", control=kind))
        return models

    def _tokenizer(self, spec: BackboneSpec, kind: Kind | None, replicate: Replicate) -> Stage:
        """A tokenizer trained for a random start."""
        assert spec.tokenizer is not None
        files = self.phases.files
        config = spec.tokenizer.model_dump(exclude={"tasks"}) | ({"ascii": True} if spec.output == "text" else {})
        if self._needs_sentinels(spec, kind):
            config["sentinels"] = SENTINELS
        tasks = [files.experiment.task(name) for name in spec.tokenizer.tasks]
        config["languages"] = files.text_languages(tasks, spec.tokenizer.languages, replicate)
        return describe.tokenizer_trained(config, files.source(replicate, *tasks), tasks)

    def _first(self, spec: BackboneSpec, kind: Kind | None) -> Use:
        """How the backbone is run at first: with its output layer if the first phase of pretraining trains it."""
        if spec.output == "text" or not (spec.pretrain and writes(spec.pretrain[0], kind)):
            return Use(spec.route, spec.attention, spec.output)
        return Use(spec.route, output="text")

    def _pretrained(self, phases: Sequence[PhaseSpec], base: StartModel, use: Use, seed: int) -> Stage:
        """The backbone after phases of pretraining, run as recipes run it."""
        stage, output = base.stage, base.stage.config.get("output", "head")
        earlier: dict[str, Component] = {}
        for phase in phases:
            wanted = "text" if writes(phase, base.kind) else base.output
            if (output, wanted) == ("head", "text"):
                raise ConfigError(
                    f"backbone '{base.name}': phase {phase.label} trains the output layer, which the phase before it "
                    "drops: put this phase first, or give the backbone `output: text`"
                )
            if output != wanted:
                stage = describe.start_trained(stage, use)
            stage = self.phases.train(stage, phase, replace(base, output=wanted), seed, tuple(earlier.values()))
            output = wanted
            earlier |= {part.name: part for part in phase.without_idle().tasks}
        return stage if output == base.output else describe.start_trained(stage, use)

    def _needs_sentinels(self, spec: BackboneSpec, kind: Kind | None) -> bool:
        """Whether any phase corrupts spans."""
        experiment = self.phases.files.experiment
        phases = [*spec.pretrain, *(phase for recipe in experiment.recipes for phase in recipe.phases)]
        parts = [part for phase in phases for part in phase.tasks if part.task != TARGET]
        forms = [part.objective or usual(experiment.task(part.task), kind, spec.output) for part in parts]
        return "span_corruption" in forms

    def _in_english(self, spec: BackboneSpec) -> list[PhaseSpec]:
        """The phases of pretraining on English text alone, without phases that have none."""
        experiment, share, phases = self.phases.files.experiment, spec.english_share, []
        for phase in spec.pretrain:
            spoken = [part for part in phase.tasks if "en" in experiment.task(part.task).languages]
            if not spoken:
                continue
            alone = tuple(part.model_copy(update={"languages": ("en",)}) for part in spoken)
            english = phase.model_copy(update={"tasks": alone})
            options = experiment.options(english)
            shorter: dict[str, float] = {"epochs": options.epochs * share}
            if options.steps:
                shorter = {"steps": max(1, round(options.steps * share))}
            phases.append(english.model_copy(update={"train": {**phase.train, **(shorter if share < 1 else {})}}))
        return phases


def _shape(spec: BackboneSpec, source: str | None) -> dict[str, Any]:
    """Kind, longest text and width of a source, or of the random start of a backbone."""
    if source is not None:
        check_folder(source)
    asked = (source, None, {}) if source is not None else (None, spec.architecture, spec.config)
    kind = kind_of(source, asked[1], spec.output)
    return {"kind": kind, "max_positions": max_positions_of(*asked), "width": width_of(*asked)}
