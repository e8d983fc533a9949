"""Blocks of objects outlined by processes of our own, where there are enough of them.

A worker is a fresh interpreter that reads blocks from its input and ends when that ends, so none
outlives its parent, however that dies. It imports nothing of the caller's program.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from threading import local
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geounet.backends.machine import cores
from geounet.errors import OutputError
from geounet.footprints.outlines.outline import OutlineOptions, block_levels, blocks, kinds
from geounet.footprints.rings import Footprints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Polygons = NDArray[np.object_]
    Pending = Callable[[], list[Polygons]]
    """Waits for outlines that are in the making; to be asked once."""

WORTHWHILE = 5
"""Blocks from which starting workers pays: one costs as much as outlining one to three."""

COMMAND = "from geounet.footprints.outlines.workers import serve; serve()"


class Workers:
    """Outlines of objects, each made of its own pixels alone, by as many processes as cores."""

    def __init__(self, count: int | None = None) -> None:
        """Start none yet; `count` None: one a core."""
        self._count = cores() if count is None else count
        self._pool = ThreadPoolExecutor(self._count)
        self._mine = local()
        self._all: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Return the workers."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, whatever they are at."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._all):
            worker.kill()  # the thread that waits for its answer is told that there is none
        self._pool.shutdown()
        for worker in self._all:
            worker.kill()  # it may have been on its way
            worker.communicate()

    def begin(self, batch: Footprints, options: OutlineOptions) -> Pending:
        """Have the outlines of a batch made; return what waits for them.

        What it returns are outlines in pixels (x = col, y = row), one array a kind, the best kind
        first: one polygon an object, None for an object without an outline of that kind.
        """
        parts = list(blocks(batch))
        if self._count < 2 or len(parts) < WORTHWHILE:  # noqa: PLR2004  one is this process
            made: Iterable[list[Polygons]] = (
                block_levels(batch.take(part), options) for part in parts
            )
        else:
            made = self._pool.map(lambda part: self._ask(batch.take(part), options), parts)

        def wait() -> list[Polygons]:
            found: list[Polygons] = [np.full(len(batch), None, object) for _ in kinds(options)]
            for part, levels in zip(parts, made, strict=True):
                for level, polygons in zip(found, levels, strict=True):
                    level[part] = polygons
            return found

        return wait

    def _ask(self, batch: Footprints, options: OutlineOptions) -> list[Polygons]:
        worker = self._worker()
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            _send(worker.stdin, _packed(batch, options))
            reply = _receive(worker.stdout)
        except (OSError, ValueError) as error:
            raise OutputError(f"a worker that draws outlines ended ({error}); try again") from error
        if reply is None:
            raise OutputError(f"a worker that draws outlines ended ({worker.wait()}); try again")
        return _polygons(reply, len(batch))

    def _worker(self) -> subprocess.Popen[bytes]:
        """Return the worker of this thread, started when it is first needed."""
        if not hasattr(self._mine, "worker"):
            self._mine.worker = subprocess.Popen(  # noqa: S603  ourselves
                [sys.executable, "-c", COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us; they end with their input
            )
            self._all.append(self._mine.worker)
        found: subprocess.Popen[bytes] = self._mine.worker
        return found


def serve() -> None:
    """Outline blocks from the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    while (message := _receive(sys.stdin.buffer)) is not None:
        batch, options = _unpacked(message)
        _send(sys.stdout.buffer, _ragged(block_levels(batch, options)))


def _send(stream: IO[bytes], arrays: dict[str, Any]) -> None:
    memory = io.BytesIO()
    np.savez(memory, **arrays)
    stream.write(memory.tell().to_bytes(8, "little"))
    stream.write(memory.getbuffer())
    stream.flush()


def _receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """Return the next message, None at the end; nothing in it is ever unpickled."""
    size = stream.read(8)
    if len(size) < 8:  # noqa: PLR2004
        return None
    with np.load(io.BytesIO(stream.read(int.from_bytes(size, "little"))), allow_pickle=False) as it:
        return dict(it)


def _packed(batch: Footprints, options: OutlineOptions) -> dict[str, Any]:
    arrays = {each.name: getattr(batch, each.name) for each in fields(batch)}
    words = {
        "kind": options.kind,
        "tolerance_m": options.tolerance_m,
        "transform": options.transform[:6],
        "crs": None if options.crs is None else options.crs.to_json(),
    }
    return {**arrays, "q_sum": np.zeros(0, np.int64), "options": json.dumps(words)}


def _unpacked(message: dict[str, Any]) -> tuple[Footprints, OutlineOptions]:
    words = json.loads(str(message.pop("options")))
    crs = None if words["crs"] is None else CRS.from_json(words["crs"])
    words |= {"transform": Affine(*words["transform"]), "crs": crs}
    return Footprints(**{**message, "q_sum": None}), OutlineOptions(**words)


def _ragged(levels: list[Polygons]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for at, made in enumerate(levels):
        there = np.flatnonzero(~shapely.is_missing(made))
        names = [f"{name}{at}" for name in ("there", "coords", "rings", "parts")]
        found: tuple[Any, ...] = (np.zeros((0, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64))
        if len(there):
            _, coords, offsets = shapely.to_ragged_array(made[there])
            found = coords, *offsets
        arrays |= dict(zip(names, (there, *found), strict=True))
    return arrays


def _polygons(arrays: dict[str, Any], count: int) -> list[Polygons]:
    levels = []
    for at in range(len(arrays) // 4):
        made = np.full(count, None, object)
        offsets = arrays[f"rings{at}"], arrays[f"parts{at}"]
        made[arrays[f"there{at}"]] = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, arrays[f"coords{at}"], offsets
        )
        levels.append(made)
    return levels
