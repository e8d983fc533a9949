"""The cluster that work is given to: one that runs already, or processes of this machine."""

from __future__ import annotations

import logging
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.backends.machine import cores
from geounet.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

log = logging.getLogger(__name__)

WAIT = 30
"""Seconds a scheduler has to answer."""

PATIENCE = "1 hour"
"""How long a process that died may take to start again before it is given up; Dask's own 15 s are
too few where all cores are busy, and a cluster that gave up all of its processes waits for ever."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Which cluster."""

    scheduler: str | None = None
    """Address of a scheduler that runs (tcp://HOST:PORT), or the file it wrote."""
    workers: int | None = None
    """Processes of this machine that are started instead."""

    def __post_init__(self) -> None:
        """Refuse none, two, and one without what it needs."""
        if (self.scheduler is None) == (self.workers is None):
            raise OptionError("--scheduler and --cluster name two clusters; leave one of them out")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--cluster needs a worker at least, got {self.workers}; try 2")
        if find_spec("distributed") is None:
            raise OptionError("a cluster needs Dask; pip install 'geounet[dask]'")


@contextmanager
def connected(cluster: Cluster) -> Iterator[Client]:
    """Yield a client of a cluster; processes that were started end with the block.

    Raises:
        OptionError: no scheduler answers.
    """
    import distributed  # noqa: F401, PLC0415 - brings its loggers

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its dashboard tells
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ports that are taken: another is found
            opened = _joined(cluster) if cluster.scheduler is not None else _started(cluster)
            client = stack.enter_context(opened)
        log.info("cluster: dashboard at %s", client.dashboard_link)
        yield client


@contextmanager
def _joined(cluster: Cluster) -> Iterator[Client]:
    from distributed import Client  # noqa: PLC0415

    assert cluster.scheduler is not None
    words = {"address": cluster.scheduler}
    if "://" not in cluster.scheduler and Path(cluster.scheduler).is_file():
        words = {"scheduler_file": cluster.scheduler}
    try:
        client = Client(**words, timeout=WAIT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise OptionError(
            f"--scheduler {cluster.scheduler}: no scheduler answers there "
            f"({' '.join(str(error).split())}); start one with: dask scheduler"
        ) from error
    with client:
        yield client


@contextmanager
def _started(cluster: Cluster) -> Iterator[Client]:
    import dask  # noqa: PLC0415
    from distributed import Client, LocalCluster  # noqa: PLC0415

    assert cluster.workers is not None
    threads = max(cores() // cluster.workers, 1)
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": PATIENCE}),
        LocalCluster(
            n_workers=cluster.workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:8787",
            memory_limit=0,  # the plan of each run keeps to --max-memory
            silence_logs=logging.CRITICAL,
            env={"OMP_NUM_THREADS": str(threads), "MALLOC_ARENA_MAX": "1"},
        ) as processes,
        Client(processes, set_as_default=False) as client,
    ):
        yield client
