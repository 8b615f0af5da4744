"""What a user types after `xstilts study` and `xstilts claims`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DataOption, DeviceOption, JsonOption, StoreOption, TokensOption, WorkersOption
from xstilts.core.machine import Machine

ToOption = Annotated[Path | None, typer.Option("--to", help="File for the page (Markdown).", show_default=False)]


def study(  # noqa: PLR0913, PLR0917
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a study, or a study file of your own. Default: list them.", show_default=False),
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 8192,
    plan: Annotated[bool, typer.Option("--plan", help="Estimate what it will take, without running it.")] = False,
    to: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study: an experiment with a question, and published claims to judge.

    Writes a page with question, answer, method, results, limitations and a
    verdict on every claim to reports/NAME/study.md in the store, beside the
    usual report. Finished stages are reused. Without NAME, lists the studies
    that come with xstilts. To write your own: docs/studies/README.md.

    Examples:
      xstilts study
      xstilts study curriculum --plan
      xstilts study curriculum --store runs/curriculum --to curriculum.md
    """
    from xstilts.cli.study import run_study, show_studies

    if name is None:
        show_studies(as_json)
        return
    if plan:
        from xstilts.cli.plan import Asked, show_plan

        kind = "cpu" if device in ("cpu", "auto") else "h100" if device.startswith("cuda") else device
        use = Machine(micro_batch_tokens=micro_batch_tokens)
        show_plan(Path(name), data, store, Asked(kind, use, None, False, as_json))
        return

    run_study(name, data, store, Machine(device, workers, micro_batch_tokens=micro_batch_tokens), to, as_json)


def claims(
    name: Annotated[str, typer.Argument(help="Name of a study, or a study file of your own.", show_default=False)],
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    to: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the verdict on each claim of a study, from the results so far.

    Computes nothing new. With --to, writes the study's page as well.

    Example:
      xstilts claims curriculum --store runs/curriculum
    """
    from xstilts.cli.study import show_claims

    show_claims(name, data, store, to, as_json)
