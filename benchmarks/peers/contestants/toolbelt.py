"""pytorch-toolbelt: ImageSlicer.iter_split and TileMerger, the leaner of its two ways."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from finish import end, read_image
from networks import network_of
from pytorch_toolbelt.inference.tiles import ImageSlicer, TileMerger

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job, Outcome


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network = network_of(job)

    @torch.inference_mode()
    def work() -> Outcome:
        image = np.ascontiguousarray(read_image(job).transpose(1, 2, 0))
        slicer = ImageSlicer(image.shape, job.tile, job.tile - job.overlap, weight="pyramid")
        merger = TileMerger(slicer.target_shape, 1, slicer.weight)
        pieces = slicer.iter_split(image, cv2.BORDER_REFLECT_101)
        while batch := list(islice(pieces, job.batch)):
            tiles, places = zip(*batch, strict=True)
            pixels = torch.from_numpy(np.stack(tiles).transpose(0, 3, 1, 2))
            merger.integrate_batch(network(pixels.float()), places)
        p = slicer.crop_to_orignal_size(merger.merge_()[0].numpy())
        return end(job, p, "iter_split, TileMerger, pyramid", "pytorch-toolbelt")

    return work
