"""Carries out stages: the runner that executors call in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xstilts.graph.stage import Stage

Report = Callable[[dict[str, Any]], None]


def run_stage(stage: Stage, directory: Path, inputs: dict[str, Path], settings: dict[str, Any], report: Report) -> None:
    """Write the stage's files into `directory`; `inputs` are the directories of the stages it reads."""
    # Imported here: a world or an evaluation needs no torch, and a worker that only does these stays light.
    config: Mapping[str, Any] = stage.config
    if stage.kind == "world":
        from xstilts.microworld import write_domain, write_world

        write = write_domain if config.get("part") == "domain" else write_world
        write(directory, int(config["seed"]))
    elif stage.kind == "leaks":
        from xstilts.stages.leaking import run_leaks

        run_leaks(config, stage.settings, directory, inputs)
    elif stage.kind == "evaluate":
        from xstilts.stages.evaluating import run_evaluate

        run_evaluate(config, directory, inputs)
    elif stage.kind == "tokenizer":
        from xstilts.stages.preparing import run_tokenizer

        run_tokenizer(config, stage.settings, directory, inputs)
    elif stage.kind == "translate":
        from xstilts.stages.translating import run_translate

        run_translate(config, stage.settings, directory, inputs, (settings, report))
    elif stage.kind == "prepare":
        from xstilts.stages.preparing import run_prepare

        run_prepare(config, stage.settings, directory, inputs, report)
    elif stage.kind == "start":
        from xstilts.stages.training import run_start

        run_start(config, stage.settings, directory, inputs)
    elif stage.kind == "train":
        from xstilts.stages.ranks import run_train_on

        run_train_on(config, directory, inputs, settings, report)
    elif stage.kind == "choose":
        from xstilts.stages.sweeping import run_choose

        run_choose(config, directory, inputs)
    elif stage.kind == "profile":
        from xstilts.stages.profiling import run_profile

        run_profile(config, directory, inputs, settings)
    else:
        assert stage.kind == "predict", f"no runner for {stage.kind}"
        from xstilts.stages.predicting import run_predict

        run_predict(config, directory, inputs, settings, report)
