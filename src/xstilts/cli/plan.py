"""`xstilts plan`: the cost of an experiment before it runs."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from typer import Option

from xstilts.cli import options as opt
from xstilts.cli.output import aligned, show
from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.store import Store
from xstilts.planning.amounts import lay_out
from xstilts.planning.costing import Hardware
from xstilts.planning.devices import Device, Utilisation, device_called
from xstilts.planning.devices import device as find_device
from xstilts.planning.planner import Planner, StagePlan, models_of, total
from xstilts.planning.speed import timed
from xstilts.session.grid import Grid, folders, remembered_stages
from xstilts.session.loading import load
from xstilts.session.run import check_device
from xstilts.session.why import WAITS, reasons
from xstilts.stages import KINDS
from xstilts.stages.checksums import DIGESTS, remembered
from xstilts.stages.selection import in_words_by_default

REASONS = 8
"""At most so many reasons for missing stages are printed; `--stages` prints all."""
TO_MAKE_IT_FIT = (
    "to make it fit: lower --micro-batch-tokens (same scores and time), --recompute (same scores, a third more time), "
    "--devices N --shard (same scores); or set `lora`, or `quantize` for 4 bits, in the experiment (changes the scores)"
)


def plan(
    file: opt.File,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    device: Annotated[
        str,
        Option(help="Device to plan for: h200, h100, a100-80, a100-40, l40s, rtx4090, t4 or cpu; auto: this machine."),
    ] = "auto",
    devices: opt.Devices = 1,
    shard: opt.Shard = False,
    offload: opt.Offload = False,
    recompute: opt.Recompute = False,
    micro_batch_tokens: opt.Tokens = 8192,
    mfu: Annotated[float | None, Option(help="Model FLOPs utilisation that you measured, from 0 to 1.")] = None,
    sets: opt.Set = None,
    limit: opt.Limit = None,
    stages: Annotated[bool, Option("--stages", help="Print one row per stage.")] = False,
    as_json: opt.Json = False,
) -> None:
    """Estimate tokens, FLOPs, memory, hours and disk of an experiment before it runs.

    Needs no weights, no network and no GPU. Without --data, the plan uses the
    row counts of the official releases and marks estimated figures. For this
    machine, hours are based on finished stages in the store if they ran on
    the same kind of device; otherwise on an assumed utilisation. If a stage
    does not fit the device, the plan says what to change. Formulae and their
    measured error: docs/planning.md.

    Examples:
      xstilts plan curriculum-full --device h100
      xstilts plan curriculum-full --device rtx4090 --stages
      xstilts plan table1 --data official --device a100-80 --devices 4 --shard
    """
    use = Machine(
        micro_batch_tokens=micro_batch_tokens, devices=devices, shard=shard, offload=offload, recompute=recompute
    )
    if mfu is not None and not 0 < mfu <= 1:
        raise ConfigError(f"--mfu {mfu:g} is a share of the peak: give a number above 0 and at most 1")
    share = Utilisation() if mfu is None else Utilisation(mfu, mfu, mfu)
    hardware = Hardware(device_here() if device == "auto" else find_device(device), use, share)
    show_plan(load(file, opt.sets_of(sets, limit)), data, store, hardware, as_json, stages)


def device_here() -> Device:
    """The GPU of this machine, or `h100` for one that is not in the table; `cpu` without a GPU."""
    if check_device(Machine("auto")).device == "cpu":
        return find_device("cpu")
    import torch

    return (device_called(torch.cuda.get_device_name()) if torch.cuda.is_available() else None) or find_device("h100")


def show_plan(
    experiment: Experiment, data: Sequence[Path] | None, store: Path, hardware: Hardware, as_json: bool, stages: bool
) -> None:
    """Print the plan of an experiment. Nothing is run or fetched; only checksums are written into the store."""
    place = Store(store, must_exist=True) if (store / "STORE.json").is_file() else None
    notes: list[str] = []
    with ExitStack() as stack:
        if experiment.worlds or data or all(name in experiment.tasks for name in experiment.task_names()):
            stack.enter_context(remembered(store / DIGESTS))
            roots = folders(data)
        else:
            notes.append("no data folder: the plan uses official row counts and ignores finished stages")
            place, roots = None, (Path(stack.enter_context(tempfile.TemporaryDirectory())),)
            lay_out(experiment, roots[0])
        grid = Grid.of(experiment, roots)
        models = models_of((cell.backbone, cell.stage) for cell in grid.cells)
        planner = Planner(place, hardware, models)
        plans = planner.plan(grid.stages)
        said = ""
        if place and hardware.share == Utilisation() and hardware.device == device_here():
            kind = "cuda" if hardware.device.is_gpu else "cpu"
            plans, said = timed(plans, grid.stages, [*grid.stages, *remembered_stages(place)], planner, kind)
    notes += [*in_words_by_default(grid.stages), *_notes(plans, hardware, said)]
    why = reasons(grid.stages, place) if place else {}
    rows = [{**plan.row(), "why": why.get(plan.key, "")} for plan in plans]
    use = ("devices", "shard", "offload", "recompute", "micro_batch_tokens")
    machine = {
        "device": hardware.device.name,
        **{name: getattr(hardware.use, name) for name in use},
        **{name: getattr(hardware.device, name) for name in ("memory", "usable")},
        "utilisation": hardware.share._asdict(),
    }
    document = {"experiment": experiment.name, "machine": machine, "total": total(plans), "notes": notes}
    texts = [headline(plans, hardware, bool(said)), ""]
    texts += aligned([_stage_row(plan, why) for plan in plans]) if stages else aligned(grouped(plans))
    texts += [*([] if stages else because(plans, why)), *unfit(plans, hardware), *(f"note: {note}" for note in notes)]
    show({**document, "stages": rows}, as_json, texts)


def headline(plans: Sequence[StagePlan], hardware: Hardware, measured: bool) -> str:
    """The plan in one sentence."""
    sums, device, large = total(plans), hardware.device, total(plans)["unfit"]
    if not sums["run"]:
        return f"Nothing to do: all {sums['cached']} stages are finished."
    unit = "GPU-hours" if device.is_gpu else "hours" if measured else "core-hours"
    usable = f" of {_bytes(device.usable)} usable" if device.is_gpu else ""
    unfit = f"; {large} {'stage does' if large == 1 else 'stages do'} not fit" if large else ""
    return (
        f"{sums['run']} stages to run, {sums['cached']} finished: {_scaled(sums['tokens'])} tokens, "
        f"{sums['flops']:.2g} FLOPs, {_hours(sums['hours'])} {unit} on {device.name}, "
        f"at most {_bytes(sums['memory'])} of memory{usable}, {_bytes(sums['disk'])} of disk"
        f"{' (estimated)' if sums['estimated'] else ''}{unfit}."
    )


def grouped(plans: Sequence[StagePlan]) -> list[dict[str, str]]:
    """One row per kind and backbone, then the total."""
    groups: dict[tuple[str, str], list[StagePlan]] = {}
    for plan in plans:
        groups.setdefault((plan.kind, plan.model), []).append(plan)
    ordered = sorted(groups, key=lambda group: (list(KINDS).index(group[0]), group[1]))
    named = [(kind, model or "-", groups[kind, model]) for kind, model in ordered]
    return [
        {
            "stage": kind,
            "backbone": model,
            "run": str(sum(not plan.cached for plan in own)),
            "finished": str(sum(plan.cached for plan in own)),
            **_costs(own),
        }
        for kind, model, own in [*named, ("total", "", plans)]
    ]


def _stage_row(plan: StagePlan, why: Mapping[str, str]) -> dict[str, str]:
    return {
        "key": plan.key[:8],
        "stage": plan.kind,
        "label": plan.label,
        "state": "finished" if plan.cached else "does not fit" if plan.fits is False else "to run",
        "steps": f"{plan.steps:,}" if plan.steps else "-",
        **_costs([plan]),
        **({"why": why.get(plan.key, "-")} if why else {}),
    }


def _costs(plans: Sequence[StagePlan]) -> dict[str, str]:
    sums = total(plans)
    found = {"tokens": _scaled(sums["tokens"]), "FLOPs": f"{sums['flops']:.2g}", "hours": _hours(sums["hours"])}
    if not any(plan.memory for plan in plans):
        found = dict.fromkeys(found, "-")
    elif sums["estimated"]:
        found = {name: f"~{text}" for name, text in found.items()}
    return {**found, "memory": _bytes(sums["memory"]), "disk": _bytes(sums["disk"])}


def because(plans: Sequence[StagePlan], why: Mapping[str, str]) -> list[str]:
    """Why stages are missing, the most common reasons first, and the number of stages that wait for others."""
    waiting = sum(text.startswith(WAITS) for text in why.values())
    found = Counter((p.kind, why[p.key]) for p in plans if p.key in why and not why[p.key].startswith(WAITS))
    told = [f"{count} {kind}: {text}" for (kind, text), count in found.most_common(REASONS)]
    told += [f"{len(found) - REASONS} more reasons (--stages lists all)"] * (len(found) > REASONS)
    told += [f"{waiting} more stages wait for these"] * bool(waiting)
    return [f"why: {line}" for line in told]


def unfit(plans: Sequence[StagePlan], hardware: Hardware) -> list[str]:
    """One line per kind of stage that does not fit, and what to change."""
    groups: dict[tuple[str, str, int], list[StagePlan]] = {}
    for plan in plans:
        if plan.fits is False and plan.memory is not None:
            groups.setdefault((plan.model, plan.kind, round(plan.memory.total)), []).append(plan)
    usable = f"{hardware.device.name} has {_bytes(hardware.device.usable)} usable"
    found = [
        f"does not fit: {kind} {own[0].label}{f' and {len(own) - 1} like it' if len(own) > 1 else ''} ({model}) needs "
        f"{_bytes(memory)}, {usable}"
        for (model, kind, memory), own in groups.items()
    ]
    return [*found, TO_MAKE_IT_FIT] if found else []


def _notes(plans: Iterable[StagePlan], hardware: Hardware, measured: str) -> list[str]:
    plans = [plan for plan in plans if not plan.cached]
    notes = list(dict.fromkeys(note for plan in plans for note in plan.notes))
    if any(plan.estimated for plan in plans):
        notes.append(
            "~ estimated: for data not prepared yet, lengths are assumed by task type, and also the number of distinct "
            "tokens, whose embeddings training stages store"
        )
    share = hardware.share
    if measured:
        notes.append(measured)
    elif share.low != share.high:
        core = "" if hardware.device.is_gpu else " of one core"
        notes.append(
            f"hours are assumed: {share.usual:.0%} of the peak{core} ({share.high:.0%} and {share.low:.0%} in "
            "brackets); measure yours with `python -m benchmarks.planner` and give it with --mfu"
        )
    return notes


def _bytes(size: float) -> str:
    return _scaled(size, "B") if size else "-"


def _scaled(value: float, unit: str = "") -> str:
    """Three digits with a unit: `1.23 G`."""
    power = 0
    while value >= 999.5 and power < 4:
        value, power = value / 1000, power + 1
    return f"{value:{',.0f' if value >= 99.95 else '.3g'}} {('', 'k', 'M', 'G', 'T')[power]}{unit}".rstrip()


def _hours(hours: Mapping[str, float]) -> str:
    """Two digits without an exponent, and the range: `3.4 (2.4-8)`."""
    usual, low, high = (f"{float(f'{hours[name]:.2g}'):,g}" for name in ("usual", "low", "high"))
    return usual if hours["low"] == hours["high"] else f"{usual} ({low}-{high})"
