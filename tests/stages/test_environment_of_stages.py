from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xstilts.core.files import read_json, write_json
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.stages import run, training


def test_a_resumed_stage_depends_on_the_settings_of_both_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stage = tmp_path / "environment.json", Stage("train", 1, {})

    def tokens(count: int, killed: bool = False) -> None:
        def train(*_: Any) -> None:
            write_json(path, {"depends_on": {"micro_batch_tokens": count}})
            if killed:
                raise KeyboardInterrupt

        monkeypatch.setattr(training, "run_train", train)
        run.run_stage(Job(stage, tmp_path))

    with pytest.raises(KeyboardInterrupt):
        tokens(512, killed=True)
    tokens(128)
    assert read_json(path)["depends_on"] == {"micro_batch_tokens": [128, 512]}, "was 128 alone"
    path.write_text('{"depends_on": {"micro')
    tokens(128)
    assert read_json(path)["depends_on"] == {"micro_batch_tokens": 128}
