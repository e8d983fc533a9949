"""One contestant of `pipeline.py` in a process of its own: prints its figures as one JSON line.

Libraries are imported and warmed before the clock starts; CPU seconds are user and system time of
all threads, memory is the peak above what the warm process held.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from geounet.backends.torch import TorchStep
from geounet.cog import BLOCK, probability_writer
from geounet.errors import GeounetWarning
from geounet.model import load_model
from geounet.plan import PlanOptions, make_plan
from geounet.predict import PredictOptions, predict
from geounet.prepare import opened
from geounet.relay import relay
from geounet.rows import RowSource
from geounet.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.backends import Step
    from geounet.cog import CogWriter
    from geounet.stitch import Sums


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all contestants are given."""

    raster: str
    """Input."""
    model: str
    """File of a model, or a bundled name."""
    blend: str
    """How tiles are joined."""
    tile: int
    """Edge of a tile."""
    halo: int
    """Context of a tile."""
    threads: int
    """Threads of the network; 0 leaves them."""
    bare: bool
    """Run the pointwise model as one convolution and a sigmoid, without our own step."""
    folder: str
    """For what is written."""

    @property
    def options(self) -> PredictOptions:
        """The same for `predict`."""
        plan = PlanOptions(tile=self.tile, halo=self.halo, blend=self.blend)
        out = Path(self.folder) / "probability.tif"
        chosen = PredictOptions(
            model=Bare(self.model) if self.bare else self.model,
            plan=plan, gsd="native", device="cpu", outline="pixel",
            threads=self.threads or None, probability=out, overwrite=True,
        )  # fmt: skip
        return chosen if self.bare else replace(chosen, backend="torch", precision="fp32")


class Bare:
    """A pointwise model as a step: one convolution of the raw pixels, the scaling folded in."""

    device, precision, backend = "cpu", "fp32", "bare"

    def __init__(self, path: str) -> None:
        """Fold scaling and normalisation into the weights."""
        segmenter = load_model(path)
        self.card, head = segmenter.card, segmenter.network.head
        mean, std = (torch.tensor(each) for each in (self.card.mean, self.card.std))
        weight = head.weight.detach()
        self._weight = weight / (255 * std.view(1, -1, 1, 1))
        self._bias = head.bias.detach() - (weight[..., 0, 0] * mean / std).sum(1)

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the probability maps of one batch without nodata."""
        assert valid.all()
        with torch.inference_mode():
            x = torch.from_numpy(pixels.astype(np.float32, order="C"))
            logits = torch.nn.functional.conv2d(x, self._weight, self._bias)
            return {"probability": logits.sigmoid_().numpy()}


class Clock:
    """CPU seconds, wall seconds and peak memory of a `with` block."""

    def __enter__(self) -> Self:
        """Start."""
        self._held = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        self._cpu, self._wall = _cpu(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.figures = {
            "cpu": round(_cpu() - self._cpu, 3),
            "wall": round(time.perf_counter() - self._wall, 3),
            "mb": round((_memory("VmHWM") - self._held) / 1e6, 1),
            "peak_mb": round(_memory("VmHWM") / 1e6, 1),
        }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(name)


def read(job: Job) -> dict[str, Any]:
    """Decode every block once, into one buffer."""
    with rasterio.open(job.raster) as source, Clock() as clock:
        buffer = np.empty((source.count, BLOCK, BLOCK), np.uint8)
        for _, window in source.block_windows(1):
            source.read(window=window, out=buffer[:, : window.height, : window.width])
    return clock.figures


def copy(job: Job) -> dict[str, Any]:
    """Read all bands block by block, write the first with the settings of our own files."""
    out = Path(job.folder) / "copy.tif"
    with rasterio.open(job.raster) as source, Clock() as clock:
        buffer = np.empty((source.count, BLOCK, BLOCK), np.uint8)
        profile = {"driver": "GTiff", "height": source.height, "width": source.width, "count": 1}
        profile |= {"dtype": "uint8", "crs": source.crs, "transform": source.transform}
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "nodata": 255}
        with rasterio.open(out, "w", compress="DEFLATE", zlevel=1, **profile) as target:
            for _, window in source.block_windows(1):
                part = buffer[:, : window.height, : window.width]
                source.read(window=window, out=part)
                target.write(part[0], 1, window=window)
    return clock.figures | {"bytes": out.stat().st_size}


def forward(job: Job) -> dict[str, Any]:
    """Run the model alone on all tiles that hold data, from memory, batch by batch as the walk."""
    with _walk(job) as walk:
        step, tiles = walk.step, _tiles(walk)
        _warm(step, job)
        whole = np.ones((1, job.tile, job.tile), bool)
        with Clock() as clock:
            for pixels in tiles:
                step(pixels[None], whole)
    return clock.figures | {"tiles": len(tiles)}


def geounet(job: Job) -> dict[str, Any]:
    """Walk to the tiled probability raster; the COG that is made of it is counted apart."""
    with _walk(job) as walk:
        _warm(walk.step, job)
        out = Path(job.folder) / "probability.tif"
        with Clock() as clock:
            writer = probability_writer(out, walk.reader.info, walk.step.card.classes)
            relay(walk.everything(), partial(_written, writer), name="geounet-write")
        with Clock() as apart:
            writer.close()
    figures = {"cog_cpu": apart.figures["cpu"], "cog_wall": apart.figures["wall"]}
    return clock.figures | figures | {"bytes": out.stat().st_size}


def geounet_all(job: Job) -> dict[str, Any]:
    """Predict to a GeoPackage and a probability raster."""
    return _predicted(job, job.options)


def geounet_vector(job: Job) -> dict[str, Any]:
    """Predict to a GeoPackage alone."""
    return _predicted(job, replace(job.options, probability=None))


def geounet_default(job: Job) -> dict[str, Any]:
    """Predict to a GeoPackage with nothing asked for, as a user's first command does."""
    return _predicted(job, PredictOptions(model=job.model, overwrite=True))


