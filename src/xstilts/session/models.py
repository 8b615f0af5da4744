"""Trained models from Python: the model of one cell of an experiment, and its predictions."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts.experiment import Experiment
from xstilts.export.finished import Finished
from xstilts.export.predicting import Answer, answering_head, check_pairs, examples_of, open_answering, reads_pairs
from xstilts.graph.store import Store
from xstilts.session.grid import grid_of


class Model:
    """A trained model with the head of its target.

    Attributes:
        found: the model and the finished stages around it.
    """

    def __init__(self, found: Finished, device: str = "cpu") -> None:
        self.found, self._device = found, device
        self.head = answering_head(found, None)

    def __repr__(self) -> str:
        return f"<Model {self.found.model.key}: {self.head.task} ({self.head.type})>"

    @cached_property
    def _answer(self) -> Answer:
        return open_answering(self.found, self.head, self._device)

    @cached_property
    def _pairs(self) -> bool | None:
        return reads_pairs(self.found, self.head) if self.head.type == "classification" else None

    def predict(self, inputs: Iterable[str | Sequence[str] | Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One prediction for each input, in order: `id`, `prediction` and scores.

        Args:
            inputs: texts (for tagging also lists of words), or mappings by field: `text` and `pair`; `question` and
                `passage`; `question` and `choices`; `words`. An `id` is optional. Also a table with these columns.

        Raises:
            DataError: an input has other fields than the model reads, or the id of another; gives its number.
        """
        examples = examples_of(inputs, self.head.kind)
        check_pairs(examples, self._pairs, None)
        return [row for part in self._answer(examples) for row in part]


def model(
    experiment: Experiment,
    store: Path | str = "runs",
    recipe: str = "[]",
    target: str | None = None,
    seed: int | None = None,
    backbone: str | None = None,
    device: str = "cpu",
) -> Model:
    """The finished model of one cell of an experiment.

    Args:
        experiment, store: as for `xstilts.scores`.
        recipe: its label in the tables, such as `[mnli]`.
        target, seed, backbone: required if the experiment has several.

    Raises:
        UnknownName: the experiment has no such recipe, target, seed or backbone.
        ConfigError: several cells fit.
        StoreError: the model is not finished.
    """
    place = Store(Path(store), must_exist=True)
    wanted = {"recipe": recipe, "task": target, "seed": seed, "backbone": backbone}
    cell = grid_of(experiment, place).select(wanted, "name one with {}=")[0]
    predictions = cell.stage.inputs["predictions"]
    place.existing(predictions)
    return Model(Finished.find(place, predictions.key), device)
