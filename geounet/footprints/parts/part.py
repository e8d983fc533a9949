"""Blobs of a batch → the buildings they are made of, each with its own outline and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.corners import trace_cell
from geounet.footprints.outlined import Outlined
from geounet.footprints.outlines.contour import painted, unit_edges
from geounet.footprints.outlines.ground import ground_at
from geounet.footprints.parts.basins import basins
from geounet.footprints.parts.cut import cut
from geounet.footprints.rings import concatenate
from geounet.footprints.trace import Tracer
from geounet.quantise import NODATA, STEPS

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.footprints.parts.store import Store
    from geounet.footprints.rings import Footprints

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Polygons = NDArray[np.object_]

LEAST_M2, LEAST_PIXELS = 9.0, 100
"""Area of the smallest part; pixels without a CRS."""

HUGE = 1 << 22
"""Pixels of the bounds from which a blob is left whole."""

CLASSES = 254
"""Parts that are traced at once."""


@dataclass(frozen=True, kw_only=True)
class Parter:
    """Parts blobs; what it makes of one depends on its own pixels and its outline alone."""

    store: Store
    """The q of the raster."""
    transform: Affine
    """Of the raster."""
    crs: CRS | None
    """Of the raster."""
    least_m2: float
    """Area of the smallest footprint that is wanted."""
    least_pixels: int
    """The same in pixels."""

    def __call__(self, batch: Footprints, whole: Outlined, exact: NDArray[np.bool_]) -> Outlined:
        """Return the footprints of a batch, its blobs in parts, one after the other.

        Args:
            batch: of the raster.
            whole: its outlines.
            exact: `(polygons,)` which of them are pixel edges; those of their parts are, too.
        """
        if not len(batch):
            return whole
        places = (batch.bounds[:, 1::-1] + batch.bounds[:, :1:-1]) / 2
        ground = ground_at(places, self.transform, self.crs)
        least = self._least(ground.unit_m)
        size = (batch.bounds[:, 2:] - batch.bounds[:, :2]).astype(np.int64)
        worth = (batch.pixels >= 2 * least) & (size.prod(axis=1) <= HUGE)
        made: list[Outlined] = []
        for at in range(len(batch)):
            one = whole.take(np.array([at]))
            if worth[at]:
                one = self._parted(
                    batch.take(np.array([at])),
                    one,
                    ground.to_plane[at],
                    least[at],
                    exact=bool(exact[at]),
                )
            made.append(one)
        return Outlined.chained(made)

    def _least(self, unit_m: Floats) -> Floats:
        """Return the pixels of the smallest part, at every blob."""
        wanted = np.fmax(LEAST_M2, self.least_m2) / unit_m**2
        return np.maximum(np.where(np.isfinite(wanted), wanted, LEAST_PIXELS), self.least_pixels)

    def _parted(
        self, blob: Footprints, whole: Outlined, to_plane: Floats, least: float, *, exact: bool
    ) -> Outlined:
        """Return the parts of one blob, the blob itself where it has one."""
        mask, corner = _window(blob)
        q = self.store.read(int(blob.class_index[0]), *corner, mask.shape)
        labels = basins(mask, q, (to_plane[1, 1], to_plane[0, 0]), least)
        if labels.max() == 1:
            return whole
        left_top = np.array(corner[::-1], np.float64)
        if exact:
            polygons, into = _traced(labels), np.arange(-1, labels.max())
        else:
            outline = shapely.transform(whole.polygons[0], lambda xy: xy - left_top)
            polygons, into = cut(labels, outline, to_plane, least)
        if len(polygons) == 1:
            return whole
        part = into[labels[mask]]
        count = np.bincount(part, minlength=len(polygons))
        sums = np.bincount(part, q[mask], len(polygons))
        mean = sums / (STEPS * count)
        rim = np.bincount(part[_beside_nodata(q)[mask]], minlength=len(polygons)) > 0
        return Outlined(
            polygons=shapely.transform(polygons, lambda xy: xy + left_top),
            regularized=np.repeat(whole.regularized, len(polygons)),
            class_index=np.repeat(whole.class_index, len(polygons)),
            confidence=np.where(np.isnan(whole.confidence), np.nan, mean),
            touches_edge=rim,
        )


def _window(blob: Footprints) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Return the mask of a blob with a pixel around it, and the row and col of its corner."""
    top, left, bottom, right = blob.bounds[0].tolist()
    edges = unit_edges(blob)
    start = edges.start - (top - 1, left - 1)
    shape = (1, bottom - top + 2, right - left + 2)
    owner = np.zeros(len(start), np.int64)
    return painted(owner, start, edges.step, shape)[0] > 0, (top - 1, left - 1)


def _beside_nodata(q: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels have one without data beside them; those outside the raster have none."""
    out = np.pad(q == NODATA, 1)
    return np.asarray(out[:-2, 1:-1] | out[2:, 1:-1] | out[1:-1, :-2] | out[1:-1, 2:])


def _traced(labels: Ints) -> Polygons:
    """Return the pixel edges of each part, in the order of the labels."""
    made = np.full(labels.max(), None, object)
    for low in range(0, len(made), CLASSES):
        count = min(CLASSES, len(made) - low)
        here = (labels > low) & (labels <= low + count)
        some = np.where(here, labels - low, 0).astype(np.uint8)
        tracer = Tracer(some.shape, count)
        strip = tracer.add_strip([trace_cell(some, None, count)])
        batch = concatenate([strip, tracer.finish()])
        made[low + batch.class_index] = batch.polygons()
    return made
