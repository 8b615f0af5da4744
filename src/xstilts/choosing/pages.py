"""A choice in words: Markdown that reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xstilts.choosing.halving import BASELINE, Choice, Row


def choice_page(choice: Choice, command: str) -> str:
    """The recommendation, the table, and the cost."""
    heading = f"# Intermediate tasks for {choice.target} ({choice.backbone})"
    table = markdown([_cells(choice, rank, row) for rank, row in enumerate(choice.rows, 1)])
    return "\n".join([heading, "", _verdict(choice), "", *table, "", *_notes(choice), "", f"    {command}", ""])


def _verdict(choice: Choice) -> str:
    first = choice.rows[0]
    if first.value is None:
        return (
            f"First is `{first.recipe}`. This is a guess: {choice.target} is not trained, so there is no English score "
            "to judge by."
        )
    if clear := ", ".join(f"`{row.recipe}`" for row in choice.rows if row.better):
        return (
            f"First is `{first.recipe}`. Clearly better than no intermediate task on English validation data: {clear}."
        )
    if first.recipe == BASELINE:
        return "Take none of these: no candidate did better than no intermediate task."
    return f"First is `{first.recipe}`, but no candidate is clearly better than no intermediate task."


def _cells(choice: Choice, rank: int, row: Row) -> dict[str, str]:
    names = dict.fromkeys(name for one in choice.rows for name in one.scores)
    return {
        "rank": str(rank),
        "candidate": f"`{row.recipe}`",
        "steps": f"{row.share:.1%}".replace(".0%", "%"),
        "English score": "-" if row.value is None else f"{row.value:.1f}",
        "gain": _gain(row),
        **{name: f"{row.scores[name]:.4g}" if name in row.scores else "-" for name in names},
    }


def _gain(row: Row) -> str:
    if row.gain is None:
        return "-"
    low, high = row.gain.low, row.gain.high
    interval = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
    return f"{row.gain.value:+.1f}{'*' if row.gain.clear else ''}{interval}"


def _notes(choice: Choice) -> Iterable[str]:
    if choice.rows[0].value is None:
        yield "- Order: uniformity of the target's English sentences after a short run."
    else:
        yield (
            f"- English score: {choice.judged_by}, in the candidate's longest run, mean over seeds "
            f"({', '.join(map(str, choice.seeds))}). Gain: over the baseline's run of the same length, with its 95 % "
            "interval; * marks a clear gain (three seeds or more, corrected for all candidates). It is a gain in "
            "English, of a short run unless steps are 100%, and not a gain in other languages."
        )
    yield "- tokens and text (TextEmb) do not enter the order: neither has been better than random order."
    if not choice.rungs[-1].learned:
        yield (
            "- **Too short to tell**: in the last rung the baseline is less than 15 points above the majority "
            "baseline. Give a larger budget, or more steps in the experiment file."
        )
    yield (
        f"- Spent {choice.spent / choice.full:.0%} of the full grid's cost ({choice.spent:.3g} of {choice.full:.3g} "
        f"FLOPs; {choice.budget:.0%} allowed)."
    )
    for rung in choice.rungs:
        names = ", ".join(f"`{name}`" for name in rung.recipes)
        yield f"- Rung with {rung.share:g} of the steps: {names}; {rung.cost:.3g} FLOPs."


def markdown(rows: Sequence[dict[str, str]]) -> list[str]:
    """A table in aligned Markdown."""
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    grid = [names, ["-" * width for width in widths], *(list(row.values()) for row in rows)]
    return ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in grid]
