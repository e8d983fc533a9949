"""The two sides of a comparison: a raster or a vector layer, seen on one grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import shapely

from geounet.annotations.shapes import FARTHEST, draw
from geounet.annotations.vector import SUFFIXES, read_layer
from geounet.errors import AnnotationError, OptionError, RasterError
from geounet.evaluation.damage import DAMAGE
from geounet.footprints.place import bounds_in, reproject
from geounet.maps import is_probability, probability
from geounet.quantise import classify, level

if TYPE_CHECKING:
    from collections.abc import Callable

    import geopandas as gpd
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.reader import RasterInfo, Reader

Values = Literal["mask", "classes", "damage"]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """How the pixels and features of both sides are understood."""

    values: Values = "mask"
    """What pixels but 0 are: set, the number of a class, or a level of damage from 1 to 4."""
    threshold: float = 0.5
    """Probability from which a pixel is foreground."""
    class_by: str | None = None
    """Column of a vector layer that holds the number of the class, or the name of the damage."""


@dataclass(frozen=True)
class View:
    """A window of one side."""

    labels: NDArray[np.uint8]
    """`(height, width)` class, 0 background and where nothing is known."""
    valid: NDArray[np.bool_]
    """`(height, width)` True = something is known."""
    q: NDArray[np.uint8] | None = None
    """`(height, width)` quantised probability of the only class, None without one."""


@dataclass(frozen=True)
class Objects:
    """The objects of one side."""

    polygons: NDArray[np.object_]
    """`(n,)` valid, in pixels of the grid: x = column, y = row."""
    scores: NDArray[np.float64] | None
    """`(n,)` how sure each is, 0 to 1; None where nobody says."""


class Side(Protocol):
    """A prediction or a truth, on a grid."""

    def view(self, window: Window) -> View:
        """Return a window."""
        ...


@dataclass(frozen=True)
class RasterSide:
    """A class raster, a mask or a probability."""

    reader: Reader
    """On the grid."""
    meaning: Meaning

    def __post_init__(self) -> None:
        """Refuse pixels that are neither.

        Raises:
            RasterError: several bands of a mask, or fractions that are no probability.
        """
        info = self.reader.info
        if info.count > 1 and not is_probability(info):
            raise RasterError(
                f"{info.path}: has {info.count} bands (expected one: a mask or classes); "
                f"run: gdal_translate -b 1 {info.path} one.tif"
            )

    @property
    def scored(self) -> bool:
        """Whether pixels are the probability of one class."""
        return is_probability(self.reader.info) and self.reader.info.count == 1

    def view(self, window: Window) -> View:
        """Return a window."""
        patch, info = self.reader.read(window), self.reader.info
        q = probability(patch, info)
        if q is not None:
            labels = classify(q, level(self.meaning.threshold))
            labels[~patch.valid] = 0
            if self.meaning.values == "mask":
                labels = (labels != 0).view(np.uint8)
            return View(labels, patch.valid, q[0] if len(q) == 1 else None)
        values = np.where(patch.valid, patch.data[0], 0)
        if self.meaning.values == "mask":
            return View((values != 0).astype(np.uint8), patch.valid)
        most = max(DAMAGE.values()) if self.meaning.values == "damage" else 254
        if values.size and not 0 <= values.min() <= values.max() <= most:
            raise RasterError(
                f"{info.path}: values run from {values.min()} to {values.max()} (expected classes "
                f"from 0 to {most}); leave --values out to compare it as a mask"
            )
        return View(values.astype(np.uint8), patch.valid)


@dataclass(frozen=True)
class VectorSide:
    """Features of a vector layer."""

    objects: Objects
    """In pixels of the grid."""
    classes: NDArray[np.uint8]
    """`(n,)` class of each; 0 = it hides what is there, as xBD's unclassified buildings do."""
    tree: shapely.STRtree = field(repr=False)
    """Of the polygons."""

    def view(self, window: Window) -> View:
        """Return a window: a pixel whose centre is inside a feature is of its class."""
        rows, cols = window.toslices()
        found = np.sort(self.tree.query(shapely.box(cols.start, rows.start, cols.stop, rows.stop)))
        polygons, classes = self.objects.polygons[found], self.classes[found]
        hidden = classes == 0
        shapes = zip(polygons[~hidden], classes[~hidden].tolist(), strict=True)
        valid = draw([(polygon, 1) for polygon in polygons[hidden]], window) == 0
        labels = draw(list(shapes), window)
        return View(np.where(valid, labels, 0).astype(np.uint8), valid)

    @property
    def visible(self) -> Objects:
        """The objects but those that hide what is there."""
        shown, scores = self.classes > 0, self.objects.scores
        return Objects(self.objects.polygons[shown], None if scores is None else scores[shown])


