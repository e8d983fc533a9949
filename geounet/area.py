"""The part of a raster that was asked for, and a reader that reads nothing far beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine
from rasterio.features import geometry_mask
from rasterio.windows import Window

from geounet.gdal import quiet
from geounet.reader import empty_patch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from geounet.reader import Patch, RasterInfo, Reader


SNAP, NUDGE = 2.0**-8, (2.0**-12, 2.0**-12 / 1.618034)
"""Pixels: corners of an outline are multiples of the first, and then moved by the second."""
POLYGON = 2
"""Dimension of what has an area."""


@dataclass(frozen=True)
class Area:
    """Where a result is wanted. The network sees what lies around it all the same."""

    outline: BaseGeometry
    """Polygons in pixels of the grid (x = column, y = row)."""

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Return `(height, width)`, True = the pixel's centre lies within the outline.

        Args:
            window: rows and columns, inside the raster or not.
        """
        (top, bottom), (left, right) = window.toranges()
        near = self._drawn[shapely.intersects(self._drawn, shapely.box(left, top, right, bottom))]
        if not len(near):
            return np.zeros((bottom - top, right - left), np.bool_)
        there = Affine.translation(left, top)
        with quiet():  # the first window lies at nought, as a raster without a place does
            found = geometry_mask(near, (bottom - top, right - left), there, invert=True)
        return np.asarray(found, np.bool_)

    @cached_property
    def _drawn(self) -> NDArray[np.object_]:
        """The outline's polygons, moved by next to nothing, so that no centre lies on an edge.

        Whether a centre on an edge is inside would hang on how a window's offset rounds.
        """
        parts = shapely.get_parts(shapely.set_precision(self.outline, SNAP))
        polygons = parts[shapely.get_dimensions(parts) == POLYGON]
        return np.asarray(shapely.transform(polygons, lambda xy: xy + NUDGE))

    def touches(self, window: Window) -> bool:
        """Return False when the outline surely lies outside a window."""
        (top, bottom), (left, right) = window.toranges()
        return bool(shapely.intersects(self._drawn, shapely.box(left, top, right, bottom)).any())

    def grown(self, margin: int, shape: tuple[int, int]) -> Window:
        """Return the window of a raster that holds the outline and a margin around it."""
        left, top, right, bottom = self.outline.bounds
        rows, cols = (
            (max(math.floor(low) - margin, 0), min(math.ceil(high) + margin, size))
            for low, high, size in ((top, bottom, shape[0]), (left, right, shape[1]))
        )
        return Window(cols[0], rows[0], cols[1] - cols[0], rows[1] - rows[0])


class Within:
    """A Reader that knows a raster in one window alone: beyond there is nothing to read."""

    def __init__(self, reader: Reader, window: Window) -> None:
        """Wrap a reader."""
        self._reader, self._window = reader, window

    @property
    def info(self) -> RasterInfo:
        """What the whole raster is."""
        return self._reader.info

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window; those beyond are 0 and not valid."""
        patch = empty_patch(self.info, window) if into is None else replace(into, window=window)
        there = _common(window, self._window)
        if there != window:
            patch.data[:], patch.valid[:] = 0, False
        if there is not None:
            self._reader.read(there, patch.part(there))
        return patch

    def holds_data(self, window: Window) -> bool:
        """Return False when a window surely has no data that is to be read."""
        there = _common(window, self._window)
        return there is not None and self._reader.holds_data(there)

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()


def _common(one: Window, other: Window) -> Window | None:
    """Return what two windows share."""
    spans = [
        (max(a[0], b[0]), min(a[1], b[1]))
        for a, b in zip(one.toranges(), other.toranges(), strict=True)
    ]
    if any(first >= last for first, last in spans):
        return None
    return Window.from_slices(*spans)
