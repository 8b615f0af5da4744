"""`xstilts plan`: what an experiment will take, before it is run."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from xstilts.cli.options import (
    DataOption,
    DevicesOption,
    FileArgument,
    Folders,
    JsonOption,
    LimitOption,
    OffloadOption,
    RecomputeOption,
    SetOption,
    ShardOption,
    StoreOption,
    TokensOption,
    sets_of,
)
from xstilts.cli.output import emit, lines, table
from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.planning.costing import Hardware
from xstilts.planning.devices import Utilisation
from xstilts.planning.devices import device as find_device
from xstilts.planning.empty_files import lay_out
from xstilts.planning.planner import Planner, StagePlan, models_of, total
from xstilts.session.grid import Grid, folders
from xstilts.session.loading import load
from xstilts.session.why import WAITS, reasons
from xstilts.stages.digests import DIGESTS, remembered
from xstilts.stages.selection import in_words_by_default

REASONS = 8
"""That are printed; with `--stages` each stage has its own."""
ORDER = ("world", "tokenizer", "start", "translate", "prepare", "train", "choose", "predict", "evaluate", "leaks")

TO_MAKE_IT_FIT = (
    "to make it fit: lower --micro-batch-tokens (same scores and time), --recompute (same scores, a third more time), "
    "--devices N --shard (same scores); or set `lora`, or `quantize` for 4 bits, in the experiment (changes the scores)"
)


def plan(  # noqa: PLR0913, PLR0917
    file: FileArgument,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    device: Annotated[
        str, typer.Option(help="Device to plan for: h200, h100, a100-80, a100-40, l40s, rtx4090, t4 or cpu.")
    ] = "h100",
    devices: DevicesOption = 1,
    shard: ShardOption = False,
    offload: OffloadOption = False,
    recompute: RecomputeOption = False,
    micro_batch_tokens: TokensOption = 8192,
    mfu: Annotated[
        float | None, typer.Option(help="Model FLOPs utilisation that you measured, from 0 to 1.", show_default=False)
    ] = None,
    sets: SetOption = None,
    limit: LimitOption = None,
    stages: Annotated[bool, typer.Option("--stages", help="Print one row per stage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate tokens, FLOPs, memory, hours and disk of an experiment before it runs.

    Needs no weights, no network and no GPU. Without --data, the plan uses the
    row counts of the official releases and marks what it estimates. If a
    stage does not fit the device, it says what to change. Formulae and their
    measured error: docs/planning.md.

    Examples:
      xstilts plan curriculum-full
      xstilts plan curriculum-full --device rtx4090 --stages
      xstilts plan table1 --data official --device a100-80 --devices 4 --shard
    """
    use = Machine(
        micro_batch_tokens=micro_batch_tokens, devices=devices, shard=shard, offload=offload, recompute=recompute
    )
    if mfu is not None and not 0 < mfu <= 1:
        raise ConfigError(f"--mfu {mfu:g} is a share of the peak: give a number above 0 and at most 1")
    share = Utilisation() if mfu is None else Utilisation.measured(mfu)
    show_plan(load(file, sets_of(sets, limit)), data, store, Hardware(find_device(device), use, share), as_json, stages)


def show_plan(
    experiment: Experiment,
    data: Folders,
    store: Path,
    hardware: Hardware,
    as_json: bool = False,
    stages: bool = False,
) -> None:
    """Print the plan of an experiment; nothing is run or fetched, and nothing written but checksums into a store.

    Args:
        stages: a row for each.
    """
    place = Store(store, must_exist=True) if (store / "STORE.json").is_file() else None
    notes: list[str] = []
    official = any(name not in experiment.tasks for name in experiment.task_names())
    if experiment.worlds or data or not official:
        with remembered(store / DIGESTS):
            grid = Grid.of(experiment, folders(data))
        plans = _plans(grid, place, hardware)
    else:
        notes.append("no data folder: planned from the official releases' numbers of rows; nothing counts as finished")
        place = None
        with tempfile.TemporaryDirectory() as folder:
            lay_out(experiment, Path(folder))
            grid = Grid.of(experiment, Path(folder))
            plans = _plans(grid, None, hardware)
    notes += [*in_words_by_default(grid.stages), *_notes(plans, hardware)]
    why = reasons(grid.stages, place) if place else {}
    if as_json:
        document = {"experiment": experiment.name, "machine": _about(hardware), "total": total(plans), "notes": notes}
        emit({**document, "stages": [{**plan.row(), "why": why.get(plan.key, "")} for plan in plans]})
        return
    sys.stdout.write(headline(plans, hardware) + "\n\n")
    table([_stage_row(plan, why) for plan in plans] if stages else grouped(plans))
    told = [] if stages else because(plans, why)
    lines([*told, *unfit(plans, hardware), *(f"note: {note}" for note in notes)])


def _plans(grid: Grid, store: Store | None, hardware: Hardware) -> list[StagePlan]:
    return Planner(store, hardware, models_of((cell.backbone, cell.stage) for cell in grid.cells)).plan(grid.stages)


def _about(hardware: Hardware) -> dict[str, Any]:
    shares = {"usual": hardware.share.usual, "low": hardware.share.low, "high": hardware.share.high}
    return {
        "device": hardware.device.name,
        **{name: getattr(hardware.use, name) for name in ("devices", "shard", "offload", "recompute")},
        "memory": hardware.device.memory,
        "usable": hardware.device.usable,
        "micro_batch_tokens": hardware.use.micro_batch_tokens,
        "utilisation": shares,
    }


