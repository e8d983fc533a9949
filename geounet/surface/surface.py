"""Many sheets as one raster: which there are, where they lie, and which of them counts where."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.windows import Window

from geounet.errors import RasterError
from geounet.raster import open_raster
from geounet.reader import RasterInfo
from geounet.sources import identities
from geounet.surface.dates import taken
from geounet.surface.lattice import check_coarse, choose_lattice
from geounet.surface.overlap import cost_of
from geounet.surface.placed import Placed
from geounet.surface.reader import SurfaceReader
from geounet.surface.sheets import Refused, alike, read_sheets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from affine import Affine
    from numpy.typing import NDArray

    from geounet.forgiving import Failures
    from geounet.surface.lattice import Lattice
    from geounet.surface.overlap import Cost, Overlap
    from geounet.surface.sheets import Sheet

    Floats = NDArray[np.float64]

NOISE = 1e-6
"""Pixels that the place of a grid is uncertain by."""

LONGEST = 4_000_000
"""Rows or columns of a surface, at most: 400 km at 0.1 m."""


@dataclass(frozen=True)
class Anchor:
    """A grid of cells, if the surface's pixels are on it."""

    transform: Affine
    """Of its pixels."""
    cell: tuple[int, int]
    """Rows and columns of a cell."""

    def origin(self, lattice: Lattice, top: int, left: int) -> tuple[int, int]:
        """Return the row and column of a cell's first pixel, up to a cell before another pixel."""
        way = ~lattice.transform @ self.transform
        at = np.array([way @ (0, 0), way @ (1, 0), way @ (0, 1)])
        steps = at - np.round(at[0])
        if np.abs(steps - [[0, 0], [1, 0], [0, 1]]).max() > NOISE:
            return top, left
        (high, wide), (col, row) = self.cell, np.round(at[0]).astype(int).tolist()
        return top - (top - row) % high, left - (left - col) % wide


@dataclass(frozen=True, kw_only=True)
class SurfaceOptions:
    """What a user may ask of a surface."""

    overlap: Overlap = "centre"
    """Which sheet counts where several have data: the first by name, the one taken last, or the
    one whose centre is nearest."""
    crs: str | None = None
    """CRS of the result; the pixels are those of sheets that have it, if there are any."""
    bands: tuple[int, ...] | None = None
    """1-based bands of each sheet that are read; None: all but alpha."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""
    anchor: Anchor | None = None
    """An earlier grid, from which the origin lies a whole number of cells."""


@dataclass(frozen=True)
class Surface:
    """Sheets that are read as one raster; make one with `of`."""

    info: RasterInfo
    """What it is: nothing is read to know it."""
    lattice: Lattice
    """Its pixels, counted from its first row and column."""
    sheets: tuple[Placed, ...]
    """Ordered by name."""
    refused: tuple[Refused, ...]
    """Rasters that are no part of it."""
    options: SurfaceOptions
    """What was asked for."""
    cost: Cost
    """What a pixel costs each sheet; the least of those with data counts."""
    troubles: dict[str, str] = field(default_factory=dict, repr=False)
    """Path of each sheet of which something could not be read → the first reason."""

    @classmethod
    def of(cls, paths: Iterable[str], options: SurfaceOptions | None = None) -> Surface:
        """Return the surface of some rasters, in any order.

        Args:
            paths: files or URLs; those that cannot be part of it are listed in `refused`.
            options: everything else.

        Raises:
            RasterError: none of them can, or they lie too far apart.
            OptionError: an option does not fit them.
        """
        options = options or SurfaceOptions()
        found, unusable = read_sheets(paths, options.bands, allow_vrt=options.allow_vrt)
        found, unlike = alike(found)
        if not found:
            raise RasterError(_none(unusable))
        lattice = choose_lattice([sheet.info for sheet in found], options.crs)
        placed, astray = _placed(found, lattice)
        (top, bottom), (left, right) = _extent(placed)
        if options.anchor is not None:
            top, left = options.anchor.origin(lattice, top, left)
        lattice = lattice.moved(top, left)
        sheets = tuple(each.from_origin(top, left) for each in placed)
        info = _info(sheets, lattice, (bottom - top, right - left))
        refused = sorted([*unusable, *unlike, *astray], key=lambda each: each.path)
        cost = cost_of(options.overlap, sheets)
        return cls(info, lattice, sheets, tuple(refused), options, cost)

    def open(
        self, bands: Sequence[int] | None = None, failures: Failures | None = None
    ) -> SurfaceReader:
        """Return a reader of the surface.

        Args:
            bands: 1-based bands of each sheet; those it was made with when None.
            failures: takes sheets that are no part of it, as far as it is known where they lie,
                and blocks that cannot be read; None has these raise.
        """
        info = self.info
        if bands is not None and tuple(bands) != info.bands:
            path, allow_vrt = self.sheets[0].path, self.options.allow_vrt
            with open_raster(path, bands=bands, allow_vrt=allow_vrt) as reader:
                first = reader.info
            info = replace(info, count=first.count, bands=first.bands, names=first.names)
            info = replace(info, dtype=first.dtype)
        if failures is not None:
            for lost in self._lost():
                failures.add(*lost)
        return SurfaceReader(self, info, failures)

    def near(self, window: Window) -> list[tuple[Placed, Window]]:
        """Return the sheets that may show something in a window, by name, each with its part."""
        (top, bottom), (left, right) = window.toranges()
        found = np.sort(self._tree.query(shapely.box(left, top, right, bottom)))
        parts = ((self.sheets[at], _common(self.sheets[at].window, window)) for at in found)
        return [(sheet, part) for sheet, part in parts if part is not None]

    def at(self, cols: Floats, rows: Floats) -> Iterator[tuple[int, list[Placed]]]:
        """Yield each of some pixels that sheets may show, by its place, with these, by name."""
        points, found = self._tree.query(shapely.points(cols + 0.5, rows + 0.5), "within")
        order = np.lexsort((found, points))
        for point, pairs in groupby(order, key=points.__getitem__):
            yield int(point), [self.sheets[found[at]] for at in pairs]

    def parts(self) -> Iterator[tuple[str, str, Window]]:
        """Yield path, identity and place of each sheet, and of rasters that should be one."""
        for sheet in self.sheets:
            words = [*sorted(identities(sheet.info.files)), *self._dates(sheet)]
            yield os.path.abspath(sheet.path), ", ".join(words), sheet.window  # noqa: PTH100 - it may be a URL
        for window, error in self._lost():
            yield str(error), "refused", window

    def _lost(self) -> list[tuple[Window, RasterError]]:
        """Return where rasters lie that are no part of it, as far as that is known."""
        found = []
        for each in self.refused:
            if each.info is None or each.info.crs is None:
                continue
            window = _common(self.lattice.window(each.info), _all(self.info))
            if window is not None:
                found.append((window, RasterError(each.why)))
        return found

    def _dates(self, sheet: Placed) -> list[str]:
        """Return when a sheet was taken, where that counts."""
        return [str(taken(sheet.info))] if self.options.overlap == "newest" else []

    @cached_property
    def identity(self) -> str:
        """One line that changes when a pixel may: sheets, their files, and the rule."""
        words = [*identities(self.info.files), *(sheet.path for sheet in self.sheets)]
        words += map(str, self.lattice.transform)
        words += (date for sheet in self.sheets for date in self._dates(sheet))
        told = sha256("\n".join(words).encode()).hexdigest()
        count = f"{len(self.sheets)} sheets in {self.info.path}"
        return f"{count}, overlap {self.options.overlap}, {told[:16]}"

    @cached_property
    def _tree(self) -> shapely.STRtree:
        windows = (sheet.window.toranges() for sheet in self.sheets)
        return shapely.STRtree(
            [shapely.box(left, top, right, bottom) for (top, bottom), (left, right) in windows]
        )


def _placed(found: list[Sheet], lattice: Lattice) -> tuple[list[Placed], list[Refused]]:
    """Return the sheets with their places, and those that have none or are too coarse."""
    folder = _folder([sheet.path for sheet in found])
    placed, astray = [], []
    for sheet in found:
        try:
            check_coarse(lattice, sheet.info)
            placed.append(Placed.on(lattice, _name(sheet.path, folder), sheet))
        except RasterError as error:
            astray.append(Refused(sheet.path, str(error)))
    return placed, astray


def _extent(placed: list[Placed]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns that the sheets cover.

    Raises:
        RasterError: they lie too far apart.
    """
    spans = np.array([sum(each.window.toranges(), ()) for each in placed])
    top, bottom, left, right = spans.min(0)[0], spans.max(0)[1], spans.min(0)[2], spans.max(0)[3]
    if max(bottom - top, right - left) > LONGEST:
        centres = np.array([each.centre for each in placed])
        far = np.abs(centres - np.median(centres, axis=0)).max(axis=1).argmax()
        raise RasterError(
            f"the sheets span {right - left:,} × {bottom - top:,} pixels (expected up to "
            f"{LONGEST:,}), farthest from the others lies {placed[far].path}; make several "
            "surfaces of them"
        )
    return (int(top), int(bottom)), (int(left), int(right))


