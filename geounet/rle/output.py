"""Write run-length files: of objects one by one, or of a class raster that comes part by part."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from geounet.quantise import NODATA
from geounet.rle.coco import CocoImage
from geounet.rle.cocowriter import CocoWriter
from geounet.rle.encoder import RunEncoder
from geounet.rle.kaggle import KaggleWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo

    Counts = Iterable[NDArray[np.int64]]
    Objects = Iterable[tuple[CocoImage, int, Counts]]

SUFFIXES = (".json", ".csv")
"""COCO's, Kaggle's."""


def image_of(info: RasterInfo, number: int = 1) -> CocoImage:
    """Return what a file says of a raster: its name, size and place."""
    placed = info.crs is not None or not info.transform.is_identity
    return CocoImage(
        number=number,
        name=PurePosixPath(info.path.name),
        height=info.height,
        width=info.width,
        transform=info.transform if placed else None,
        crs=info.crs,
    )


def write_coco(
    file: IO[str],
    images: Sequence[CocoImage],
    objects: Objects,
    *,
    names: Sequence[str] = ("building",),
    compact: bool = True,
) -> int:
    """Write objects as COCO's file; return their number.

    Args:
        file: open for text.
        images: all of them.
        objects: image, class and counts of each.
        names: of class 1 and so on; a class without one is named by its number.
        compact: compressed counts instead of lists of numbers.
    """
    writer, count, labels = CocoWriter(file, images, compact=compact), 0, {1}
    for image, label, counts in objects:
        writer.add(image, label, counts)
        count, labels = count + 1, labels | {label}
    known = dict(enumerate(names, 1))
    writer.finish({label: known.get(label, f"class {label}") for label in sorted(labels)})
    return count


def write_kaggle(file: IO[str], objects: Objects, *, classes: bool) -> int:
    """Write objects as Kaggle's file; return their number.

    Args:
        file: open for text.
        objects: image, class and counts of each.
        classes: True = with a column of classes.
    """
    writer, count = KaggleWriter(file, classes=classes), 0
    for image, label, counts in objects:
        writer.add(image.name.stem, label, counts)
        count += 1
    return count


class RunFile:
    """The run lengths of a class raster whose parts come from top to bottom."""

    def __init__(self, info: RasterInfo, names: Sequence[str], folder: Path) -> None:
        """Expect the parts.

        Args:
            info: of the grid.
            names: of class 1 and so on.
            folder: where changes wait.

        Raises:
            OutputError: nothing can be written there.
        """
        self._image, self._names = image_of(info), names
        self._encoder = RunEncoder(info.shape, folder)

    def add(self, labels: NDArray[np.uint8], window: Any) -> None:  # noqa: ANN401 - rasterio has no types
        """Take the classes of a part; 255, no data, is background.

        Raises:
            OutputError: the disk is full.
        """
        known = np.where(labels == NODATA, np.uint8(0), labels)
        self._encoder.add(known, int(window.row_off), int(window.col_off))

    def write(self, path: Path) -> None:
        """Write what was taken, as the suffix says: one object a class; of one class always one.

        Raises:
            OutputError: the disk is full.
        """
        several = len(self._names) > 1
        found = self._encoder.labels() if several else [1]
        objects = ((self._image, label, self._encoder.counts(label)) for label in found)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            if path.suffix.lower() == SUFFIXES[0]:
                write_coco(file, [self._image], objects, names=self._names)
            else:
                write_kaggle(file, objects, classes=several)

    def close(self) -> None:
        """Let go of what waits."""
        self._encoder.close()
