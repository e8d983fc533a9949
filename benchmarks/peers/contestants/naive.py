"""What one writes by hand: the padded image in memory, tile by tile, whole arrays of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from finish import end, read_image
from mosaic import Mosaic
from networks import network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job, Outcome


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network = network_of(job)

    @torch.inference_mode()
    def work() -> Outcome:
        image = read_image(job)
        height, width = image.shape[1:]
        core = job.tile - job.overlap
        rows, cols = (range(0, length, core) for length in (height, width))
        pad = [(job.halo, len(each) * core - length + job.halo)
               for each, length in ((rows, height), (cols, width))]  # fmt: skip
        padded = np.pad(image, [(0, 0), *pad], mode="reflect")
        mosaic = Mosaic(padded.shape[1:], job.tile, 0 if job.blends else job.halo)
        places = [(row, col) for row in rows for col in cols]
        for start in range(0, len(places), job.batch):
            chosen = places[start : start + job.batch]
            pixels = [padded[:, r : r + job.tile, c : c + job.tile] for r, c in chosen]
            p = network(torch.from_numpy(np.stack(pixels)).float())[:, 0].numpy()
            for (row, col), each in zip(chosen, p, strict=True):
                mosaic.add(each, row, col)
        inside = slice(job.halo, job.halo + height), slice(job.halo, job.halo + width)
        return end(job, mosaic.merged()[inside], f"{mosaic.how}, whole array", "rasterio")

    return work