def _info(sheets: tuple[Placed, ...], lattice: Lattice, shape: tuple[int, int]) -> RasterInfo:
    """Return what the surface is."""
    first = next((each.info for each in sheets if each.offset is not None), sheets[0].info)
    names = next((each.info.names for each in sheets if any(each.info.names)), first.names)
    return RasterInfo(
        path=_folder([each.path for each in sheets]),
        height=shape[0],
        width=shape[1],
        count=first.count,
        dtype=first.dtype,
        transform=lattice.transform,
        crs=lattice.crs,
        nodata=None,
        block_shape=(min(first.block_shape[0], shape[0]), min(first.block_shape[1], shape[1])),
        scale=first.scale,
        files=tuple(file for each in sheets for file in each.info.files),
        bands=first.bands,
        names=names,
    )


def _folder(paths: list[str]) -> Path:
    """Return the folder that holds all sheets on disk; of URLs alone that of the first."""
    local = [Path(path).absolute().parent for path in paths if "://" not in path]
    if not local:
        return Path(paths[0]).parent
    return Path(os.path.commonpath(local))


def _name(path: str, folder: Path) -> str:
    own = Path(path).absolute()
    if "://" in path or not own.is_relative_to(folder):
        return path
    return own.relative_to(folder).as_posix()


def _none(refused: list[Refused]) -> str:
    if not refused:
        return "a surface needs a sheet at least, got none; name a folder of rasters"
    return f"none of {len(refused)} sheets can be used; the first: {refused[0].why}"


def _all(info: RasterInfo) -> Window:
    return Window(0, 0, info.width, info.height)


def _common(one: Window, other: Window) -> Window | None:
    """Return what two windows share."""
    (top, bottom), (left, right) = (
        (max(a[0], b[0]), min(a[1], b[1]))
        for a, b in zip(one.toranges(), other.toranges(), strict=True)
    )
    if top >= bottom or left >= right:
        return None
    return Window(left, top, right - left, bottom - top)