def headline(plans: Sequence[StagePlan], hardware: Hardware) -> str:
    """The plan in one sentence."""
    sums = total(plans)
    if not sums["run"]:
        return f"Nothing to do: all {sums['cached']} stages are finished."
    name = hardware.device.name
    unit = "GPU-hours" if hardware.device.is_gpu else "core-hours"
    memory = f"{_bytes(sums['memory'])} of memory" + (
        f" of {_bytes(hardware.device.usable)} usable" if hardware.device.is_gpu else ""
    )
    large = sums["unfit"]
    unfit = f"; {large} {'stage does' if large == 1 else 'stages do'} not fit" if large else ""
    compute = f"{sums['flops']:.2g} FLOPs, {_hours(sums['hours'])} {unit} on {name}"
    return (
        f"{sums['run']} stages to run, {sums['cached']} finished: {_number(sums['tokens'])} tokens, "
        f"{compute}, at most {memory}, {_bytes(sums['disk'])} of disk"
        f"{' (estimated)' if sums['estimated'] else ''}{unfit}."
    )


def grouped(plans: Sequence[StagePlan]) -> list[dict[str, str]]:
    """Rows by kind and backbone, the total last."""
    groups: dict[tuple[int, str], list[StagePlan]] = {}
    for plan in plans:
        groups.setdefault((ORDER.index(plan.kind), plan.model), []).append(plan)
    rows = [_row(ORDER[kind], model or "-", groups[kind, model]) for kind, model in sorted(groups)]
    return [*rows, _row("total", "", plans)]


def _row(kind: str, model: str, plans: Sequence[StagePlan]) -> dict[str, str]:
    sums = total(plans)
    return {
        "stage": kind,
        "backbone": model,
        "run": str(sums["run"]),
        "finished": str(sums["cached"]),
        **_costs(sums, any(plan.memory for plan in plans)),
        "disk": _bytes(sums["disk"]),
    }


def _stage_row(plan: StagePlan, why: Mapping[str, str]) -> dict[str, str]:
    sums = total([plan])
    state = "finished" if plan.cached else "does not fit" if plan.fits is False else "to run"
    return {
        "key": plan.key[:8],
        "stage": plan.kind,
        "label": plan.label,
        "state": state,
        "steps": f"{plan.steps:,}" if plan.steps else "-",
        **_costs(sums, plan.memory is not None),
        "disk": _bytes(plan.disk),
        **({"why": why.get(plan.key, "-")} if why else {}),
    }


def _costs(sums: dict[str, Any], computes: bool) -> dict[str, str]:
    if not computes:
        return dict.fromkeys(("tokens", "FLOPs", "hours", "memory"), "-")
    mark = "~" if sums["estimated"] else ""
    return {
        "tokens": mark + _number(sums["tokens"]),
        "FLOPs": f"{mark}{sums['flops']:.2g}",
        "hours": mark + _hours(sums["hours"]),
        "memory": _bytes(sums["memory"]),
    }


def because(plans: Sequence[StagePlan], why: Mapping[str, str]) -> list[str]:
    """Why stages are not finished, the most common reasons first; those that wait for others are counted."""
    found = Counter(
        (plan.kind, text) for plan in plans if (text := why.get(plan.key, "")) and not text.startswith(WAITS)
    )
    waiting = sum(text.startswith(WAITS) for text in why.values())
    told = [f"why: {count} {kind}: {text}" for (kind, text), count in found.most_common(REASONS)]
    told += [f"why: {len(found) - REASONS} more reasons (--stages lists all)"] if len(found) > REASONS else []
    return [*told, *([f"why: {waiting} more stages wait for these"] if waiting else [])]


def unfit(plans: Sequence[StagePlan], hardware: Hardware) -> list[str]:
    """For each kind of stage that does not fit: by how much, and what to change."""
    groups: dict[tuple[Any, ...], list[StagePlan]] = {}
    for plan in plans:
        if plan.fits is False and plan.memory is not None:
            groups.setdefault((plan.model, plan.kind, round(plan.memory.total)), []).append(plan)
    found = []
    for (model, kind, memory), own in groups.items():
        others = f" and {len(own) - 1} like it" if len(own) > 1 else ""
        found.append(
            f"does not fit: {kind} {own[0].label}{others} ({model}) takes {_bytes(memory)} of the "
            f"{_bytes(hardware.device.usable)} usable on {hardware.device.name}"
        )
    return [*found, TO_MAKE_IT_FIT] if found else []


def _notes(plans: Iterable[StagePlan], hardware: Hardware) -> list[str]:
    plans = [plan for plan in plans if not plan.cached]
    notes = list(dict.fromkeys(note for plan in plans for note in plan.notes))
    if any(plan.estimated for plan in plans):
        notes.append("~ estimated: data that is not prepared yet is taken at assumed lengths by task type")
    share = hardware.share
    if share.low != share.high:
        notes.append(
            f"hours at {share.usual:.0%} of the peak, in brackets at {share.high:.0%} and {share.low:.0%}: assumed; "
            "`python -m benchmarks.planner` measures it, --mfu takes it"
        )
    return notes


def _bytes(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}" if size < 1000 * scale else f"{size / scale:,.0f} {unit}"
    return f"{size / 1e3:.3g} kB" if size else "-"


def _number(count: float) -> str:
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f}"


def _hours(hours: dict[str, float]) -> str:
    if hours["low"] == hours["high"]:
        return _short(hours["usual"])
    return f"{_short(hours['usual'])} ({_short(hours['low'])}-{_short(hours['high'])})"


def _short(number: float) -> str:
    """Two digits, and no exponent: `0.021`, `3.4`, `170`."""
    return f"{float(f'{number:.2g}'):,g}"
