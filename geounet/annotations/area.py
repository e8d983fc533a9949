"""Where a result is wanted: polygons of a file, or a box, in a raster's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.annotations.shapes import fault
from geounet.annotations.vector import read_layer, shapes_on
from geounet.area import Area
from geounet.errors import AnnotationError, OptionError, OutsideError

if TYPE_CHECKING:
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from geounet.reader import RasterInfo

POLYGONS = ("Polygon", "MultiPolygon")


def read_area(path: Path, info: RasterInfo) -> Area:
    """Return the union of a file's polygons as far as they touch a raster.

    Args:
        path: vector file in any CRS.
        info: of the grid that is inferred.

    Raises:
        AnnotationError: the file cannot be read, or has something else than polygons.
        OutsideError: the polygons do not touch the raster.
    """
    shapes = shapes_on(read_layer(path), info, path)
    for shape in shapes:
        kind, cause = shape.geometry.geom_type, fault(shape.geometry)
        if kind not in POLYGONS or cause is not None:
            why = cause if kind in POLYGONS else f"it is a {kind}, an area is made of polygons"
            raise AnnotationError(f"{shape.where}: {why}; correct it or delete it")
    outline = shapely.union_all([shapely.make_valid(shape.geometry) for shape in shapes])
    return _touching(outline, info, str(path))


def box_area(bounds: tuple[float, float, float, float], info: RasterInfo) -> Area:
    """Return a box given by its smallest x and y and its largest, in the raster's CRS.

    Raises:
        OptionError: it is no box.
        OutsideError: it does not touch the raster.
    """
    left, bottom, right, top = bounds
    shown = ",".join(f"{value:.12g}" for value in bounds)
    if not (left < right and bottom < top):
        raise OptionError(f"--bbox {shown}: expected MINX,MINY,MAXX,MAXY, each MIN below its MAX")
    inverse = ~info.transform
    there = shapely.box(*bounds)
    outline = shapely.transform(there, lambda xy: np.stack(inverse @ (xy[:, 0], xy[:, 1]), axis=1))
    return _touching(outline, info, f"--bbox {shown}")


def _touching(outline: BaseGeometry, info: RasterInfo, asked: str) -> Area:
    raster = shapely.box(0, 0, info.width, info.height)
    if shapely.area(shapely.intersection(outline, raster)) == 0:
        bounds = ",".join(f"{value:.12g}" for value in info.bounds)
        raise OutsideError(
            f"{asked}: nothing of it lies on {info.path} ({bounds} in its CRS); "
            "name an area that does"
        )
    return Area(outline)
