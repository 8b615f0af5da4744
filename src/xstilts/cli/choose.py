"""`xstilts choose`: which intermediate task to train on."""

import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from xstilts import choosing
from xstilts.cli import options as opt
from xstilts.cli.output import show
from xstilts.cli.run import stoppable
from xstilts.core.errors import ConfigError
from xstilts.core.files import write_text
from xstilts.core.machine import Machine
from xstilts.graph.events import Done, Event, Progress
from xstilts.graph.store import Store
from xstilts.reports.markdown import without_tags
from xstilts.session.loading import load
from xstilts.session.run import check_device, computing
from xstilts.stages.checksums import DIGESTS, remembered


def choose(
    file: Annotated[
        Path | None,
        Argument(help="Experiment file. Without one, give --backbone; options have their defaults."),
    ] = None,
    target: Annotated[str | None, Option(help="Target task.")] = None,
    sources: Annotated[
        str, Option("--from", help="Candidates, separated by commas: mnli,squad_v1. Default: the recipes of FILE.")
    ] = "",
    budget: Annotated[str, Option(help="Budget as a share of the full grid's cost: 0.3 or 30%.")] = "0.3",
    backbone: Annotated[
        str | None, Option(help="Backbone to start from; required without FILE, or if FILE has several.")
    ] = None,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    micro_batch_tokens: opt.Tokens = 8192,
    as_json: opt.Json = False,
) -> None:
    """Rank intermediate tasks for a target task, without training the full grid.

    Trains short runs of all candidates and keeps the better half in each round
    (successive halving), judged on English validation data, until the budget is
    spent. The baseline, without an intermediate task, always takes part. Labels in
    other languages are never read. So far no ranking has beaten random order. Full
    runs (--budget 1) can show that no candidate helps (docs/choosing.md).

    Examples:
      xstilts choose table1 --target xnli --from hellaswag,squad_v1 --data official
      xstilts choose --backbone xlm-r-base --target xnli --from squad_v1,qqp --data official
    """
    machine = check_device(Machine(device, workers, micro_batch_tokens=micro_batch_tokens))
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(%?)", budget.strip())
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"--budget {budget}: give a share of the full grid's cost, such as 0.3 or 30%")
    candidates = split_words(sources)
    if target is None:
        raise ConfigError("name the task to choose for with --target, as in --target xnli")
    if file is not None:
        experiment = choosing.setting(load(file), target, candidates, backbone)
    elif backbone is None or not candidates:
        raise ConfigError("give an experiment file, or --backbone and --from mnli,squad_v1,...")
    else:
        experiment = choosing.from_names(target, candidates, backbone)
    place, tell = Store(store), None if as_json else _tell
    with stoppable(lambda: "finished stages are kept"), remembered(store / DIGESTS):
        choice = choosing.choose(choosing.Runs(experiment, data, place), computing(place, machine, tell), share)
    page = choosing.choice_page(choice, shlex.join(["xstilts", *sys.argv[1:]]))
    write_text(path := store / "reports" / f"choose-{choice.target}.md", without_tags(page))
    show(asdict(choice), as_json, ["", page, f"report: {path}"])


def split_words(text: str) -> list[str]:
    """Each word between commas once; commas within brackets belong to the word."""
    return list(dict.fromkeys(word for part in re.split(r",(?![^\[]*\])", text) if (word := part.strip())))


def _tell(event: Event) -> None:
    """A line for each stage that ends, or has something to say."""
    if isinstance(event, Done) or (isinstance(event, Progress) and event.fraction is None and event.message):
        sys.stderr.write(f"{event}\n")
