"""No network at all: read every row of blocks, write one band. What the disk and DEFLATE cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rasterio
from finish import BLOCK, DEFLATE_LEVEL, create_probability
from job import Outcome
from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""

    def work() -> Outcome:
        with rasterio.open(job.raster) as source, create_probability(job) as file:
            for row in range(0, source.height, BLOCK):
                rows = Window(0, row, source.width, min(BLOCK, source.height - row))
                file.write(source.read(window=rows)[0], 1, window=rows)
        note = f"rows of blocks, one band, DEFLATE level {DEFLATE_LEVEL}"
        return Outcome(result=job.file("probability.tif"), note=note, packages=("rasterio",))

    return work
