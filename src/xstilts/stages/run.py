"""Carries out stages: the runner that executors call in a worker process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.core.files import write_json
from xstilts.graph import environment
from xstilts.graph.perform import Report
from xstilts.graph.stage import Stage

WITHOUT_MODELS = ("world", "leaks", "evaluate", "choose")
"""Kinds that load no model and no tokenizer."""
COMPUTING = ("translate", "train", "profile", "predict")
"""Kinds that compute on the device of the settings."""
PACKAGES = ("torch", "transformers", "tokenizers", "numpy")


def run_stage(stage: Stage, directory: Path, inputs: dict[str, Path], settings: dict[str, Any], report: Report) -> None:
    """Write the stage's files into `directory`; `inputs` are the directories of the stages it reads."""
    before = environment.left(directory)  # by a run that was killed, and that this one goes on from
    _run(stage, directory, inputs, settings, report)
    if stage.kind in WITHOUT_MODELS:
        return
    told = environment.together([before, environment.left(directory)])
    told |= environment.versions(PACKAGES) | _machine(stage.kind, settings)
    write_json(directory / environment.FILE, told)


def _machine(kind: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """The device that a stage computed on, and the processor's instructions or the GPU's name where torch tells."""
    if kind not in COMPUTING:
        return {}
    device, torch = str(settings.get("device", "cpu")).partition(":")[0], sys.modules.get("torch")
    if torch is None:  # a program of the user's computed
        return {"device": device}
    if device == "cpu":
        return {"device": device, "processor": torch.backends.cpu.get_cpu_capability()}
    known = device == "cuda" and torch.cuda.is_initialized()
    return {"device": device, **({"processor": torch.cuda.get_device_name(settings["device"])} if known else {})}


def _run(stage: Stage, directory: Path, inputs: dict[str, Path], settings: dict[str, Any], report: Report) -> None:
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
        from xstilts.evaluation.evaluate import run_evaluate

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
        from xstilts.stages.starting import run_start

        run_start(config, stage.settings, directory, inputs)
    elif stage.kind == "train":
        if settings.get("devices", 1) > 1:
            from xstilts.stages.ranks import run_train_on as run_train
        else:
            from xstilts.stages.training import run_train

        run_train(config, directory, inputs, settings, report)
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
