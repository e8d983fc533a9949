"""Shapes on an image as its mask, drawn window by window."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.annotations.classes import Classes
from geounet.annotations.shapes import draw, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.annotations.shapes import Shape


@dataclass(frozen=True)
class Drawn:
    """Outlines in the image's pixels, drawn where they are asked for."""

    shapes: NDArray[np.object_]
    """Geometries."""
    numbers: NDArray[np.uint8]
    """Of their classes, never falling: where two overlap, the larger one stands."""
    several: bool
    """Whether there is more than one class."""
    tree: shapely.STRtree
    """Of their boxes."""

    @classmethod
    def of(cls, shapes: Sequence[Shape], classes: Classes | None = None) -> Drawn:
        """Return the truth of shapes; those that have no area are left out."""
        classes = classes or Classes()
        good = [shape for shape in shapes if fault(shape.geometry) is None]
        numbers = classes.numbers(good)
        order = np.argsort(numbers, kind="stable")
        drawn = np.array([shape.geometry for shape in good], object)[order]
        return cls(drawn, numbers[order], classes.several, shapely.STRtree(drawn))

    def near(self, window: Window) -> NDArray[np.intp]:
        """Return which shapes reach into a window, in their order."""
        rows, cols = window.toslices()
        here = shapely.box(cols.start, rows.start, cols.stop, rows.stop)
        return np.sort(self.tree.query(here, predicate="intersects"))

    def labels(self, window: Window) -> NDArray[np.uint8]:
        """Return the classes of a window of the image, 0 where nothing is drawn."""
        near = self.near(window)
        pairs = zip(self.shapes[near], self.numbers[near].tolist(), strict=True)
        return draw([*pairs], window)

    def read(self, window: Window) -> NDArray[np.bool_] | NDArray[np.uint8]:
        """Return the same; of one class, True where it is."""
        labels = self.labels(window)
        return labels if self.several else labels.astype(np.bool_)

    def fingerprint(self) -> str:
        """Return what tells whether it is still the same."""
        digest = hashlib.blake2b(b"".join(shapely.to_wkb(self.shapes)), digest_size=8)
        digest.update(self.numbers.tobytes() if self.several else b"")
        return digest.hexdigest()
