"""Which workers a machine stands for: GPUs lent one by one, and what a cluster has to be told."""

from __future__ import annotations

import pytest
import torch

from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.graph.places import Local, Needs, Slurm
from xstilts.graph.pool import cores
from xstilts.graph.stage import Stage
from xstilts.session.executors import gpus_of, needs_of, places_of, threads_of, trained_at_once
from xstilts.session.run import check_device


@pytest.fixture(autouse=True)
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 8)
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_NTASKS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("machine", "visible", "lent"),
    [
        (Machine("cpu"), None, ()),
        (Machine("mps"), None, ("",)),
        (Machine("cuda"), None, tuple("01234567")),
        (Machine("cuda"), "3,5", ("3", "5")),
        (Machine("cuda"), "GPU-8f, MIG-c1", ("GPU-8f", "MIG-c1")),
        (Machine("cuda:1"), None, ("1",)),
        (Machine("cuda:1"), "GPU-8f,GPU-c1", ("GPU-c1",)),
        (Machine("cuda", devices=4), None, ("0,1,2,3", "4,5,6,7")),
        (Machine("cuda", devices=3), "7,6,5,4", ("7,6,5",)),
        (Machine("cuda", devices=16, ranks="elsewhere"), "0,1", ("0,1",)),
    ],
)
def test_gpus_are_lent_as_the_user_lets_us_see_them(machine: Machine, visible: str | None, lent: tuple[str]) -> None:
    assert gpus_of(machine, visible) == lent


def test_a_machine_of_eight_gpus_computes_eight_stages_on_them_and_as_many_beside() -> None:
    assert places_of(Machine("cuda")) == Local(16, tuple("01234567"))
    assert needs_of(Machine("cuda"))["train"] == Needs(1)
    assert "prepare" not in needs_of(Machine("cuda"))
    assert places_of(Machine("cuda", workers=3)) == Local(3, tuple("01234567"))
    assert needs_of(Machine("cuda", devices=4))["predict"] == Needs(4)
    several = needs_of(Machine("cuda", devices=4, threads=2, executor="ray"))
    assert (several["train"], several["predict"]) == (Needs(4, 2), Needs(1, 2)), "for training alone"
    assert places_of(Machine("cpu")) == Local(cores(), ())
    assert needs_of(Machine("cpu")) == {}


def test_few_train_stages_share_the_cores_of_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts.session.executors.cores", lambda: 16)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    data = Stage("prepare", 1, {})
    first, other = (Stage("train", 1, {"seed": seed}, {"data": data}) for seed in (1, 2))
    last = Stage("train", 1, {}, {"model": first})
    counts = {(): 0, (data,): 0, (last,): 1, (last, other): 2, (first, other): 2}
    assert {stages: trained_at_once(stages) for stages in counts} == counts
    assert [needs_of(Machine("cpu"), trained) for trained in (1, 3)] == [{"train": Needs(0, n)} for n in (16, 5)]
    alike = [(Machine("cpu"), 16), (Machine("cpu", workers=3), 3), (Machine("cpu", threads=2), 1)]
    assert [needs_of(machine, trained) for machine, trained in alike] == [{}] * 3
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert needs_of(Machine("cpu"), 1) == {}, "the user's own number"


def test_slurm_is_told_how_many_and_on_what(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--executor slurm: set how many stages run at a time"):
        places_of(Machine("cuda", executor="slurm"))
    assert places_of(Machine("cuda", 4, executor="slurm", slurm_options="-p x")) == Slurm(4, "-p x")
    monkeypatch.setenv("SLURM_NTASKS", "6")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    machine = check_device(Machine("cuda", executor="slurm"))
    assert places_of(machine) == Slurm(6)
    assert needs_of(machine)["train"] == Needs(1, 8)
    assert threads_of(Machine("cpu", executor="slurm", threads=2)) == 2
    for device in ("auto", "cuda:1"):
        with pytest.raises(ConfigError, match=f"--device {device} with --executor slurm: give the device of its machines"):
            check_device(Machine(device, executor="slurm"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"executor": "pbs"}, "--executor pbs: choose one of local, slurm, ray"),
        ({"slurm_options": "-p x"}, "--slurm-options needs --executor slurm"),
        ({"executor": "slurm", "address": "a:1"}, "--address needs --executor ray"),
        (
            {"executor": "ray", "ranks": "b:1"},
            "--executor ray with torchrun: leave out one of the two",
        ),
        ({"executor": "ray", "workers": 0}, "--workers 0 runs everything in this process: leave out --executor ray"),
    ],
)
def test_what_does_not_go_together_is_one_line(options: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Machine(**options)  # type: ignore[arg-type]
    assert str(raised.value) == line
