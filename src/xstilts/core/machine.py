"""The machine that a run may use. Nothing here changes a number beyond rounding, so none of it is in a key."""

from dataclasses import asdict, dataclass
from typing import Any

from xstilts.core.errors import ConfigError

EXECUTORS = ("local", "slurm", "ray")
TRACKERS = ("tensorboard", "mlflow", "wandb")
"""Each is the name of its Python package too."""


@dataclass(frozen=True)
class Machine:
    """The resources that a run may use.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1` ...; `auto` until `check_device` replaces it.
        workers: stages to run in parallel, each in its own process; 0 runs them in this process. None: one per CPU core
            as memory allows, or two per GPU, one of which uses it; on a cluster, as many as there are tasks or room.
        threads: computing threads of each worker. None: `OMP_NUM_THREADS`, else the cores divided by the workers, or by
            the training stages of the run if these are fewer; on a cluster `SLURM_CPUS_PER_TASK`, else
            `OMP_NUM_THREADS`, else 1.
        micro_batch_tokens: tokens per micro-batch.
        devices: devices per training stage.
        ranks: `HOST:PORT` of the torch store at which torchrun's processes wait; empty: processes are started here.
        shard: each device holds a part of every layer (FSDP2) instead of the whole model (DDP).
        offload: sharded weights and moments are kept in CPU memory while they are not in use.
        recompute: activations inside layers are recomputed in the backward pass instead of kept.
        checkpoint_seconds: time between two checkpoints of a train stage. None: two minutes, or longer, so that saving
            takes at most 2 % of the time.
        log_every: optimizer steps between two logged records.
        executor: where workers run: local, slurm or ray.
        slurm_options: extra options for `srun`.
        address: of a Ray cluster; empty: `RAY_ADDRESS`, else a cluster of this machine alone.
        remote: URL of a folder that shares finished stages with other machines.
        track: experiment tracker that receives the steps of train stages; empty: none.

    Raises `ConfigError` for conflicting options, and for an unknown executor or tracker.
    """

    device: str = "cpu"
    workers: int | None = None
    threads: int | None = None
    micro_batch_tokens: int = 8192
    devices: int = 1
    ranks: str = ""
    shard: bool = False
    offload: bool = False
    recompute: bool = False
    checkpoint_seconds: float | None = None
    log_every: int = 50
    executor: str = "local"
    slurm_options: str = ""
    address: str = ""
    remote: str = ""
    track: str = ""

    def __post_init__(self) -> None:
        named, local = f"--executor {self.executor}", self.executor == "local"
        problems = {
            "--shard divides layers among devices: give --devices 2 or more": self.shard and self.devices == 1,
            "--offload is for shards: give --shard and --devices too": self.offload and not self.shard,
            f"{named}: choose one of {', '.join(EXECUTORS)}": self.executor not in EXECUTORS,
            f"--track {self.track}: choose one of {', '.join(TRACKERS)}": self.track not in ("", *TRACKERS),
            "--slurm-options needs --executor slurm": self.slurm_options and self.executor != "slurm",
            "--address needs --executor ray": self.address and self.executor != "ray",
            f"{named} with torchrun: leave out one of the two": self.ranks and not local,
            f"--workers 0 runs everything in this process: leave out {named}": self.workers == 0 and not local,
        }
        if problem := next((text for text, found in problems.items() if found), ""):
            raise ConfigError(problem)

    def settings(self) -> dict[str, Any]:
        """The settings that stages receive, as JSON; `Machine(**settings)` is the inverse."""
        ours = ("workers", "threads", "executor", "slurm_options", "address", "remote")
        return {name: value for name, value in asdict(self).items() if name not in ours}
