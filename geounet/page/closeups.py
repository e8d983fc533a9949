"""Sharp pictures of the places to look at first, for rasters that the scene shows coarsely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.windows import Window

from geounet.preview import Part, preview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.preview import Preview
    from geounet.reader import Reader

COARSE = 2.0
"""Pixels of the raster per pixel of the scene from which close-ups are worth their bytes."""

MOST = 40
"""Close-ups of a page."""

_AROUND = 4.0
"""Edge of a close-up over the footprint's longer side; what a click zooms to."""

_EDGES = (96, 1024)
"""Smallest and largest edge of a close-up, pixels of the raster."""

_LONGEST = 240
"""Longest edge of its picture."""


@dataclass(frozen=True)
class CloseUp:
    """A picture of a part of the raster."""

    window: Window
    """The part."""
    picture: Preview
    """Its pixels, stretched like the scene's."""


def close_ups(reader: Reader, scene: Preview, outlines: NDArray[np.object_]) -> Iterator[CloseUp]:
    """Yield a close-up around each outline, where it shows more than the scene does.

    Args:
        reader: of the raster the scene was made of.
        scene: its preview.
        outlines: `(n,)` polygons in pixels of the raster, the most important first.
    """
    if scene.scale < COARSE:
        return
    for bounds in shapely.bounds(outlines[:MOST]).tolist():
        window = _around(bounds, reader.info.shape)
        if window is not None:
            part = Part(reader, window)
            yield CloseUp(window, preview(part, _LONGEST, scene.stretch))


def _around(bounds: list[float], shape: tuple[int, int]) -> Window | None:
    """Return the square around an outline, clipped to the raster; None when it lies outside."""
    left, top, right, bottom = bounds
    edge = np.clip(_AROUND * max(right - left, bottom - top), *_EDGES)
    spans = []
    for low, high, size in ((top, bottom, shape[0]), (left, right, shape[1])):
        middle = (low + high) / 2
        start, stop = (int(np.clip(middle + by, 0, size)) for by in (-edge / 2, edge / 2))
        if start >= stop:
            return None
        spans.append((start, stop - start))
    (row, height), (col, width) = spans
    return Window(col, row, width, height)
