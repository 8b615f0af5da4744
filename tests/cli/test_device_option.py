"""A device that is not there is one line, before a file is read, a store made or a stage run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.session.run import check_device

VERBS = {
    "run": ("run", "demo"),
    "study": ("study", "curriculum"),
    "choose": ("choose", "--target", "micro_topic", "--from", "micro_nli", "--backbone", "microworld:mlm"),
    "predict": ("predict", "3f", "--input", "none.txt", "--to", "out.jsonl"),
}


def machine(monkeypatch: pytest.MonkeyPatch, gpus: int, built: str | None = "13.0") -> None:
    found = SimpleNamespace(type="cuda") if gpus else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: found)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr("xstilts.session.run.TRACES", ("/",) if gpus else ())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("device", ["cuda", "cuda:7", "gpu", "CPU", ""])
def test_every_verb_refuses_a_device_that_is_not_here(
    verb: str, device: str, typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, gpus=0)
    monkeypatch.chdir(tmp_path)
    code, out, err = typed(*VERBS[verb], "--device", device, "--store", "store")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: --device {device}: this machine has no such device (available: cpu)")
    assert ("nvidia-smi" in err) == (device not in ("CPU", ""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("gpus", "kind", "device"), [(0, "cuda", "cpu"), (2, "cuda", "cuda"), (1, "mps", "mps"), (1, "xpu", "cpu")]
)
def test_auto_is_cuda_or_mps_where_there_is_one(
    gpus: int, kind: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, gpus)
    found = SimpleNamespace(type=kind) if gpus else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: found)
    assert check_device(Machine("auto")) == Machine(device)
    if gpus == 2:
        assert check_device(Machine("auto", devices=2)) == Machine("cuda", devices=2)
        with pytest.raises(ConfigError, match=r"^--devices 3: there are 2 here"):
            check_device(Machine("auto", devices=3))
    if not gpus:
        assert check_device(Machine("auto", devices=3)) == Machine("cpu", devices=3)


def test_what_is_here_is_taken_and_what_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_device(Machine("cpu", devices=4))
    machine(monkeypatch, gpus=2)
    for device, devices in (("cuda", 1), ("cuda:1", 1), ("cuda", 2)):
        check_device(Machine(device, devices=devices))
    check_device(Machine("cuda", devices=8, ranks="elsewhere"))
    with pytest.raises(ConfigError, match=r"^--device cuda:7: .* \(there is: cpu, cuda:0, cuda:1\)$"):
        check_device(Machine("cuda:7"))
    with pytest.raises(ConfigError, match=r"^--devices 3: there are 2 here \(cuda:0, cuda:1\)$"):
        check_device(Machine("cuda", devices=3))
    with pytest.raises(
        ConfigError, match=r"^--device cuda:1 with --devices 2: give --device cuda, since each rank has its own$"
    ):
        check_device(Machine("cuda:1", devices=2))
    machine(monkeypatch, gpus=0, built=None)
    with pytest.raises(ConfigError, match="this torch is built without CUDA"):
        check_device(Machine("cuda"))
