"""Choices and their worth in words: Markdown that reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xstilts.choosing.cheap import SCORES
from xstilts.choosing.halving import BASELINE, Choice, Row
from xstilts.choosing.worth import MEASURES, Interval, Worth

EXPLAINED = {
    "halving": "successive halving on English validation scores, within the budget",
    "short run": "English validation after the first rung alone",
    "text": "TextEmb: cosine of mean sentence vectors",
    "task": "TaskEmb: cosine of Fisher information",
    "logme": "LogME of the target's labels after the candidate's short run",
    "h_score": "H-score, the same",
    "uniformity": "evenness of English sentence vectors after the candidate's short run",
    "full run": "English validation of the grid's own models (costs the whole grid)",
    "largest task": "control: most training tokens",
    "random": "control: expected value of random order",
}


def choice_page(choice: Choice, command: str) -> str:
    """What to take, the table, and what it cost."""
    heading = f"# Intermediate tasks for {choice.target} ({choice.backbone})"
    return "\n".join(
        [heading, "", verdict(choice), "", *_table(_rows(choice)), "", *_notes(choice), "", f"    {command}", ""]
    )


def verdict(choice: Choice) -> str:
    """The choice in one or two sentences."""
    first = choice.rows[0]
    if first.value is None:
        return (
            f"First is `{first.recipe}`. {choice.target} is not trained, so there is no English score to judge by: "
            "this is a guess from the cheap scores (see docs/choosing.md for what it is worth)."
        )
    clear = ", ".join(f"`{row.recipe}`" for row in choice.clear)
    if clear:
        return f"First is `{first.recipe}`. On English validation data clearly better than none: {clear}."
    if first.recipe == BASELINE:
        return "Take none of these: no candidate did better than no intermediate task."
    return f"First is `{first.recipe}`, but nothing beats no intermediate task clearly."


def _rows(choice: Choice) -> list[dict[str, str]]:
    known = [name for name in SCORES if any(name in row.scores for row in choice.rows)]
    return [
        {
            "rank": str(row.rank),
            "candidate": f"`{row.recipe}`",
            "steps": f"{row.share:.1%}".replace(".0%", "%"),
            "English score": "-" if row.value is None else f"{row.value:.1f}",
            "gain": _gain(row),
            **{name: f"{row.scores[name]:.4g}" if name in row.scores else "-" for name in known},
        }
        for row in choice.rows
    ]


def _gain(row: Row) -> str:
    if row.gain is None:
        return "-"
    low, high = row.gain.low, row.gain.high
    interval = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
    return f"{row.gain.value:+.1f}{'*' if row.gain.clear else ''}{interval}"


def _notes(choice: Choice) -> Iterable[str]:
    if choice.rows[0].value is not None:
        seeds = f"{len(choice.seeds)} {'seed' if len(choice.seeds) == 1 else 'seeds'}"
        yield (
            f"- English scores are of {choice.judged_by}, at the candidate's last rung, with {seeds}; gains are over "
            "the baseline's run of the same length, with 95 % intervals (* clear, as in reports: three seeds "
            "or more, after correction for all candidates). They are gains "
            "in English, not in other languages, and of runs that are short unless steps say 100 %."
        )
    else:
        yield "- Ordered by uniformity after a short run, read on the English sentences of the target's files."
    if not choice.rungs[-1].learned:
        yield (
            "- **Too short to tell**: at the last rung the baseline is not 15 points above the best constant answer. "
            "Give a larger budget, or more steps in the experiment file."
        )
    budget = "" if choice.allowed is None else f" of {choice.allowed / choice.full:.0%} allowed"
    yield (
        f"- Spent {choice.spent / choice.full:.0%}{budget} of what the full grid takes ({choice.spent:.3g} of "
        f"{choice.full:.3g} tokens, trained ones counted three times), {choice.seconds:.0f} s of computing"
        f"{f'; saved {choice.saved:.0%}' if choice.saved > 0 else ', and saved nothing'}."
    )
    for rung in choice.rungs:
        names = ", ".join(f"`{name}`" for name in rung.values)
        yield f"- Rung at {rung.share:g} of the steps: {names}; {rung.cost:.3g} tokens, {rung.seconds:.0f} s."


def worth_page(worth: Worth, command: str) -> str:
    """The methods against the grid."""
    rows = [
        {
            "method": line.method,
            "units": str(line.units),
            **{name: _shown(line.values[name]) if name in line.values else "-" for name in MEASURES},
        }
        for line in worth.lines
    ]
    explained = [f"- {line.method}: {EXPLAINED[line.method]}" for line in worth.lines]
    heading = f"# What choosing is worth: {worth.experiment}"
    lines = [heading, "", *_scope(worth), "", *_table(rows), "", *explained, "", f"    {command}", ""]
    return "\n".join(lines)


def _scope(worth: Worth) -> Iterable[str]:
    """What was measured, in sentences."""
    targets = ", ".join(dict.fromkeys(unit.target for unit in worth.units))
    cost = [unit.cost for unit in worth.units]
    yield f"{len(worth.units)} units: {targets}; up to {len({unit.seed for unit in worth.units})} seeds."
    yield f"Budget {worth.budget:g} of the grid; spent {min(cost):.2f} to {max(cost):.2f}."
    yield f"The best candidate is {_shown(worth.spread)} points above the mean one."
    if worth.slope is not None:
        yield f"A point of English gain of full runs went with {_shown(worth.slope)} points of zero-shot gain."


def _shown(value: Interval) -> str:
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _table(rows: Sequence[dict[str, str]]) -> list[str]:
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    grid = [names, ["-" * width for width in widths], *(list(row.values()) for row in rows)]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in grid
    ]
