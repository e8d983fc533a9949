"""One interleaved run: every contestant once a round, each in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from agreement import agreement, burnt
from environments import PINS, python_of
from job import Job
from networks import null_model, random_model
from rasters import draw_null, draw_real, wrong_pixels

from geounet.model import find_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

NULL_HALO = 64
HERE = Path(__file__).parent
MALLOPT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Race:
    """Rasters, model and jobs of one run."""

    options: argparse.Namespace
    """What was asked for."""
    folder: Path
    """Where rasters and results live; emptied by the caller."""
    reference: NDArray[np.bool_] | None = field(default=None, init=False)
    """Our mask, with which the others' are compared."""
    halo: int = field(default=NULL_HALO, init=False)
    """What the peers are given: in `polygons` what our first run settled."""

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the machine, then every run as it ends."""
        yield self.machine()
        first = self.first_job()
        for turn in range(self.options.rounds):
            for label, job in self.jobs(first):
                line = {"benchmark": f"peers {self.options.mode}", "contestant": label}
                line |= {"round": turn, "tile": job.tile or "auto", "batch": job.batch or "auto"}
                line |= self.run(job)
                yield line
                if self.options.mode == "polygons" and self.reference is None:
                    raise SystemExit(f"nothing to compare with: {line['failed']}")

    def machine(self) -> dict[str, Any]:
        """Return where and with what this ran."""
        asked = self.options
        return {
            "benchmark": f"peers {asked.mode}",
            "machine": _processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
            "torch": version("torch"),
            "rasterio": f"{rasterio.__version__} (GDAL {rasterio.__gdal_version__})",
            "geounet": version("geounet"),
            "size": asked.size,
            "threads": asked.threads,
            "mallopt": asked.mallopt,
            "model": asked.model if asked.mode == "polygons" else "1 x 1 convolution",
            "source": asked.source.name if asked.mode == "polygons" else "drawn",
        }

    def first_job(self) -> Job:
        """Draw the raster, settle the model, and return what all jobs share."""
        asked, raster = self.options, self.folder / "raster.tif"
        if asked.mode == "null":
            draw_null(raster, asked.size)
            model = null_model(self.folder)
        else:
            draw_real(raster, asked.size, asked.source)
            model = self.polygon_model(raster)
        return Job(
            contestant="", mode=asked.mode, raster=str(raster), model=str(model),
            folder=str(self.folder / "result"), tile=0, halo=0, batch=0, threads=asked.threads,
        )  # fmt: skip

    def polygon_model(self, raster: Path) -> Path:
        """Return the file of the model that was asked for."""
        name = self.options.model
        if not name.startswith("smp:"):
            return find_model(name)
        with rasterio.open(raster) as file:
            sample = file.read(window=((0, 512), (0, 512)))
        return random_model(self.folder, name, sample)

    def jobs(self, first: Job) -> Iterator[tuple[str, Job]]:
        """Yield the runs of one round: ours first, whose mask and halo the others need."""
        yield from self.null_jobs(first) if first.mode == "null" else self.polygon_jobs(first)
        for name in ["naive", *PINS]:
            if self.options.only and name not in self.options.only:
                continue
            for tile in self.options.tile:
                for batch in self.options.batch:
                    yield (
                        name,
                        replace(first, contestant=name, tile=tile, halo=self.halo, batch=batch),
                    )

    def null_jobs(self, first: Job) -> Iterator[tuple[str, Job]]:
        """Yield the block copy and ours."""
        first = replace(first, tile=self.options.tile[0], halo=self.halo, batch=1)
        for name in ("block copy", "geounet stream", "geounet predict"):
            yield name, replace(first, contestant=name.replace(" ", "_"))

    def polygon_jobs(self, first: Job) -> Iterator[tuple[str, Job]]:
        """Yield ours: as it comes, in fp32, and what else was asked for."""
        for flags in ("", "--precision fp32", *self.options.ours):
            words = tuple(shlex.split(flags))
            yield (
                f"geounet {flags}".strip(),
                replace(first, contestant="geounet_predict", flags=words),
            )

    def run(self, job: Job) -> dict[str, Any]:
        """Run one contestant; return its figures, or why there are none."""
        python = python_of(self.options.environments, job.contestant)
        failed = self.options.environments / job.contestant / "failed.txt"
        if failed.exists():
            return {"failed": f"not installed: {failed.read_text(encoding='utf-8')}"}
        if not python.exists():
            return {"failed": "not installed: run --prepare"}
        shutil.rmtree(job.folder, ignore_errors=True)
        Path(job.folder).mkdir()
        started = time.perf_counter()
        try:
            done = subprocess.run(
                [python, str(HERE / "contest.py"), job.to_json()],
                env=os.environ | dict.fromkeys(THREADS, str(job.threads))
                | (MALLOPT if self.options.mallopt else {}),
                capture_output=True, text=True, check=False, timeout=self.options.limit,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"stopped after {self.options.limit} s"}
        if done.returncode:
            return {"failed": _reason(done)}
        figures = {"process_wall_s": round(time.perf_counter() - started, 3)}
        return self.judged(job, figures | json.loads(done.stdout))

    def judged(self, job: Job, figures: dict[str, Any]) -> dict[str, Any]:
        """Return the figures with what the result is worth."""
        result, step = Path(figures.pop("result")), figures.pop("step")
        if job.contestant == "block_copy":
            return figures
        if job.mode == "null":
            return figures | {"wrong_pixels": wrong_pixels(Path(job.raster), result, step)}
        mask, polygons = burnt(result, Path(job.raster))
        if self.reference is None:
            self.reference, self.halo = mask, figures["halo"]
        return figures | {"polygons": polygons, "iou": agreement(mask, self.reference)}


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"ended by signal {-done.returncode} (9: no memory left)"
    lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
    ours = [line for line in lines if line.startswith("geounet: error:")]
    return (ours or lines)[-1][:300]


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
