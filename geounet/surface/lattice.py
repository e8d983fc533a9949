"""The pixels that most sheets share, and where each sheet lies on them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from rasterio.windows import Window

from geounet.errors import OptionError, RasterError
from geounet.ground import moved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.reader import RasterInfo

    Floats = NDArray[np.float64]

NEAR = 0.05
"""Pixels that a sheet's may lie off the lattice's and still be taken as they are."""

EDGE_POINTS = 33
"""Points along each edge of a sheet that say where it lies in another CRS."""

COARSEST = 4.0
"""Sheets whose pixels are more than so many times as large as the lattice's are left out."""


@dataclass(frozen=True)
class Lattice:
    """Pixels without end, in rows and columns that are counted from a sheet's first."""

    crs: CRS
    """Of the surface."""
    transform: Affine
    """Corner of a pixel (col, row) → world (x, y)."""
    gsd: float
    """Edge of a pixel on the ground, metres, where that sheet lies; 0 = not known."""

    def offset(self, info: RasterInfo) -> tuple[int, int] | None:
        """Return the row and column of a sheet's first pixel; None unless it shares the pixels."""
        if not same_crs(info.crs, self.crs):
            return None
        to_lattice = ~self.transform @ info.transform
        cols = np.array([0.0, info.width, 0.0, info.width])
        rows = np.array([0.0, 0.0, info.height, info.height])
        col, row = moved(to_lattice, cols, rows)
        left, top = round(float(col[0])), round(float(row[0]))
        off = np.abs([col - cols - left, row - rows - top]).max()
        return (top, left) if off <= NEAR else None

    def window(self, info: RasterInfo) -> Window:
        """Return the rows and columns that a sheet may show something in.

        Raises:
            RasterError: its place in the CRS of the surface is not known.
        """
        offset = self.offset(info)
        if offset is not None:
            return Window(offset[1], offset[0], info.width, info.height)
        cols, rows = self.seen(info, Window(0, 0, info.width, info.height))
        if not (np.isfinite(cols).all() and np.isfinite(rows).all()):
            raise RasterError(
                f"{info.path}: lies where {self.crs.name} has no coordinates; leave it out, or "
                "set --crs to one that serves all sheets"
            )
        return around(cols, rows)

    def moved(self, top: int, left: int) -> Lattice:
        """Return it with rows and columns counted from another pixel."""
        return replace(self, transform=self.transform @ Affine.translation(left, top))

    def seen(self, info: RasterInfo, window: Window) -> tuple[Floats, Floats]:
        """Return columns and rows of the lattice that the edge of a sheet's window leads along."""
        along = np.linspace(0, 1, EDGE_POINTS)
        zero, one = np.zeros_like(along), np.ones_like(along)
        cols = window.col_off + window.width * np.concatenate([along, along, zero, one])
        rows = window.row_off + window.height * np.concatenate([zero, one, along, along])
        x, y = moved(info.transform, cols, rows)
        if not same_crs(info.crs, self.crs):
            across = Transformer.from_crs(info.crs, self.crs, always_xy=True)
            x, y = map(np.asarray, across.transform(x, y))
        return moved(~self.transform, x, y)


def around(cols: Floats, rows: Floats) -> Window:
    """Return the window around some points, and a pixel more on each side."""
    left, top = int(np.floor(cols.min())) - 1, int(np.floor(rows.min())) - 1
    right, bottom = int(np.ceil(cols.max())) + 1, int(np.ceil(rows.max())) + 1
    return Window(left, top, right - left, bottom - top)


def same_crs(one: CRS | None, other: CRS | None) -> bool:
    """Return whether two CRSs are the same; comparing those that are not one object is slow."""
    return one is other or one == other


def choose_lattice(sheets: list[RasterInfo], crs: str | None) -> Lattice:
    """Return the pixels of the sheets that cover most ground, of the CRS that covers most.

    Args:
        sheets: one at least, all of them with a CRS, ordered by name.
        crs: that was asked for; it counts where some sheets have it.

    Raises:
        OptionError: nobody knows that CRS.
    """
    wanted = _wanted(crs)
    asked = [info for info in sheets if wanted is not None and info.crs == wanted]
    groups = _groups(asked or sheets)
    by_crs: dict[str, float] = defaultdict(float)
    for group in groups:
        by_crs[_srs(group[0])] += _ground(group)
    most = max(by_crs, key=by_crs.__getitem__)
    first = max((group for group in groups if _srs(group[0]) == most), key=_ground)[0]
    assert first.crs is not None
    return Lattice(first.crs, first.transform, first.gsd or 0.0)


def _groups(sheets: list[RasterInfo]) -> list[list[RasterInfo]]:
    """Return the sheets that share their pixels, more or less: it is only to find the most."""
    firsts: dict[tuple[str, ...], Affine] = {}
    groups: dict[tuple[object, ...], list[RasterInfo]] = defaultdict(list)
    for info in sheets:
        steps = info.transform.a, info.transform.b, info.transform.d, info.transform.e
        kind = (_srs(info), *(f"{step + 0.0:.6g}" for step in steps))
        first = firsts.setdefault(kind, info.transform)
        corner = ~first @ info.transform @ (0.0, 0.0)
        groups[*kind, *(round(10 * at) % 10 for at in corner)].append(info)
    return list(groups.values())


def _srs(info: RasterInfo) -> str:
    assert info.crs is not None
    return info.crs.srs


def check_coarse(lattice: Lattice, info: RasterInfo) -> None:
    """Refuse a sheet that shows far less than the others.

    Raises:
        RasterError: its pixels are too large.
    """
    if lattice.offset(info) is None and lattice.gsd and (info.gsd or 0) > COARSEST * lattice.gsd:
        raise RasterError(
            f"{info.path}: {info.gsd:.3g} m a pixel is too coarse beside the others "
            f"({lattice.gsd:.3g} m, expected up to {COARSEST:g} times as much); predict it alone"
        )


def _ground(group: list[RasterInfo]) -> float:
    """Return the area of sheets whose pixels are of one size: that of the first is measured."""
    gsd = group[0].gsd or 1.0
    return sum(info.height * info.width for info in group) * gsd**2


def _wanted(crs: str | None) -> CRS | None:
    if crs is None:
        return None
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise OptionError(f"CRS {crs} is not known; try one like EPSG:4326") from error
