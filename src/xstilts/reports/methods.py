"""The words below the tables: how the numbers were made, by which protocol, and what they do not show."""

from __future__ import annotations

from xstilts.reports.analysis import Analysis

WORLDS = (
    "The {seeds} seeds share {worlds} constructed worlds, each with encoders of its own. Replicates are therefore the "
    "means of worlds, and intervals say what to expect of another world."
)
CLEAR = (
    "A difference is called clear when its interval excludes zero and its p, corrected for all differences in its "
    "table, is below .05. The corrected p draws the variances of few replicates towards what is usual in the table "
    "(Smyth 2004). Over recipes and targets the correction is Holm's; by language it bounds the errors of all rows, "
    "and of all languages' deviations from their rows, together. With fewer than three {replicates} nothing is called "
    "clear: they are too few to say."
)


def flagged(analysis: Analysis, kind: str) -> int:
    """How many runs carry a kind of flag."""
    return sum(len(flag.seeds) for flag in analysis.flags if flag.kind == kind)


def methods(analysis: Analysis) -> list[str]:
    """How the numbers were made, in paragraphs."""
    options, source = analysis.options, analysis.about.source
    worlds = len(set(options.worlds.values()))
    shared = 1 < worlds < len(options.worlds)
    replicates = "worlds" if shared else "seeds"
    clusters = [WORLDS.format(worlds=worlds, seeds=len(options.worlds))] if shared else []
    choosing = " It also leaves out languages whose scores chose a target's layer." * any(analysis.chosen_on.values())
    return [
        f"Scores are 0 to 100. The zero-shot mean leaves out {source}; the other mean includes it, as XTREME does."
        f"{choosing} A target with several main metrics enters as their mean. The mean over targets is the mean of the "
        "targets' own means, each over its own seeds. Layers and variants other than the main one enter no mean.",
        f"Intervals are {options.level:.0%} intervals of Student's t over {replicates}. A gain is taken seed by seed, "
        f"on the same examples on both sides. Where {replicates} share test examples, the variance that other examples "
        "would give is added. With one replicate, the interval is over test examples alone, and says nothing of other "
        "runs.",
        *clusters,
        CLEAR.format(replicates=replicates),
        *([" ".join(analysis.about.selection)] if analysis.about.selection else []),
    ]


def protocols(analysis: Analysis) -> list[str]:
    """Protocols of each target's scores; languages that differ in nothing but their number of examples share one.

    Where backbones are measured in several ways, each line says whose it is.
    """
    lines: list[str] = []
    for (task,), part in analysis.table.where(main=True).groups("task").items():
        ways: dict[tuple[str, ...], tuple[dict[str, int], dict[str, None]]] = {}
        for row in part.rows:
            if row.score.signature:
                name, language, split, count, *rest = row.score.signature.split(" | ")
                languages, backbones = ways.setdefault((name, split, *rest), ({}, {}))
                languages[language] = int(count.removeprefix("n="))
                backbones[row.run.backbone] = None
        for (name, split, *rest), (languages, backbones) in ways.items():
            low, high = min(languages.values()), max(languages.values())
            n = f"n={low}" + (f" to {high}" if high > low else "")
            others = [found for (_, also, *_), (_, found) in ways.items() if also == split]
            whose = f" (of {', '.join(backbones)})" if any(found != backbones for found in others) else ""
            lines.append(f"{task}: {' | '.join([name, ', '.join(languages), split, n, *rest])}{whose}")
    return lines


def limitations(analysis: Analysis) -> list[str]:
    """Those of the experiment, and those that follow from the number of seeds."""
    count = len(analysis.about.seeds)
    if count == 1:
        seeds = ["One seed: how much the results vary from run to run was not measured."]
    elif count < 5:
        seeds = [f"{count} seeds: the variation from run to run is known only roughly."]
    else:
        seeds = []
    return [*analysis.about.limitations, *seeds]
