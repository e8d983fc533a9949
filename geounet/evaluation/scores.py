"""What a scan of one image says, object by object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.evaluation.objects import IOUS, ObjectScore, overlaps
from geounet.evaluation.shapes import angle_error, c_iou, n_ratio, polis
from geounet.footprints.measure import measure
from geounet.footprints.place import place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.evaluation.objects import Overlaps
    from geounet.evaluation.scan import Scan
    from geounet.evaluation.sides import Objects
    from geounet.reader import RasterInfo

    Floats = NDArray[np.float64]

SPACENET_LEAST = 20
"""Pixels of the smallest true building that SpaceNet counts; a predicted one must have more."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The objects of one side of one image."""

    polygons: NDArray[np.object_]
    """`(n,)` in pixels of the grid."""
    scores: Floats | None
    """`(n,)` how sure each is."""
    area: Floats
    """`(n,)` m², or pixels without a CRS."""
    seam: Floats | None
    """`(n,)` pixels to the nearest seam between tiles, None when tiles are not known."""
    matched: NDArray[np.bool_]
    """`(n,)` True = it has a partner, at IoU 0.5."""
    iou: Floats
    """`(n,)` the largest with any of the other side."""


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """What is known of one image."""

    name: str
    """Of the image."""
    grid: RasterInfo
    """What both sides were compared on."""
    scan: Scan
    """Pixels."""
    overlaps: Overlaps
    """Which objects share an area."""
    ours: Group
    """Predicted objects."""
    theirs: Group
    """True objects."""
    hits: NDArray[np.bool_]
    """`(IOUS, predicted)` True = it has a partner at that IoU."""
    shapes: dict[str, Floats]
    """Measures of the pairs at IoU 0.5, by name."""

    @property
    def objects(self) -> ObjectScore:
        """How many were found at IoU 0.5."""
        return self.at(0)

    def at(self, step: int) -> ObjectScore:
        """How many were found at an IoU."""
        hits = int(self.hits[step].sum())
        return ObjectScore(hits, len(self.ours.area) - hits, len(self.theirs.area) - hits)

    @property
    def spacenet(self) -> ObjectScore:
        """How many were found as SpaceNet counts them."""
        ours = shapely.area(self.ours.polygons) > SPACENET_LEAST
        theirs = shapely.area(self.theirs.polygons) >= SPACENET_LEAST
        return self.overlaps.among(ours, theirs).score()


def score_image(name: str, grid: RasterInfo, scan: Scan, stride: int | None) -> ImageScore:
    """Match the objects of an image and measure the pairs.

    Args:
        name: of the image.
        grid: what both sides were compared on.
        scan: of the image.
        stride: pixels from seam to seam of the tiles it was predicted in.
    """
    pairs = overlaps(scan.ours.polygons, scan.theirs.polygons)
    taken = np.stack([pairs.assign(iou, scan.ours.scores) for iou in IOUS])
    ours = np.flatnonzero(taken[0] >= 0)
    theirs = taken[0][ours]
    best = np.zeros(pairs.predicted), np.zeros(pairs.truth)
    np.maximum.at(best[0], pairs.rows, pairs.iou)
    np.maximum.at(best[1], pairs.cols, pairs.iou)
    matched = taken[0] >= 0, np.isin(np.arange(pairs.truth), theirs)
    groups = [
        _group(objects, grid, stride, matched[side], best[side])
        for side, objects in enumerate((scan.ours, scan.theirs))
    ]
    return ImageScore(
        name=name, grid=grid, scan=scan, overlaps=pairs, ours=groups[0], theirs=groups[1],
        hits=taken >= 0,
        shapes=_shapes(scan.ours.polygons[ours], scan.theirs.polygons[theirs], grid),
    )  # fmt: skip


def _group(
    objects: Objects,
    grid: RasterInfo,
    stride: int | None,
    matched: NDArray[np.bool_],
    best: Floats,
) -> Group:
    area = shapely.area(objects.polygons)
    if grid.crs is not None:
        area, _ = measure(place(objects.polygons, grid.transform), grid.crs)
    seam = None if stride is None else seam_distance(objects.polygons, stride, grid.shape)
    return Group(
        polygons=objects.polygons, scores=objects.scores, area=area, seam=seam, matched=matched,
        iou=best,
    )  # fmt: skip


def seam_distance(polygons: NDArray[np.object_], stride: int, shape: tuple[int, int]) -> Floats:
    """Return how far each polygon's bounds are from the nearest seam; infinite without a seam.

    Seams lie at multiples of the stride from the upper left corner, inside the raster.
    """
    left, top, right, bottom = shapely.bounds(polygons).reshape(-1, 4).T
    nearest = np.full(len(polygons), np.inf)
    for low, high, size in ((left, right, shape[1]), (top, bottom, shape[0])):
        last = (size - 1) // stride * stride
        if not last:
            continue
        below = np.clip(np.floor(high / stride) * stride, stride, last)
        above = np.clip(np.ceil(low / stride) * stride, stride, last)
        gaps = [np.maximum(np.maximum(low - at, at - high), 0) for at in (below, above)]
        nearest = np.minimum(nearest, np.minimum(*gaps))
    return nearest


def _shapes(
    ours: NDArray[np.object_], theirs: NDArray[np.object_], grid: RasterInfo
) -> dict[str, Floats]:
    steps = np.array(grid.gsd_xy or (1.0, 1.0))
    mine, true = (shapely.transform(each, lambda xy: xy * steps) for each in (ours, theirs))
    iou = shapely.area(shapely.intersection(mine, true)) / shapely.area(shapely.union(mine, true))
    unit = "m" if grid.gsd_xy else "px"
    return {
        "iou": iou,
        f"polis_{unit}": polis(mine, true),
        "c_iou": c_iou(iou, mine, true),
        "n_ratio": n_ratio(mine, true),
        "angle_deg": angle_error(mine, true),
    }
