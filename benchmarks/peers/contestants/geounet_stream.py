"""geounet.stream: finished parts of the probability, written as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finish import as_steps, create_probability
from job import Outcome

import geounet.backends.torch  # noqa: F401 - its import is no part of the work
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    plan = PlanOptions(tile=job.tile, halo=job.halo, blend="hann", batch_size=job.batch)
    options = PredictOptions(plan=plan, device="cpu", threads=job.threads)

    def work() -> Outcome:
        with create_probability(job) as file:
            for window, p in stream(job.raster, job.model, options):
                file.write(as_steps(p), window=window)
        return Outcome(result=job.file("probability.tif"), note="Hann blend", packages=("torch",))

    return work