def is_vector(path: str | Path) -> bool:
    """Return whether a path is that of a vector layer."""
    return Path(path).suffix.lower() in SUFFIXES


@dataclass(frozen=True)
class Layer:
    """A vector layer in memory, not yet on a grid."""

    path: Path
    """Its file."""
    table: gpd.GeoDataFrame
    """Its features."""
    classes: NDArray[np.uint8]
    """`(n,)` class of each; 0 = it hides what is there."""

    def on(self, grid: RasterInfo, tell: Callable[[str], None]) -> VectorSide:
        """Return the features in pixels of a grid.

        Args:
            grid: of a raster.
            tell: called with what the user should know.

        Raises:
            AnnotationError: only one of the two has a CRS.
        """
        crs = self.table.crs
        if (crs is None) != (grid.crs is None):
            lacking, other = (self.path, grid.path) if crs is None else (grid.path, self.path)
            raise AnnotationError(f"{lacking}: has no CRS, so {other} has no place on it; set one")
        near = shapely.box(*bounds_in(grid.bounds, grid.crs, crs))
        rows = self.table.sindex.query(near, sort=True)
        moved = reproject(self.table.geometry.to_numpy()[rows], crs, grid.crs)
        inverse = ~grid.transform
        pixels = shapely.transform(
            moved, lambda xy: np.stack(inverse @ (xy[:, 0], xy[:, 1]), axis=1)
        )
        kept = self._mended(pixels := np.asarray(pixels), tell)
        scores = None
        if "confidence" in self.table:
            scores = np.nan_to_num(self.table["confidence"].to_numpy(np.float64)[rows[kept]])
        objects = Objects(pixels[kept], scores)
        return VectorSide(objects, self.classes[rows[kept]], shapely.STRtree(pixels[kept]))

    def _mended(self, pixels: NDArray[np.object_], tell: Callable[[str], None]) -> NDArray[np.intp]:
        """Make polygons valid, in place; return which have an area."""
        far = np.abs(shapely.bounds(pixels)).max(axis=1, initial=0)
        good = np.flatnonzero(far < FARTHEST)  # not a number is not less
        wrong = good[~shapely.is_valid(pixels[good])]
        if len(wrong):
            pixels[wrong] = shapely.make_valid(
                pixels[wrong], method="structure", keep_collapsed=False
            )
            tell(f"{self.path}: {len(wrong):,} features cross themselves; what they enclose counts")
        good = good[shapely.area(pixels[good]) > 0]
        if len(good) < len(pixels):
            lost = len(pixels) - len(good)
            tell(f"{self.path}: {lost:,} of {len(pixels):,} features have no area and do not count")
        return good


def open_layer(path: Path, layer: str | None, meaning: Meaning) -> Layer:
    """Return a vector layer.

    Raises:
        AnnotationError: it cannot be read, or a class is none.
    """
    table = read_layer(path, layer)
    table = table[~(table.geometry.isna() | table.geometry.is_empty)]
    if meaning.values == "mask":
        return Layer(path, table, np.ones(len(table), np.uint8))
    column = meaning.class_by or ("damage" if meaning.values == "damage" else "class")
    if column not in table:
        known = ", ".join(str(name) for name in table.columns if name != table.geometry.name)
        raise OptionError(f"{path}: has no column {column} (it has {known}); name it: --class-by")
    numbers = [
        _class(value, f"{path}: feature {row + 1}: {column}", meaning)
        for row, value in table[column].items()
    ]
    return Layer(path, table, np.array(numbers, np.uint8))


def _class(value: object, where: str, meaning: Meaning) -> int:
    text = str(value).strip().lower().removesuffix(".0")
    if meaning.values == "damage":
        if text in ("un-classified", "unclassified"):
            return 0
        if text in DAMAGE:
            return DAMAGE[text]
    most = max(DAMAGE.values()) if meaning.values == "damage" else 254
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len("1000") else 0
    if not 1 <= number <= most:
        names = f"one of {', '.join(DAMAGE)}, or " if meaning.values == "damage" else ""
        raise AnnotationError(f"{where} is {value!r} (expected {names}1 to {most}); correct it")
    return number
