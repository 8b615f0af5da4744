"""What a user types after `xstilts study` and `xstilts claims`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DataOption, DeviceOption, JsonOption, StoreOption, TokensOption, WorkersOption
from xstilts.core.machine import Machine

ToOption = Annotated[Path | None, typer.Option("--to", help="File of the page (Markdown).", show_default=False)]


def study(  # noqa: PLR0913, PLR0917
    name: Annotated[
        str | None, typer.Argument(help="A study, or a study file of your own; none: list them.", show_default=False)
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    micro_batch_tokens: TokensOption = 8192,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it will take, and run nothing.")] = False,
    to: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study and write its page: question, answer, method, results, limitations, claims with verdicts.

    What is finished is not computed again. The page is reports/NAME/study.md in the store unless --to says otherwise;
    beside it stands the usual report. How to write a study of one's own: docs/studies/README.md.

    Examples:

      xstilts study

      xstilts study curriculum --plan

      xstilts study curriculum --store runs/curriculum --to docs/studies/curriculum.md
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
    name: Annotated[str, typer.Argument(help="A study, or a study file of your own.", show_default=False)],
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    to: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """The verdicts on a study's claims, from what is finished in the store; --to writes the page too."""
    from xstilts.cli.study import show_claims

    show_claims(name, data, store, to, as_json)