def _written(writer: CogWriter, cells: Iterator[Sums]) -> None:
    for cell, q in (sums.quantised() for sums in cells):
        writer.write(q, cell.core)


def _predicted(job: Job, options: PredictOptions) -> dict[str, Any]:
    _warm_all(job, options)
    with Clock() as clock:
        result = predict(job.raster, Path(job.folder) / "out.gpkg", options)
    return clock.figures | {"polygons": result.polygons, "seconds": result.seconds}


@contextmanager
def _walk(job: Job) -> Iterator[Walk]:
    model, options = load_model(job.model), job.options
    with opened(job.raster, model, options) as reader:
        step: Step = TorchStep(model, device="cpu", precision="fp32", threads=options.threads)
        step = Bare(job.model) if job.bare else step
        yield Walk(make_plan(reader.info.shape, model.card, options.plan), reader, step)


def _tiles(walk: Walk) -> list[NDArray[Any]]:
    grid = walk.plan.grid
    every = range(grid.cols)
    with closing(RowSource(walk.reader, grid, every, range(grid.rows))) as source:
        found = []
        for row in range(grid.rows):
            source.load(row)
            patches = [source.tile(grid.at(row, col)) for col in every]
            found += [data.copy() for data, valid in patches if valid.any()]
    return found


def _warm(step: Step, job: Job) -> None:
    """Run everything once on one tile: the first call builds kernels and buffers."""
    step(np.zeros((1, 3, job.tile, job.tile), np.uint8), np.ones((1, job.tile, job.tile), bool))


def _warm_all(job: Job, options: PredictOptions) -> None:
    """Predict one tile of the raster to the same kinds of output: imports what is imported late."""
    corner = Path(job.folder) / "corner.tif"
    with rasterio.open(job.raster) as source:
        window = Window(0, 0, job.tile, job.tile)
        profile = source.profile | {"height": job.tile, "width": job.tile}
        with rasterio.open(corner, "w", **profile) as target:
            target.write(source.read(window=window))
    probability = options.probability and corner.with_name("corner-probability.tif")
    predict(corner, corner.with_suffix(".gpkg"), replace(options, probability=probability))


CONTESTANTS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "read": read,
    "copy": copy,
    "forward": forward,
    "geounet": geounet,
    "geounet-all": geounet_all,
    "geounet-vector": geounet_vector,
    "geounet-default": geounet_default,
}


def main() -> None:
    """Run the contestant that is named first, with the job that comes second."""
    warnings.simplefilter("ignore", GeounetWarning)
    name, job = sys.argv[1], Job(**json.loads(sys.argv[2]))
    torch.set_num_threads(job.threads or torch.get_num_threads())  # the bare step does not
    print(json.dumps(CONTESTANTS[name](job)))


if __name__ == "__main__":
    main()
