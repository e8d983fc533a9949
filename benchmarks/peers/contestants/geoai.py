"""geoai: predict_geotiff, and raster_to_vector for the polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from finish import as_steps, smallest, threshold
from geoai.inference import predict_geotiff
from geoai.utils import raster_to_vector
from job import Outcome
from networks import network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job
    from numpy.typing import NDArray


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network, level = network_of(job), threshold(job)

    def mask(p: NDArray[np.float32]) -> NDArray[np.uint8]:
        return (p >= np.float32(level)).astype(np.uint8)

    @torch.inference_mode()
    def work() -> Outcome:
        raster, vector = job.file("result.tif"), job.file("out.gpkg")
        predict_geotiff(
            network,
            job.raster,
            str(raster),
            tile_size=job.tile,
            overlap=job.overlap,
            batch_size=job.batch,
            output_dtype="uint8",
            output_nodata=255,
            preprocess_fn=np.asarray,
            postprocess_fn=as_steps if job.mode == "null" else mask,
            device="cpu",
        )
        note = "predict_geotiff, spline blend"
        if job.mode == "null":
            return Outcome(result=raster, note=note, packages=("geoai-py",))
        raster_to_vector(str(raster), str(vector), min_area=smallest(job))
        return Outcome(result=vector, note=f"{note}, raster_to_vector", packages=("geoai-py",))

    return work
