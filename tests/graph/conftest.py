"""A store for tests, and real clusters on this machine, if their programs are installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from graph.s3 import Server, missing
from graph.slurm import PROGRAMS, Slurm, find
from xstilts.graph.on_ray import OBJECT_BYTES, TOLD
from xstilts.graph.store import Store

os.environ.update(TOLD, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="7" * 64)  # before any test imports Ray


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Two nodes, shared by all tests of a process, which restore its state."""
    if missing := [program for program in PROGRAMS if find(program) is None]:
        pytest.skip(f"no SLURM here ({', '.join(missing)} missing): apt-get install slurmctld slurmd slurm-client")
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A head and two nodes of two cores, shared by all tests of a process, which restore its state."""
    utils = pytest.importorskip("ray.cluster_utils", reason="no Ray here: pip install 'xstilts[ray]'")
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": OBJECT_BYTES}
    cluster = utils.Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=OBJECT_BYTES)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if lacking := missing():
        pytest.skip(f"no S3 server here ({', '.join(lacking)} missing): pip install s3fs moto flask flask-cors")
    server = Server(tmp_path_factory.mktemp("s3") / "log.txt")
    yield server
    server.close()


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new bucket."""
    from s3fs import S3FileSystem

    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{uuid4()}"
    S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}"
    server.refuse(after=10**9)
    S3FileSystem.clear_instance_cache()
