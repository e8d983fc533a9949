"""tiler: Tiler and Merger over the padded image, as its README does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from finish import end, read_image
from networks import network_of
from tiler import Merger, Tiler

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job, Outcome


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network = network_of(job)
    window = "hann" if job.blends else "overlap-tile"

    def tiler_of(bands: int, shape: tuple[int, ...]) -> Tiler:
        return Tiler(
            data_shape=(bands, *shape),
            tile_shape=(bands, job.tile, job.tile),
            overlap=(0, job.overlap, job.overlap),
            channel_dimension=0,
        )

    @torch.inference_mode()
    def work() -> Outcome:
        image = read_image(job)
        padding = [(0, 0), (job.halo, job.halo), (job.halo, job.halo)]
        padded = np.pad(image, padding, mode="reflect")
        tiler, outputs = (tiler_of(bands, padded.shape[1:]) for bands in (3, 1))
        merger = Merger(outputs, window=window, save_visits=False)
        for number, tiles in tiler(padded, batch_size=job.batch):
            p = network(torch.from_numpy(tiles).float()).numpy()
            merger.add_batch(number, job.batch, p)
        p = merger.merge(extra_padding=padding)[0]
        return end(job, p, f"Merger, {window}, reflected edge", "tiler")

    return work
