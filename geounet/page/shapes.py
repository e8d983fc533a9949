"""The footprints of a layer in pixels of the raster: all their figures, some of their outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyogrio
import shapely
from pyogrio.raw import read
from pyproj import CRS, Transformer

from geounet.page.pack import pack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo

    Floats = NDArray[np.float64]

MOST_DRAWN = 30_000
"""Outlines a page draws; more would make it slow and large."""

UNIT = 4
"""Parts of a pixel that an outline's coordinates are rounded to."""

_MOST_VERTICES = 300_000
_COARSEST = 50.0
_COLUMNS = ("id", "confidence", "area_m2", "review", "touches_edge")


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """What a page knows of the footprints; every array has one row a footprint of the layer."""

    id: NDArray[np.int64]
    """Number of the footprint."""
    confidence: Floats
    """0-1, not a number when the layer has none."""
    area: Floats
    """Area in m², in pixels when there are no metres."""
    in_metres: bool
    """Whether `area` is in m²."""
    review: NDArray[np.bool_]
    """True = to look at first."""
    touches_edge: NDArray[np.bool_]
    """True = cut by an edge of the data."""
    drawn: NDArray[np.int64]
    """Rows with an outline, in the layer's order."""
    outlines: NDArray[np.object_]
    """`(drawn,)` polygons in pixels of the raster: x = column, y = row."""
    tolerance: float
    """Pixels by which drawn outlines were simplified."""

    def __len__(self) -> int:
        """Return the number of footprints of the layer."""
        return len(self.id)

    @property
    def first_looks(self) -> NDArray[np.int64]:
        """Return the rows to look at first, lowest confidence first; all when none is marked."""
        rows = np.flatnonzero(self.review) if self.review.any() else np.arange(len(self))
        return np.asarray(rows[np.lexsort((rows, self.confidence[rows]))])

    def packed(self) -> dict[str, str]:
        """Return the drawn outlines and their figures as text for the page's script.

        `rings`: of each footprint the number of rings, of each ring the number of vertices and
        their steps from vertex to vertex in `UNIT` parts of a pixel.
        """
        rows = self.drawn
        thousandths = np.nan_to_num(np.round(self.confidence[rows] * 1000), nan=-1)
        tenths = np.nan_to_num(np.round(self.area[rows] * 10), nan=-1)
        flags = self.review[rows] + 2 * self.touches_edge[rows]
        return {
            "id": pack(np.diff(self.id[rows], prepend=0)),
            "confidence": pack(thousandths.astype(np.int64)),
            "area": pack(tenths.astype(np.int64)),
            "flags": pack(flags.astype(np.int64)),
            "rings": pack(_rings(self.outlines)),
        }


def read_shapes(path: Path, layer: str, info: RasterInfo, *, most: int = MOST_DRAWN) -> Shapes:
    """Return the footprints of a layer.

    Args:
        path: a GeoPackage, or another file of one layer.
        layer: name of the layer.
        info: of the raster the page shows.
        most: outlines to read: those to look at first, then the largest.
    """
    known = pyogrio.read_info(path, layer=layer)
    names = [name for name in _COLUMNS if name in known["fields"]]
    meta, fids, _, columns = read(
        path, layer=layer, columns=names, read_geometry=False, return_fids=True
    )
    count = len(fids)
    found = {
        name: np.asarray(values, float)
        for name, values in zip(meta["fields"], columns, strict=True)
    }
    confidence, area = (
        found.get(name, np.full(count, np.nan)) for name in ("confidence", "area_m2")
    )
    review, edge = (found.get(name, np.zeros(count)) == 1 for name in ("review", "touches_edge"))
    in_metres = info.crs is not None and (not count or not np.isnan(area).all())
    if not in_metres:
        area = shapely.area(_outlines(path, layer, None, info))
    order = np.lexsort((-area, np.where(review, confidence, np.inf), ~review))
    drawn = np.sort(order[:most])
    chosen = None if len(drawn) == count else fids[drawn]
    outlines, tolerance = _simplified(_outlines(path, layer, chosen, info))
    return Shapes(
        id=found.get("id", fids).astype(np.int64),
        confidence=confidence,
        area=area,
        in_metres=in_metres,
        review=review,
        touches_edge=edge,
        drawn=drawn,
        outlines=outlines,
        tolerance=tolerance,
    )


def _outlines(
    path: Path, layer: str, fids: NDArray[np.int64] | None, info: RasterInfo
) -> NDArray[np.object_]:
    """Return polygons in pixels of the raster, in the order of the file."""
    meta, _, geometry, _ = read(path, layer=layer, columns=[], fids=fids)
    shapes = np.asarray(shapely.from_wkb(geometry), np.object_)
    crs = CRS.from_user_input(meta["crs"]) if meta["crs"] else None
    moved = None
    if crs is not None and info.crs is not None and crs != info.crs:
        moved = Transformer.from_crs(crs, info.crs, always_xy=True)
    back = ~info.transform

    def to_pixels(points: Floats) -> Floats:
        x, y = points.T if moved is None else moved.transform(points[:, 0], points[:, 1])
        cols = back.a * x + back.b * y + back.c
        return np.stack([cols, back.d * x + back.e * y + back.f], axis=1)

    return np.asarray(shapely.transform(shapes, to_pixels), np.object_)


def _simplified(outlines: NDArray[np.object_]) -> tuple[NDArray[np.object_], float]:
    """Return outlines of no more vertices than a page can hold, and by how much they moved."""
    simple, tolerance = outlines, 0.0
    while shapely.get_num_coordinates(simple).sum() > _MOST_VERTICES and tolerance < _COARSEST:
        tolerance = 2 * tolerance or 0.75
        simple = np.asarray(shapely.simplify(outlines, tolerance, preserve_topology=False))
        simple = np.where(shapely.is_empty(simple), outlines, simple)
    return simple, tolerance


def _rings(outlines: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the numbers of `Shapes.packed`; a ring does not repeat its first vertex."""
    rings, owners = shapely.get_rings(outlines, return_index=True)
    points, of_ring = shapely.get_coordinates(rings, return_index=True)
    last = np.flatnonzero(np.diff(of_ring, append=-1))
    points, of_ring = np.delete(points, last, axis=0), np.delete(of_ring, last)
    steps = np.diff(
        np.round(points * UNIT).astype(np.int64), axis=0, prepend=np.zeros((1, 2), np.int64)
    )
    lengths = np.bincount(of_ring, minlength=len(rings))
    starts = 2 * np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)[: len(rings)]
    counted = np.insert(steps.ravel(), starts, lengths)
    per_shape = np.bincount(owners, minlength=len(outlines))
    first = np.searchsorted(owners, np.arange(len(outlines)))
    at = np.append(starts + np.arange(len(rings)), len(counted))[first]
    return np.insert(counted, at, per_shape)
