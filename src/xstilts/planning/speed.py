"""Hours of stages from the measured speed of finished stages, instead of an assumed share of the peak."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import numpy as np

from xstilts.core.errors import StoreError, XstiltsError
from xstilts.graph.record import Record
from xstilts.graph.stage import Stage
from xstilts.planning.devices import Hours
from xstilts.planning.planner import Planner, StagePlan


def timed(
    plans: Sequence[StagePlan], stages: Sequence[Stage], known: Iterable[Stage], planner: Planner, device: str
) -> tuple[list[StagePlan], str]:
    """Plans with measured hours where a stage of the same kind and precision is finished.

    The range is that between the quartiles of the finished stages' FLOP/s.

    Args:
        stages: the planned ones, in the same order.
        known: stages that may be finished in the planner's store.
        device: kind of device that must have computed them, `cpu` or `cuda`.

    Returns:
        the plans, and a note that says where the hours are from; empty if nothing is measured.
    """
    assert planner.store is not None
    rates: dict[tuple[str, str], list[float]] = {}
    used: list[Record] = []
    finished: list[tuple[Stage, Record]] = []
    for stage in dict.fromkeys(known):
        folder = planner.store.directory(stage)
        if stage.kind in ("train", "predict") and (folder / "DONE").is_file():
            with suppress(StoreError):  # it is damaged
                finished.append((stage, Record.read(folder)))
    for stage, record in sorted(finished, key=lambda pair: pair[1].finished)[-200:]:  # the latest
        if record.environment.get("device") == device and record.seconds > 0:
            with suppress(XstiltsError):  # its model was deleted
                flops = planner.flops(stage)
                rates.setdefault(_kind(stage), []).append(flops / record.seconds)
                used.append(record)
    if not rates:
        return list(plans), ""
    speeds = {kind: np.quantile(own, (0.5, 0.75, 0.25)) for kind, own in rates.items()}
    made = []
    for stage, plan in zip(stages, plans, strict=True):
        speed = speeds.get(_kind(stage)) if plan.flops else None
        made.append(plan if speed is None else replace(plan, hours=Hours(*(plan.flops / speed / 3600.0).tolist())))
    counts = ", ".join(f"{len(own)} {' in '.join(kind)}" for kind, own in rates.items())
    hosts, together = ", ".join(dict.fromkeys(record.host for record in used)), _together(used)
    return made, (
        f"hours are based on the speed of finished stages in {planner.store.root}, computed on {hosts} ({counts}); "
        f"in brackets: its quartiles; {together:.1f} stages ran in parallel on average; at that rate the run takes "
        f"about {sum(plan.hours.usual for plan in made) / together:.2g} hours"
    )


def _together(records: Sequence[Record]) -> float:
    """The average number of stages that ran at a time, while any ran."""
    spans = sorted((datetime.fromisoformat(one.started), datetime.fromisoformat(one.finished)) for one in records)
    covered, end = 0.0, spans[0][0]
    for began, finished in spans:
        covered += max(0.0, (finished - max(began, end)).total_seconds())
        end = max(end, finished)
    return sum(record.seconds for record in records) / covered


def _kind(stage: Stage) -> tuple[str, str]:
    return stage.kind, str(stage.config.get("precision") or stage.config.get("train", {}).get("precision", ""))
