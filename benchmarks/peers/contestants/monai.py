"""MONAI: sliding_window_inference over the whole image as one tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from finish import end, read_image
from monai.inferers import sliding_window_inference
from networks import network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job, Outcome


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    network = network_of(job)

    @torch.inference_mode()
    def work() -> Outcome:
        p = sliding_window_inference(
            torch.from_numpy(read_image(job)).float()[None],
            (job.tile, job.tile),
            job.batch,
            network,
            overlap=job.overlap / job.tile,
            mode="gaussian",
        )
        return end(job, p[0, 0].numpy(), "sliding_window_inference, gaussian", "monai")

    return work
