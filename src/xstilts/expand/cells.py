"""The cells of an experiment's table, and the models that recipes start from.

Cells share stages by content: an intermediate phase is trained once, for all targets.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xstilts.backbones.families import Kind
from xstilts.core.errors import ConfigError, DataError
from xstilts.core.scores import Score
from xstilts.data.locate import Root, listed_once
from xstilts.data.readers.types import TYPES
from xstilts.expand.data import DataFiles, Replicate
from xstilts.expand.objectives import SENTINELS, usual, writes
from xstilts.expand.phases import Phases, StartModel
from xstilts.experiment import BackboneSpec, Experiment, TargetSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import TARGET, TARGET_PHASE, Component, PhaseSpec, Recipe
from xstilts.stages import describe
from xstilts.stages.resolve import part_for, resolve, retrieval_of, shape_of
from xstilts.tasks import Task
from xstilts.tasks.base import Split

CONTROL_NAMES = {"random": "random encoder", "english": "English-only pretraining"}


@dataclass(frozen=True)
class GridCell:
    """One measured run of the table: its labels, and the stage that scores it."""

    seed: int
    backbone: str
    recipe: str
    task: str
    role: str
    stage: Stage

    def name(self, score: Score) -> Score:
        """A score of the stage under this cell's labels; one stage may belong to several cells."""
        labels = {"seed": self.seed, "backbone": self.backbone, "recipe": self.recipe, "role": self.role}
        return replace(score, **labels, stage=self.stage.key)  # type: ignore[arg-type]


def trained_and_tested(cells: Iterable[GridCell]) -> list[tuple[Stage, Stage]]:
    """Pairs of prepare stages, each once: training data of a target's models, but no raw text, and its test data."""
    pairs: dict[tuple[str, str], tuple[Stage, Stage]] = {}
    for cell in (cell for cell in cells if cell.role == "target"):
        test = cell.stage.inputs["data"]
        for model in describe.lineage(cell.stage.inputs["predictions"].inputs["model"]):
            for role, data in model.inputs.items():
                if role.startswith("data") and not TYPES.get(data.config["type"]).raw:
                    pairs[data.key, test.key] = data, test
    return list(pairs.values())


@dataclass(frozen=True)
class Trained:
    """A model within a recipe: its stage, and for each task so far the stage that trained on it last."""

    stage: Stage
    learned: Mapping[str, tuple[Stage, Component]] = field(default_factory=dict)


