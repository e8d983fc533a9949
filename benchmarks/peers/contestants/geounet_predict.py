"""`geounet predict` as a user types it, but for its start-up."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from typing import TYPE_CHECKING

from geounet.cli.main import main
from job import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job

IMPORTS = ("geounet.survey.work", "geounet.predict", "geopandas", "pyogrio")
"""What every run of ours imports before it begins; of the engines only one is needed."""


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    for package in IMPORTS:
        importlib.import_module(package)
    vector, probability = job.file("out.gpkg"), job.file("probability.tif")
    words = ["predict", job.raster, "-o", str(vector), "-m", job.model, "--device", "cpu",
             "--threads", str(job.threads), "--json", "-q"]  # fmt: skip
    if job.mode == "null":
        words += ["--probability", str(probability), "--tile", str(job.tile), "--halo",
                  str(job.halo), "--blend", "hann", "--batch-size", str(job.batch),
                  "--threshold", "1"]  # fmt: skip

    def work() -> Outcome:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = main([*words, *job.flags])
        assert code == 0, f"geounet predict ended with {code}"
        found = json.loads(printed.getvalue())
        settings = ("backend", "precision", "tile", "halo")
        note = ", ".join(f"{name} {found[name]}" for name in settings)
        result = probability if job.mode == "null" else vector
        return Outcome(result=result, note=note, halo=found["halo"], packages=("torch",))

    return work
