"""Where a network looked in a few embedded items: windows of their rasters, read anew."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.windows import Window

from geounet.embeddings.pictures import LONGEST, stretch_of, window_of
from geounet.errors import GeounetWarning, ModelError, OptionError
from geounet.explain.drawn import blended
from geounet.explain.task import ExplainOptions, Task
from geounet.footprints.place import place
from geounet.halo import settle_halo
from geounet.networks.registry import bottleneck, total_stride
from geounet.options import PredictOptions
from geounet.prepare import opened
from geounet.preview import Part, preview

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.backends import Model
    from geounet.embeddings.items import Items
    from geounet.explain.scene import Cells
    from geounet.reader import Reader

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Activations:
    """The maps that embeddings were pooled from, at any of the items."""

    rasters: Mapping[str, str | Path]
    """Where each source is."""
    task: Task
    """The network and its layer."""
    inference: PredictOptions
    """How pixels are read."""

    @classmethod
    def of(
        cls, items: Items, model: Path | Model | None, images: Path | None, name: str
    ) -> Activations:
        """Find the rasters and the model that embeddings were made of.

        Args:
            items: the embeddings.
            model: it, or its file; None = the name in the table.
            images: a folder that has the rasters; None = where they were.
            name: of the table, for messages.

        Raises:
            OptionError: the table does not name rasters, or one is not there.
            ModelError: the model is not there, or has no such layer.
        """
        facts = items.facts
        if items.source is None or items.shapes is None or not facts.get("inputs"):
            raise OptionError(
                f"{name}: does not say of which rasters it is (expected what geounet embed writes);"
                " leave --activations out"
            )
        scale = facts.get("scale", "auto")
        inference = PredictOptions(
            model=facts["model"] if model is None else model,
            gsd=facts["gsd"] or "native",
            bands=tuple(facts["bands"]) if facts.get("bands") else None,
            scale=tuple(scale) if isinstance(scale, list) else scale,
        )
        rasters = _found(sorted({str(each) for each in items.source}), facts["inputs"], images)
        return cls(rasters, _task(facts["layer"].split("+")[0], inference), inference)

    @property
    def words(self) -> str:
        """What the maps are."""
        return self.task.words

    def pairs(self, items: Items, rows: Sequence[int]) -> list[Pixels]:
        """Return the picture of each item, then the same with the map over it, item by item.

        One scale serves all: 0 is the smallest value of all these items, 1 the largest.
        """
        assert items.source is not None
        seen: dict[int, tuple[Pixels, Floats]] = {}
        for name, raster in self.rasters.items():
            here = [row for row in rows if items.source[row] == name]
            if here:
                with opened(raster, self.task.segmenter, self.inference) as reader:
                    shapes = items.polygons(np.array(here))
                    stretch = stretch_of(reader)
                    for row, box in zip(here, _boxes(shapes, reader), strict=True):
                        seen[row] = self._look(reader, box, stretch)
        values = np.concatenate([each.ravel() for _, each in seen.values()])
        low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
        span = high - low if high > low else 1
        return [
            picture
            for pixels, maps in (seen[row] for row in rows)
            for picture in (pixels, blended(pixels, (maps - low) / span))
        ]

    def _look(
        self, reader: Reader, box: NDArray[np.float64], stretch: tuple[float, float] | None
    ) -> tuple[Pixels, Floats]:
        """The picture of a place, and the map at the picture's pixels."""
        window = window_of(box, reader.info.shape)
        small = preview(Part(reader, window), LONGEST, stretch)
        around = self._around(window, reader)
        cells = self._cells(Part(reader, around))
        rows, cols = (
            start + np.minimum((np.arange(count) + 0.5) * small.scale, extent - 0.5)
            for start, count, extent in (
                (window.row_off - around.row_off, small.valid.shape[0], window.height),
                (window.col_off - around.col_off, small.valid.shape[1], window.width),
            )
        )
        return small.pixels, cells.at(rows, cols)

    def _cells(self, part: Part) -> Cells:
        with TemporaryDirectory(prefix="geounet-", ignore_cleanup_errors=True) as folder:
            cells = self.task.cells(part, self.inference, Path(folder) / "cells")
            return _held(cells)

    def _around(self, window: Window, reader: Reader) -> Window:
        """A window with all that the network sees from it, on the cells of the whole raster."""
        stride = total_stride(self.task.segmenter.network)
        halo = settle_halo(self.task.segmenter.card, "auto", "crop").size + stride
        spans = []
        for (start, stop), size in zip(window.toranges(), reader.info.shape, strict=True):
            first = max(start - halo, 0) // stride * stride
            spans.append((first, min(stop + halo, size)))
        return Window.from_slices(*spans)


def _found(
    names: Sequence[str], inputs: Sequence[str], images: Path | None
) -> dict[str, str | Path]:
    """Where each source is: in the folder that was named, else where it was."""
    known = {Path(path).name: (path, size) for path, size in map(_parted, inputs)}
    if len(known) < len(inputs):
        raise OptionError(
            "two rasters of the embeddings have one name, so nothing says which items are of "
            "which; embed them apart"
        )
    return {name: _there(*known.get(name, (name, None)), images) for name in names}


def _there(path: str, size: int | None, images: Path | None) -> str | Path:
    """A raster, if it is there; another one in its place is told."""
    if "://" in path:
        return path
    moved = Path(path) if images is None else images / Path(path).name
    file = moved if moved.is_file() else Path(path)
    if not file.is_file():
        raise OptionError(
            f"{moved}: the raster of the embeddings is not there; name its folder with --images"
        )
    if size not in {None, file.stat().st_size}:
        warnings.warn(
            f"{file}: is not the raster that was embedded ({size:,} bytes), it has "
            f"{file.stat().st_size:,}; its maps may show something else",
            GeounetWarning,
            stacklevel=6,
        )
    return file


def _parted(identity: str) -> tuple[str, int | None]:
    """Path and bytes in what tells a raster from others; a URL has none."""
    if "://" in identity:
        return identity, None
    path, size, _ = identity.rsplit(" ", 2)
    return path, int(size)


def _task(layer: str, inference: PredictOptions) -> Task:
    """What is shown: the mean of the layer's channels."""
    try:
        task = Task.of(ExplainOptions(channel="mean"), inference)
        if layer != "bottleneck":
            return Task.of(ExplainOptions(layer=layer, channel="mean"), inference)
    except ModelError as error:
        raise ModelError(f"{error}; the embeddings' model can be named with --model") from error
    network = task.segmenter.network
    own = bottleneck(network)
    name = next((name for name, module in network.named_modules() if module is own), None)
    return Task.of(ExplainOptions(layer=name, channel="mean"), inference)


def _held(cells: Cells) -> Cells:
    """Cells in memory, so that their file can go."""
    return replace(cells, values=np.array(cells.values))


def _boxes(shapes: NDArray[np.object_], reader: Reader) -> NDArray[np.float64]:
    """Left, top, right, bottom in pixels of shapes on the ground."""
    boxes = shapely.bounds(place(shapes, ~reader.info.transform))
    return np.asarray(boxes, np.float64).round(3)  # there and back costs a billionth of a pixel