class Expansion:
    """The cells of an experiment. Arguments and errors as of `DataFiles`."""

    def __init__(self, experiment: Experiment, root: Root | None = None) -> None:
        self.files = DataFiles(experiment, root)
        self.phases = Phases(self.files)
        self.roots, self.experiment = self.files.roots, self.files.experiment
        self.replicates = self.files.replicates()
        self.controls: dict[str, str] = {}
        with listed_once():
            self.cells = list(self._cells())

    def stages(self) -> list[Stage]:
        return [cell.stage for cell in self.cells]

    def checks(self) -> list[Stage]:
        """Leak checks: all labelled or parallel training data of a target against its test data."""
        stages = [describe.leaks(*pair) for pair in trained_and_tested(self.cells)]
        return list({stage.key: stage for stage in stages if stage is not None}.values())

    def models(self, spec: BackboneSpec, replicate: Replicate) -> list[StartModel]:
        """A backbone and its controls. Raises `ConfigError` for pretraining that does not fit it."""
        seed = replicate.seed if spec.seed is None else spec.seed
        use, source = describe.use_of(spec.route, spec.attention, spec.output), None
        if spec.source is not None:
            source, revision = resolve(spec.source, spec.revision, replicate.world)
        shape = shape_of(source, spec.architecture, spec.config, spec.output, self.files.experiment.folder)
        trains_output = spec.output == "head" and spec.pretrain and writes(spec.pretrain[0], shape["kind"])
        first = describe.use_of(spec.route, output="text") if trains_output else use
        if source is not None:
            tokenizer = describe.tokenizer_of(source, revision)
            start = describe.start_pretrained(source, revision, first, spec.name)
            random = describe.start_random_like(source, revision, tokenizer, replicate.seed, use, "random")
        else:
            assert spec.architecture is not None
            tokenizer = self._tokenizer(spec, shape["kind"], replicate)
            start, random = (
                describe.start_random(spec.architecture, spec.config, tokenizer, seed, used, "random")
                for used in (first, use)
            )
        retrieval = retrieval_of(source, spec.retrieval)
        base = StartModel(spec.name, start, tokenizer, retrieval, replicate, output=spec.output, **shape)
        base.check_layer("retrieval: {{layer: {}}}", retrieval.get("layer"))
        models = [replace(base, stage=self._pretrained(spec.pretrain, base, use, seed), train=spec.train)]
        for kind, how in spec.controls.items():
            control = replace(models[0], stage=random)
            if kind == "english" and how == "auto":
                control = replace(models[0], stage=self._pretrained(self._in_english(spec), base, use, seed))
            elif kind == "english":
                source, revision = resolve(how, None, replicate.world)
                shape, retrieval = shape_of(source, None, {}, spec.output), retrieval_of(source, spec.retrieval)
                if shape["layers"] and "layer" in retrieval:  # a control may be smaller
                    retrieval["layer"] = min(retrieval["layer"], shape["layers"])
                control = replace(
                    models[0],
                    tokenizer=describe.tokenizer_of(source, revision),
                    retrieval=retrieval,
                    **shape,
                    stage=describe.start_pretrained(source, revision, use, "English only"),
                )
            models.append(replace(control, name=f"{spec.name} ({CONTROL_NAMES[kind]})", control=kind))
        return models

    def _tokenizer(self, spec: BackboneSpec, kind: Kind | None, replicate: Replicate) -> Stage:
        """A tokenizer trained for a random start; with sentinels if any phase corrupts spans."""
        assert spec.tokenizer is not None
        task = self.experiment.task
        config = spec.tokenizer.model_dump(exclude={"tasks"}) | ({"ascii": True} if spec.output == "text" else {})
        phases = [*spec.pretrain, *(phase for recipe in self.experiment.recipes for phase in recipe.phases)]
        parts = [part for phase in phases for part in phase.tasks if part.task != TARGET]
        if "span_corruption" in [part.objective or usual(task(part.task), kind, spec.output) for part in parts]:
            config["sentinels"] = SENTINELS
        tasks = list(map(task, spec.tokenizer.tasks))
        config["languages"] = self.files.text_languages(tasks, spec.tokenizer.languages, replicate)
        return describe.tokenizer_trained(config, self.files.source(replicate, *tasks), tasks)

    def _pretrained(self, phases: Sequence[PhaseSpec], base: StartModel, use: describe.Use, seed: int) -> Stage:
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

    def _in_english(self, spec: BackboneSpec) -> list[PhaseSpec]:
        """The phases of pretraining on English text alone, without phases that have none."""
        experiment, share, phases = self.experiment, spec.english_share, []
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

    def _cells(self) -> Iterator[GridCell]:
        for replicate in self.replicates:
            for spec in self.experiment.backbones:
                for model in self.models(spec, replicate):
                    if model.control:
                        self.controls[model.name] = model.control
                    for recipe in (Recipe(),) if model.control else self.experiment.recipes:
                        yield from self._recipe(model, recipe)

    def _recipe(self, model: StartModel, recipe: Recipe) -> Iterator[GridCell]:
        shared, own = recipe.divided()
        trained = Trained(model.stage)
        for phase in shared:
            trained = self._trained(trained, phase, model)
        number = self.replicates.index(model.replicate)
        targets = [t for t in self.experiment.targets if t.seeds is None or number < t.seeds]
        finished = [(target, self._finished(trained, own, target, model)) for target in targets]
        learned = {**trained.learned, **(finished[0][1].learned if finished else {})}
        for name, (stage, part) in learned.items():
            task = self.phases.task(part.task, model, part.objective)
            if task.metric:
                split = self.files.validation_split(task)
                languages = self.files.own_languages(task, part, split, model.replicate)
                data = self.files.prepared(task, split, languages, model.tokenizer, model.replicate)
                scored = self._score(stage, data, task, part.name, "intermediate", split, model)
                yield GridCell(model.replicate.seed, model.name, recipe.label, name, "intermediate", scored)
        for target, end in finished:
            scored = self._target(end.stage, target, model)
            yield GridCell(model.replicate.seed, model.name, recipe.label, target.task, "target", scored)

    def _trained(
        self, trained: Trained, phase: PhaseSpec, model: StartModel, target: TargetSpec | None = None
    ) -> Trained:
        earlier = [part for _, part in trained.learned.values()]
        stage = self.phases.train(trained.stage, phase, model, earlier=earlier, target=target)
        now = {part.name: (stage, part) for part in phase.without_idle().tasks}
        return Trained(stage, {**trained.learned, **now})

    def _finished(self, trained: Trained, own: tuple[PhaseSpec, ...], target: TargetSpec, model: StartModel) -> Trained:
        """The rest of the recipe for one target, by default its fine-tuning; retrieval has none.

        The target is not among what was learned: it has a cell of its own.
        """
        head = self.experiment.trained_on(target)
        phases = [self.experiment.target_phase(phase, target) for phase in own or (TARGET_PHASE,)]
        for number, phase in enumerate(phases, start=1):
            if phase is not None:
                trained = self._trained(trained, phase, model, target if number == len(phases) else None)
        last = [part["task"] for part in trained.stage.config.get("components", ())]
        if head and head not in last:
            raise ConfigError(
                f"a recipe trains on {last[0]} after the target's task '{head}', whose head is gone by then: put "
                "`target` into the last phase, or replay it there (`replay: 0.1`)"
            )
        return Trained(trained.stage, {name: place for name, place in trained.learned.items() if name != head})

    def _target(self, stage: Stage, target: TargetSpec, model: StartModel) -> Stage:
        """The scores of a finished model in every language of a target."""
        task = self.phases.task(target.task, model)
        split = target.split or task.evaluate_on
        languages = self.files.languages(task, split, target.languages, model.replicate)
        named = [code for code in target.languages or () if code != self.experiment.source]
        chosen_on = part_for(TYPES.get(task.type).judged_by, model.retrieval).get("validate_on", ())
        for why, codes in {"`languages` of the target": named, "`validate_on` of its layer": chosen_on}.items():
            if absent := [code for code in codes if code not in languages]:
                raise DataError(f"{task.name} has no {split} files for {', '.join(absent)}, which {why} names")
        data = self.files.prepared(task, split, languages, model.tokenizer, model.replicate, target.limit)
        return self._score(stage, data, task, self.experiment.trained_on(target), "target", split, model)

    def _score(
        self, stage: Stage, data: Stage, task: Task, head: str, role: str, split: Split, model: StartModel
    ) -> Stage:
        """The stage that scores a cell."""
        kind = TYPES.get(task.type)
        options = self.experiment.options(PhaseSpec(tasks=(Component(task=head or task.name),)), model.train)
        predictions = describe.predict(stage, data, task, head, options, part_for(kind.read_by, model.retrieval))
        return describe.evaluate(predictions, data, task, split, role, part_for(kind.judged_by, model.retrieval))
