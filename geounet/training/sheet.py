"""What is trained on: labelled images, held in memory or read window by window."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

Pixels = TypeVar("Pixels", "Tensor", NDArray[Any])

Mask = NDArray[np.bool_] | NDArray[np.uint8]
"""What pixels are: True = building; where there are several classes their numbers, 0 = none."""


def several(mask: Mask) -> bool:
    """Return whether a mask holds numbers of classes."""
    return mask.dtype != np.bool_


def planes(mask: Mask) -> Mask:
    """Return a plane of what is labelled; of several classes one for each number, 0 first."""
    if not several(mask):
        return mask[None]
    numbers = np.arange(int(mask.max(initial=0)) + 1, dtype=np.uint8)
    return np.asarray(mask == numbers[:, None, None])


def whitened(image: Pixels, span: tuple[float, float]) -> Pixels:
    """Return raw pixels with the span's ends at 0 and 255, as floats where they are elsewhere."""
    low, high = span
    return image if span == WHITE else (image - low) * (255 / (high - low))


SPLITS = ("train", "validation", "test")
WHITE = (0.0, 255.0)
"""Span of bytes: black and white as they are."""


class Crop(NamedTuple):
    """A part of a labelled image."""

    image: NDArray[np.uint8]
    """`(bands, height, width)`, raw; of 16 bits where each scene has its own scale."""
    mask: Mask
    """`(height, width)`, what each pixel is."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data."""


class Labelled(Protocol):
    """A labelled image, wherever its pixels are."""

    @property
    def name(self) -> str:
        """Stem of the file."""
        ...

    @property
    def place(self) -> str:
        """Name of the set it belongs to."""
        ...

    @property
    def split(self) -> str:
        """train, validation or test."""
        ...

    @property
    def gsd(self) -> float:
        """Metres a pixel."""
        ...

    @property
    def weight(self) -> float:
        """Share of the chips that come from the whole set."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        ...

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        ...

    @property
    def span(self) -> tuple[float, float]:
        """Raw values that are scaled to 0 and 1."""
        ...

    @property
    def sparse(self) -> bool:
        """Whether parts are held out: a chip that shows little is drawn again."""
        ...

    def crop(self, rows: slice, cols: slice) -> Crop:
        """Return a part; what lies beyond the image is cut off."""
        ...

    def fingerprint(self) -> str:
        """Return what tells whether an interrupted training goes on from the same data."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One labelled image in memory."""

    name: str
    """Stem of the file."""
    place: str
    """Name of the set it belongs to."""
    split: str
    """train, validation or test."""
    image: NDArray[np.uint8]
    """`(bands, height, width)`; of 16 bits where each scene has its own scale."""
    mask: Mask
    """`(height, width)`, what each pixel is."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data. Nodata is shown to the network as in prediction."""
    gsd: float
    """Metres a pixel; the model's own where nobody knows."""
    weight: float
    """Share of the chips that come from the whole set."""
    span: tuple[float, float] = WHITE
    """Raw values that are scaled to 0 and 1."""
    sparse: bool = False
    """Parts are held out, so they are not valid: a chip that shows little is drawn again."""

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(self.mask.size)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.mask.shape
        return height, width

    def crop(self, rows: slice, cols: slice) -> Crop:
        """Return a part; what lies beyond the image is cut off."""
        return Crop(self.image[:, rows, cols], self.mask[rows, cols], self.valid[rows, cols])

    def fingerprint(self) -> str:
        """Return a digest of all its pixels and of what is said of it."""
        said = (self.name, self.place, self.split, self.shape, self.gsd, self.weight, self.span)
        digest = hashlib.blake2b(repr(said).encode(), digest_size=8)
        for plane in (self.image, self.mask, self.valid):
            digest.update(plane.tobytes())
        return digest.hexdigest()


def held(sheets: Iterable[Labelled], *splits: str) -> list[Sheet]:
    """Return the sheets of some splits that are in memory, as all of validation and test are."""
    return [sheet for sheet in sheets if isinstance(sheet, Sheet) and sheet.split in splits]
