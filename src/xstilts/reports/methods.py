"""The words below the tables: how the numbers were made, by which protocol, and what they do not show."""

from __future__ import annotations

from xstilts.reports.analysis import Analysis

WORLDS = (
    "The {seeds} seeds share {worlds} constructed worlds, each with encoders of its own: worlds are drawn first, seeds "
    "within them second, test examples last, and the Student t interval is over the {worlds} means of worlds. So it "
    "says what to expect of another world; seeds alone would say what to expect of another seed on these."
)


def flagged(analysis: Analysis, kind: str) -> int:
    """How many runs carry a kind of flag."""
    return sum(len(flag.seeds) for flag in analysis.flags if flag.kind == kind)


def methods(analysis: Analysis) -> list[str]:
    """How the numbers were made, in paragraphs."""
    options, source = analysis.options, analysis.about.source
    worlds = len(set(options.worlds.values()))
    shared = 1 < worlds < len(options.worlds)
    clusters = [WORLDS.format(worlds=worlds, seeds=len(options.worlds))] if shared else []
    choosing = " It also leaves out languages whose scores chose a target's layer." * any(analysis.chosen_on.values())
    return [
        f"Scores are 0 to 100. The zero-shot mean leaves out {source}; the other mean includes it, as XTREME does."
        f"{choosing} A target with several main metrics enters as their mean. The mean over targets weighs every "
        "target the same, over the seeds that all of them have. Layers and variants other than the main one enter no "
        "mean.",
        f"Intervals are {options.level:.0%} percentile intervals of a hierarchical paired bootstrap with "
        f"{options.resamples:,} resamples: seeds are drawn with replacement, and test examples within them; both sides "
        "of a gain get the same seeds and the same examples; languages and targets are fixed. Languages or seeds that "
        "are tested on the same example ids get the same draw of examples.",
        "The bootstrap resolves few seeds poorly, and with three its interval is too narrow when they differ "
        "much. So a difference is called clear only when a Student t interval over the seeds' values, too, excludes "
        "zero; with one seed, or with models that no seed changes, there is no such interval, and nothing is known of "
        "others. Differences are not corrected for the number of recipes and targets: among twenty, one may look "
        "clear by chance.",
        *clusters,
        "By language, differences are tested by a paired permutation test that exchanges the two systems' answers "
        "example by example, with Holm's correction over the languages of a recipe and target. It holds for these "
        "runs only.",
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
