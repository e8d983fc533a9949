"""OmniCloudMask: predict_from_array with a model of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from finish import end, read_image
from networks import network_of
from omnicloudmask import predict_from_array, raster_utils

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job, Outcome


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network = network_of(job)
    # It standardises each patch by its own mean: the same weights would mean nothing.
    raster_utils.channel_norm = lambda patch, _: patch

    @torch.inference_mode()
    def work() -> Outcome:
        p = predict_from_array(
            read_image(job),
            patch_size=job.tile,
            patch_overlap=job.overlap,
            batch_size=job.batch,
            export_confidence=True,
            softmax_output=False,
            no_data_value=-1,
            apply_no_data_mask=False,
            custom_models=network,
            pred_classes=1,
        )
        note = "predict_from_array, its own blend, its per-patch scaling left out"
        return end(job, p[0], note, "omnicloudmask")

    return work
