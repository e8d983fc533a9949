"""What keeping finished cells costs an uninterrupted run: its share of the CPU seconds.

    python benchmarks/journal.py --folder CACHE [--size 8192] [--rounds 3]

The model is one 1 × 1 convolution, on one thread: nothing else hides what the journal takes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from contestants import Job, _warm_all
from imagery import pointwise, scene
from pipeline import machine

from geounet.journal import Journal
from geounet.predict import predict
from geounet.state import CELLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from geounet.walk import Segment


spent = {"seconds": 0.0, "log_bytes": 0}


def timed(journal: Journal, segment: Segment, put: Callable[..., None] = Journal.put) -> None:
    """Keep a segment, and count the seconds of this thread and the bytes."""
    started = time.thread_time()
    put(journal, segment)
    spent["seconds"] += time.thread_time() - started
    spent["log_bytes"] = (journal._folder / CELLS).stat().st_size  # noqa: SLF001


def main() -> None:
    """Measure with and without a raster beside the footprints; print one JSON line a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the raster")
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    Journal.put = timed  # type: ignore[method-assign]
    options.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(machine()))
    raster = scene(options.folder, options.size, options.size, "deflate")
    model = pointwise(options.folder)
    for _ in range(options.rounds):
        for pixels in (False, True):
            print(json.dumps({"probability": pixels} | share(raster, model, pixels=pixels)))


def share(raster: Path, model: Path, *, pixels: bool) -> dict[str, float]:
    """Return CPU seconds of a run and of its journal."""
    with tempfile.TemporaryDirectory(dir=raster.parent) as folder:
        job = Job(
            raster=str(raster), model=str(model), blend="hann", tile=512, halo=64,
            threads=1, bare=True, folder=folder,
        )  # fmt: skip
        asked = job.options if pixels else replace(job.options, probability=None)
        _warm_all(job, asked)
        spent["seconds"] = 0.0
        started = time.process_time()
        predict(raster, Path(folder) / "out.gpkg", asked)
        cpu = time.process_time() - started
    found = {"cpu": cpu, "journal": spent["seconds"], "share": spent["seconds"] / cpu}
    rounded = {name: round(value, 4) for name, value in found.items()}
    return rounded | {"log_bytes": spent["log_bytes"]}


if __name__ == "__main__":
    main()
