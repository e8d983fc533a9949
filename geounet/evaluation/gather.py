"""The objects of a side, as far as both sides know what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.evaluation.sides import Objects
from geounet.footprints.corners import trace_cell
from geounet.footprints.rings import concatenate
from geounet.footprints.trace import Tracer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.evaluation.sides import VectorSide
    from geounet.footprints.rings import Footprints

    Polygons = NDArray[np.object_]


class Traced:
    """Outlines of labels, traced while the rows pass by."""

    def __init__(self, shape: tuple[int, int], levels: int = 1) -> None:
        """Expect rows of labels from 0 to `levels`."""
        self._tracer, self._levels = Tracer(shape, levels), levels
        self._batches: list[Footprints] = []

    def add(self, labels: NDArray[np.uint8], q: NDArray[np.uint8] | None = None) -> None:
        """Take the next rows, `(height, width)`; of one level, whatever is not 0 is set."""
        if self._levels == 1:
            labels = (labels != 0).view(np.uint8)
        cell = trace_cell(labels, None if q is None else q[None], self._levels)
        self._batches.append(self._tracer.add_strip([cell]))

    def objects(self) -> Objects:
        """Return the objects once all rows have passed."""
        batch = concatenate([*self._batches, self._tracer.finish()]).ordered()
        return Objects(batch.polygons(), batch.confidence if batch.q_sum is not None else None)


def cut(side: VectorSide, shape: tuple[int, int], holes: Polygons) -> tuple[Objects, int]:
    """Return what of a layer's objects lies inside a raster and outside its holes.

    Args:
        side: the layer, in pixels of the raster.
        shape: height and width of the raster.
        holes: polygons where one side knows nothing.

    Returns:
        The objects, and how many lie wholly elsewhere.
    """
    objects = side.visible
    polygons, frame = objects.polygons.copy(), shapely.box(0, 0, shape[1], shape[0])
    crossing = ~shapely.covered_by(polygons, frame)
    polygons[crossing] = shapely.intersection(polygons[crossing], frame)
    # the tree prepares what is asked with, and a hole may have many corners
    pairs = shapely.STRtree(polygons).query(holes, predicate="intersects").T.tolist()
    for hole, at in pairs:
        bounds = shapely.bounds(polygons[at])
        if not np.isnan(bounds).any():
            near = shapely.make_valid(shapely.clip_by_rect(holes[hole], *bounds))
            polygons[at] = shapely.difference(polygons[at], near)
    mixed = shapely.get_type_id(polygons) == shapely.GeometryType.GEOMETRYCOLLECTION
    polygons[mixed] = shapely.buffer(polygons[mixed], 0)
    left = shapely.area(polygons) > 0
    scores = None if objects.scores is None else objects.scores[left]
    return Objects(polygons[left], scores), int(np.count_nonzero(~left))
