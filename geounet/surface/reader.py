"""Windows of a surface, put together from its sheets as they are asked for."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geounet.errors import RasterError
from geounet.forgiving import Forgiving
from geounet.ground import moved
from geounet.raster import open_raster
from geounet.reader import empty_patch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.forgiving import Failures
    from geounet.reader import Patch, RasterInfo, Reader
    from geounet.surface.placed import Placed
    from geounet.surface.surface import Surface
    from geounet.surface.warp import Copied, Drawn

    Floats = NDArray[np.float64]

OPEN = 128
"""Sheets that a thread holds open; those asked for longest ago are closed."""

BUDGET = 2**20
"""Pixels that are put together at a time."""


class SurfaceReader:
    """A Reader of a surface; made by `Surface.open`."""

    def __init__(self, surface: Surface, info: RasterInfo, failures: Failures | None) -> None:
        """Open nothing yet.

        Args:
            surface: which sheets there are, and where.
            info: of the surface, with the bands that are read.
            failures: takes blocks that cannot be read; None has them raise.
        """
        self._surface, self._failures = surface, failures
        self._info = replace(info, sheets=self)
        self._local = threading.local()

    @property
    def info(self) -> RasterInfo:
        """What the surface is."""
        return self._info

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window that lies wholly inside; where no sheet has data, 0.

        Raises:
            RasterError: a sheet is damaged or gone.
        """
        patch = empty_patch(self.info, window) if into is None else replace(into, window=window)
        for part in _pieces(window):
            self._fill(patch.part(part))
        return patch

    def holds_data(self, window: Window) -> bool:
        """Return False when no sheet surely has data in a window.

        Raises:
            RasterError: a sheet is damaged or gone.
        """
        return any(
            self._sheet(sheet).holds_data(part) for sheet, part in self._surface.near(window)
        )

    @property
    def identity(self) -> str:
        """One line that changes when a pixel may."""
        return self._surface.identity

    @property
    def share(self) -> float:
        """Part of the surface that sheets may cover, 0–1."""
        sizes = (sheet.window.height * sheet.window.width for sheet in self._surface.sheets)
        return min(1.0, float(sum(sizes)) / (self.info.height * self.info.width))

    def parts(self, info: RasterInfo) -> dict[str, list[Any]]:
        """Return each sheet with its identity, and the rows and columns it may weigh in."""
        to_grid = ~info.transform @ self.info.transform
        grown = 0 if to_grid.almost_equals(Affine.identity(), 1e-9) else math.ceil(to_grid.a) + 2
        return {
            path: [identity, *_on_grid(window, to_grid, grown)]
            for path, identity, window in self._surface.parts()
        }

    def names_at(self, x: Floats, y: Floats) -> NDArray[np.object_]:
        """Return the name of the sheet that counts at each point in the CRS; empty without one.

        Pixels are read only where several sheets may count.
        """
        cols, rows = (np.floor(each) for each in moved(~self.info.transform, x, y))
        names = np.full(len(x), "", object)
        for point, sheets in self._surface.at(cols, rows):
            pixel = Window(int(cols[point]), int(rows[point]), 1, 1)
            names[point] = self._counts(sheets, pixel).name
        return names

    def _counts(self, sheets: list[Placed], pixel: Window) -> Placed:
        """Return the sheet that costs least at a pixel of those with data there."""
        if len(sheets) == 1:
            return sheets[0]
        ranked = sorted(sheets, key=lambda each: np.min(self._surface.cost(each, pixel)))
        there = (each for each in ranked if self._sheet(each).read(pixel).valid.any())
        return next(there, ranked[0])

    def close(self) -> None:
        """Close the sheets that this thread holds; those of a thread that ended are closed."""
        for reader in self._held.values():
            reader.close()
        self._held.clear()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _fill(self, patch: Patch) -> None:
        """Put a piece together: each pixel from the sheet that costs least of those with data."""
        near = self._surface.near(patch.window)
        if len(near) == 1 and near[0][1] == patch.window:
            self._sheet(near[0][0]).read(patch.window, patch)
            return
        patch.data[:], patch.valid[:] = 0, False
        least = np.full(patch.valid.shape, np.inf)
        for sheet, window in near:
            there = patch.part(window)
            at = _within(patch.window, window)
            cost = self._surface.cost(sheet, window)
            wins = cost < least[at]
            if not wins.any():
                continue
            found = self._sheet(sheet).read(window)
            wins &= found.valid
            np.copyto(least[at], cost, where=wins)
            np.copyto(there.data, found.data, where=wins)
            there.valid[wins] = True

    @property
    def _held(self) -> OrderedDict[str, Copied | Drawn]:
        """The sheets this thread has open."""
        if not hasattr(self._local, "held"):
            self._local.held = OrderedDict()
        held: OrderedDict[str, Copied | Drawn] = self._local.held
        return held

    def _sheet(self, sheet: Placed) -> Copied | Drawn:
        """Return a sheet's reader, opened when it is first asked for."""
        held = self._held
        if sheet.name not in held:
            while len(held) >= OPEN:
                held.popitem(last=False)[1].close()
            held[sheet.name] = sheet.reader(self._opened(sheet), self.info)
        held.move_to_end(sheet.name)
        return held[sheet.name]

    def _opened(self, sheet: Placed) -> Reader:
        bands, allow_vrt = self.info.bands, self._surface.options.allow_vrt
        reader = open_raster(sheet.path, bands=bands, allow_vrt=allow_vrt)
        if (reader.info.shape, reader.info.dtype) != (sheet.info.shape, self.info.dtype):
            raise RasterError(
                f"{sheet.path}: is {reader.info.dtype} of {reader.info.shape}, expected "
                f"{self.info.dtype} of {sheet.info.shape}; was it changed during the run? run again"
            )
        if self._failures is None:
            return reader
        return Forgiving(reader, partial(self._lose, self._failures, sheet))

    def _lose(self, failures: Failures, sheet: Placed, window: Window, error: RasterError) -> None:
        """Remember a window of a sheet that could not be read."""
        failures.add(sheet.shown(window, self._surface.lattice), error)
        self._surface.troubles.setdefault(sheet.path, str(error))


def _on_grid(window: Window, to_grid: Affine, grown: int) -> list[int]:
    """Return the rows and columns of another grid of the same orientation."""
    (top, bottom), (left, right) = window.toranges()
    ends = ((left, top), (right, bottom))
    (first, upper), (last, lower) = (to_grid @ end for end in ends)
    rows = math.floor(upper + 1e-6) - grown, math.ceil(lower - 1e-6) + grown
    return [*rows, math.floor(first + 1e-6) - grown, math.ceil(last - 1e-6) + grown]


def _pieces(window: Window) -> Iterator[Window]:
    """Yield parts of a window, all its rows and as many columns as the budget has room for."""
    wide = max(BUDGET // int(window.height), 1)
    left, right = int(window.col_off), int(window.col_off + window.width)
    for col in range(left, right, wide):
        yield Window(col, window.row_off, min(wide, right - col), window.height)


def _within(window: Window, part: Window) -> tuple[slice, slice]:
    """Return where a part lies in a window."""
    top, left = int(part.row_off - window.row_off), int(part.col_off - window.col_off)
    return slice(top, top + int(part.height)), slice(left, left + int(part.width))
