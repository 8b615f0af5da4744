"""The command line. It alone reads arguments and the environment.

The module of a verb is imported when the verb is called, so that `xstilts list` does not wait for torch.
"""

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from xstilts import __version__
from xstilts.core.errors import XstiltsError
from xstilts.core.files import disk_fault
from xstilts.graph.pool import waiting

ABOUT = """Train multilingual models on English tasks and measure them in other languages.

An experiment file names backbones, recipes of intermediate tasks, and target
tasks. xstilts trains every combination once, evaluates it zero-shot in every
language with the official metrics, and reports the gains with intervals.

Try it:
  xstilts demo                    a small experiment, without downloads
  xstilts check first.yaml        what your experiment file would read
  xstilts run first.yaml          train, evaluate and report
"""
RUN, READ, USE, KNOW = "Run experiments", "Read results", "Use trained models", "Tasks and data"
VERBS = {
    "demo": (RUN, "run", "Run a complete small experiment on the built-in benchmark, offline."),
    "check": (RUN, "check", "Read all files of an experiment and show what is in them, without training."),
    "plan": (RUN, "plan", "Estimate tokens, FLOPs, memory, hours and disk of an experiment before it runs."),
    "run": (RUN, "run", "Run an experiment: train, evaluate, print the table and write the report."),
    "status": (RUN, "status", "Show which stages are finished, missing or running, and how much disk they take."),
    "why": (RUN, "status", "Explain a stage: its inputs, which stages use it, and why it is not finished."),
    "clean": (RUN, "status", "List stages in the store that no experiment needs; --remove deletes them."),
    "choose": (RUN, "choose", "Rank intermediate tasks for a target task, without training the full grid."),
    "study": (RUN, "study", "Run a study: an experiment with a question, and published claims to judge."),
    "scores": (READ, "scores", "Print every score of an experiment, or rank all experiments of a store."),
    "report": (READ, "scores", "Write the report from the results so far, or compare experiments."),
    "claims": (READ, "study", "Print the verdict on each claim of a study, from the results so far."),
    "submission": (READ, "scores", "Write the predictions of one recipe as a folder for XTREME's leaderboard."),
    "export": (USE, "export", "Write a trained model as a Hugging Face folder with a model card."),
    "predict": (USE, "export", "Predict with a trained model on your own file, in any language."),
    "list": (KNOW, "known", "List the tasks, languages, backbones or metrics that xstilts knows, or your models."),
    "show": (KNOW, "known", "Describe a task, task type, language, metric, backbone or finished stage."),
    "score": (KNOW, "scores", "Score predictions of any model with the official metric of a task."),
    "data": (KNOW, "data", "Check data files and fetch missing ones."),
}
"""Verb -> (panel of the help, its module, the first line of its help)."""

app = typer.Typer(
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class LazyCommand(TyperCommand):
    """A verb whose module is imported when it is called."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        return command_of(str(self.name)).make_context(*args, **extra)


def command_of(verb: str) -> Any:
    """The command of a verb, with its options."""
    home = import_module(f"xstilts.cli.{VERBS[verb][1]}")
    found = getattr(home, f"{verb}_" if verb == "list" else verb)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(verb)(found)
    return typer.main.get_command(alone)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Options before the verb."""
    if show:
        sys.stdout.write(f"xstilts {__version__}\n")
        raise typer.Exit


def main() -> None:
    """Entry point. A user's mistake becomes one line on stderr and exit code 2, never a traceback."""
    os.environ.update(waiting(os.environ))  # before anything loads torch in this process
    group: Any = typer.main.get_command(app)
    for name, (panel, _, summary) in VERBS.items():
        group.add_command(LazyCommand(name, help=summary, rich_help_panel=panel))
    try:
        group()
    except BrokenPipeError:
        sys.exit(0)
    except (XstiltsError, OSError) as error:
        if not (fault := str(error) if isinstance(error, XstiltsError) else disk_fault(error)):
            raise
        sys.stderr.write(f"error: {fault}\n")
        sys.exit(2)


__all__ = ["command_of", "main"]
