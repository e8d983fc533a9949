"""TorchGeo: RasterDataset and GridGeoSampler; it stitches nothing, so the loop does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rasterio
import torch
from finish import end
from mosaic import Mosaic
from networks import network_of
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import GridGeoSampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job, Outcome


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network = network_of(job)

    @torch.inference_mode()
    def work() -> Outcome:
        dataset = RasterDataset([job.raster])
        sampler = GridGeoSampler(dataset, size=job.tile, stride=job.tile - job.overlap)
        loader = DataLoader(dataset, job.batch, sampler=sampler, collate_fn=stack_samples)
        with rasterio.open(job.raster) as file:
            shape, gsd, left, bottom = file.shape, file.res[0], file.bounds.left, file.bounds.bottom
        core = job.tile - job.overlap
        whole = [-(-(length - job.overlap) // core) * core + job.overlap for length in shape]
        beyond = whole[0] - shape[0]  # the grid starts at the lower left: rows stick out above
        mosaic = Mosaic(tuple(whole), job.tile, 0 if job.blends else job.halo)
        for batch in loader:
            p = network(batch["image"])[:, 0].numpy()
            for (x, y, _), each in zip(batch["bounds"], p, strict=True):
                row = whole[0] - round((y.start - bottom) / gsd) - job.tile
                mosaic.add(each, row, round((x.start - left) / gsd))
        merged = mosaic.merged()[beyond:, : shape[1]]
        return end(job, merged, f"GridGeoSampler, own loop: {mosaic.how}", "torchgeo")

    return work
