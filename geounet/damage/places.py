"""Where to look: buildings and tiles of ground, on the later image and on the earlier one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely

from geounet.annotations.vector import read_layer
from geounet.errors import AnnotationError, GeounetWarning, RasterError
from geounet.footprints.place import place, reproject

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.damage.shift import Shift
    from geounet.reader import RasterInfo

    Shapes = NDArray[np.object_]

_SIDES = 64
"""Points along the edge of a raster that is moved to another CRS."""


@dataclass(frozen=True)
class Places:
    """Polygons in the CRS of the later image."""

    ids: NDArray[np.int64]
    """`(n,)`"""
    shapes: Shapes
    """`(n,)` as they are written."""
    before: Shapes
    """`(n,)` where they lie on the earlier image."""
    after: Shapes
    """`(n,)` where they lie on the later one."""
    crs: CRS | None
    """Of them all."""

    def series(self, shapes: Shapes) -> gpd.GeoSeries:
        """Return polygons with their CRS."""
        return gpd.GeoSeries(shapes, crs=self.crs)

    def take(self, rows: NDArray[np.int64]) -> Places:
        """Return some of the places."""
        return Places(
            self.ids[rows], self.shapes[rows], self.before[rows], self.after[rows], self.crs
        )


def check_overlap(before: RasterInfo, after: RasterInfo) -> None:
    """Refuse two images of which one has no place, or that share none.

    Raises:
        RasterError: no CRS, or nothing in common.
    """
    for info in (before, after):
        if info.crs is None or info.gsd is None:
            raise RasterError(
                f"{info.path}: has no CRS (expected one, to lay the dates over each other); "
                f"run: gdal_translate -a_srs EPSG:NNNN {info.path.name} fixed.tif"
            )
    frame = shapely.segmentize(shapely.box(*before.bounds), _frame(before))
    moved = reproject(np.array([frame]), before.crs, after.crs)[0]
    if not shapely.intersects(moved, shapely.box(*after.bounds)):
        first, second = (
            ", ".join(f"{edge:.6g}" for edge in bounds) for bounds in (moved.bounds, after.bounds)
        )
        raise RasterError(
            f"{before.path}: does not overlap {after.path.name} (it lies at {first}, the other at "
            f"{second}, in the CRS of {after.path.name}); name two images of one place"
        )


def read_places(path: Path, info: RasterInfo) -> Places:
    """Return the buildings of a file that touch an image.

    Args:
        path: vector file, in any CRS. `id` is its column of that name if that tells all apart,
            else counts from 0.
        info: of the later image.

    Raises:
        AnnotationError: the file cannot be read, has no CRS, or no building there.
    """
    table = read_layer(path)
    if table.crs is None:
        raise AnnotationError(f"{path}: has no CRS (expected one); set it in QGIS or by ogr2ogr")
    shapes = _polygons(path, table)
    if shapely.is_missing(shapes).all():
        raise AnnotationError(f"{path}: has no buildings; name another file")
    there = shapely.intersects(shapely.box(*info.bounds), reproject(shapes, table.crs, info.crs))
    rows = np.flatnonzero(there)
    if not len(rows):
        raise AnnotationError(
            f"{path}: none of its {len(table):,} buildings lies on {info.path.name}; check both CRS"
        )
    moved = reproject(shapes[rows], table.crs, info.crs)
    return Places(_ids(table)[rows], moved, moved, moved, info.crs)


def tiles(info: RasterInfo, edge_m: float) -> Places:
    """Return squares of whole pixels that cover an image, from its upper left corner on."""
    assert info.gsd_xy is not None
    wide, high = (max(1, round(edge_m / step)) for step in info.gsd_xy)
    cols, rows = np.meshgrid(np.arange(0, info.width, wide), np.arange(0, info.height, high))
    left, top = cols.ravel(), rows.ravel()
    boxes = shapely.box(
        left, top, np.minimum(left + wide, info.width), np.minimum(top + high, info.height)
    )
    shapes = place(boxes, info.transform)
    return Places(np.arange(len(shapes)), shapes, shapes, shapes, info.crs)


def aligned(places: Places, shift: Shift, info: RasterInfo, *, on: str) -> Places:
    """Return places with where they lie on each image.

    Args:
        places: as they were given.
        shift: of the later image against the earlier one.
        info: of the later image.
        on: the image that the polygons were drawn on: `before` or `after`.
    """
    assert info.gsd_xy is not None
    inverse, middles = ~info.transform, shapely.get_coordinates(shapely.centroid(places.shapes))
    cols, rows = inverse @ (middles[:, 0], middles[:, 1])
    east, south = shift.at(np.asarray(cols), np.asarray(rows))
    right, down = east / info.gsd_xy[0], south / info.gsd_xy[1]
    step = info.transform
    xs, ys = step.a * right + step.b * down, step.d * right + step.e * down
    sign = 1 if on == "before" else -1
    counts = shapely.get_num_coordinates(places.shapes)
    offsets = sign * np.repeat(np.stack([xs, ys], axis=1), counts, axis=0)
    moved = shapely.set_coordinates(
        places.shapes.copy(), shapely.get_coordinates(places.shapes) + offsets
    )
    pair = (places.shapes, moved) if on == "before" else (moved, places.shapes)
    return Places(places.ids, places.shapes, *pair, places.crs)


def _polygons(path: Path, table: gpd.GeoDataFrame) -> Shapes:
    """Return one polygon a row: the largest part of several."""
    shapes = shapely.force_2d(table.geometry.to_numpy())
    kinds = set(shapely.get_type_id(shapes).tolist()) - {-1, 3, 6}
    if kinds:
        raise AnnotationError(f"{path}: holds other things than polygons; leave them out")
    several = np.flatnonzero(shapely.get_num_geometries(shapes) > 1)
    if len(several):
        warnings.warn(
            f"{path}: {len(several):,} buildings have several parts; the largest stands for each",
            GeounetWarning, stacklevel=3,
        )  # fmt: skip
    found: Shapes = shapes.copy()
    for row in np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.MULTIPOLYGON):
        parts = shapely.get_parts(shapes[row])
        found[row] = parts[shapely.area(parts).argmax()] if len(parts) else None
    return found


def _ids(table: gpd.GeoDataFrame) -> NDArray[np.int64]:
    if "id" in table.columns and table["id"].dtype.kind in "iu" and table["id"].is_unique:
        return np.asarray(table["id"], np.int64)
    return np.arange(len(table))


def _frame(info: RasterInfo) -> float:
    left, bottom, right, top = info.bounds
    return max(right - left, top - bottom) / _SIDES
