"""The text below the tables: methods, protocols and limitations."""

from jinja2 import Environment, StrictUndefined

from xstilts.reports.analysis import Analysis
from xstilts.reports.figures import asset
from xstilts.reports.findings import flagged


def methods(analysis: Analysis, study: bool = False) -> list[str]:
    """The methods, in paragraphs."""
    options, worlds = analysis.options, len(set(analysis.options.worlds.values()))
    shared = worlds if 1 < worlds < len(options.worlds) else 0
    text = Environment(undefined=StrictUndefined).from_string(asset("method.txt.j2"))
    paragraphs = text.render(
        about=analysis.about,
        described=[" ".join(part.split()) for part in analysis.about.description.split("\n\n")],
        chosen=any(analysis.chosen_on.values()),
        level=f"{options.level:.0%}",
        unit="worlds" if shared else "seeds",
        worlds=shared,
        study=study,
        flagged=lambda kind: flagged(analysis, kind),
    )
    return [line for line in paragraphs.splitlines() if line.strip()]


def protocols(analysis: Analysis) -> tuple[str, ...]:
    """Protocols of each target's scores; languages that differ in nothing but their number of examples share one.

    If backbones are measured in several ways, each line names its backbones.
    """
    lines: list[str] = []
    for (task,), part in analysis.table.where(main=True).groups("task").items():
        ways: dict[tuple[str, ...], tuple[dict[str, int], dict[str, None]]] = {}
        for row in part.rows:
            if row.score.signature:
                name, language, split, number, *rest = row.score.signature.split(" | ")
                languages, backbones = ways.setdefault((name, split, *rest), ({}, {}))
                languages[language] = int(number.removeprefix("n="))
                backbones[row.run.backbone] = None
        for (name, split, *rest), (languages, backbones) in ways.items():
            low, high = min(languages.values()), max(languages.values())
            n = f"n={low}" + (f" to {high}" if high > low else "")
            others = [found for (_, also, *_), (_, found) in ways.items() if also == split]
            whose = f" (of {', '.join(backbones)})" if any(found != backbones for found in others) else ""
            lines.append(f"{task}: {' | '.join([name, ', '.join(languages), split, n, *rest])}{whose}")
    return tuple(lines)


def limitations(analysis: Analysis) -> list[str]:
    """The experiment's limitations, and those due to the number of seeds."""
    number, seeds = len(analysis.about.seeds), []
    if number == 1:
        seeds = ["One seed: how much the results vary from run to run was not measured."]
    elif number < 5:
        seeds = [f"{number} seeds: the variation from run to run is known only roughly."]
    return [*analysis.about.limitations, *seeds]
