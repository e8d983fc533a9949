"""Small pictures of places of a raster, in one ZIP that is always the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from rasterio.windows import Window

from geounet.preview import Part, preview
from geounet.scale import suggest_scale

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from geounet.reader import Reader

    Stretch = tuple[float, float] | None

LONGEST = 96
"""Longest edge of a picture, pixels."""
LEAST = 64
"""A place that is smaller is shown with what lies around it."""


class Pictures:
    """Owner of a ZIP of JPEGs in the making."""

    def __init__(self, path: Path) -> None:
        """Begin the file."""
        self._file = ZipFile(path, "w", ZIP_STORED)

    def add(self, name: str, reader: Reader, box: NDArray[np.float64], stretch: Stretch) -> None:
        """Add the picture of a place.

        Args:
            name: of the member.
            reader: of the raster.
            box: left, top, right, bottom in pixels; may overhang the raster.
            stretch: raw values that are shown black and white; None = as they are.
        """
        part = Part(reader, window_of(box, reader.info.shape))
        with self._file.open(ZipInfo(name), "w") as member:  # dated 1980: the same bytes again
            member.write(preview(part, LONGEST, stretch).jpeg())

    def __enter__(self) -> Self:
        """Return the pictures themselves."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the list of members, and close the file."""
        self._file.close()


def beside(path: Path) -> Path:
    """Return where the pictures of a table of embeddings are."""
    return path.with_name(f"{path.stem}.thumbnails.zip")


def stretch_of(reader: Reader) -> Stretch:
    """Return the raw values that are shown black and white, the same for a whole raster."""
    return None if reader.info.dtype == np.uint8 else suggest_scale(reader)


def window_of(box: NDArray[np.float64], shape: tuple[int, int]) -> Window:
    """Return the part of a raster that the picture of a place shows.

    Args:
        box: left, top, right, bottom in pixels; may overhang the raster.
        shape: of the raster.
    """
    left, top, right, bottom = box
    rows, cols = _span(top, bottom, shape[0]), _span(left, right, shape[1])
    return Window(cols[0], rows[0], cols[1] - cols[0], rows[1] - rows[0])


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """Whole pixels within the raster around a span, at least `LEAST` of them where there are."""
    more = max(LEAST - (high - low), 0) / 2
    first = max(min(int(np.floor(low - more)), size - 1), 0)
    return first, min(max(int(np.ceil(high + more)), first + 1), size)
