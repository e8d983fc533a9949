"""Labelled images that are known, but not held: each crop is read from the files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from rasterio.windows import Window

from geounet.errors import TrainingError
from geounet.raster import open_raster
from geounet.sources import identity
from geounet.training.sheet import Crop, Sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.places import Block
    from geounet.raster import RasterReader
    from geounet.training.sheet import Mask

_OPEN = 32
"""Files that are open at a time."""


class Truth(Protocol):
    """Where the mask of an image comes from."""

    def read(self, window: Window) -> Mask:
        """Return the mask of a window of the image."""
        ...

    def fingerprint(self) -> str:
        """Return what tells whether it is still the same."""
        ...


@dataclass(frozen=True)
class MaskFile:
    """A raster of the same size: what is neither 0 nor nodata is a building, or of its class."""

    path: str
    """The file."""
    several: bool = False
    """Its values are numbers of classes."""

    def read(self, window: Window) -> Mask:
        """Return the mask of a window of the image."""
        patch = opened_mask(self.path).read(window)
        if self.several:
            return np.where(patch.valid, patch.data[0], 0).astype(np.uint8)
        mask: NDArray[np.bool_] = (patch.data[0] > 0) & patch.valid
        return mask

    def fingerprint(self) -> str:
        """Return what tells whether it is still the same."""
        return repr(identity(self.path))


@dataclass(frozen=True)
class Painted:
    """A mask in memory."""

    mask: Mask
    """`(height, width)`."""

    def read(self, window: Window) -> Mask:
        """Return the mask of a window of the image."""
        mask: Mask = self.mask[window.toslices()]
        return mask

    def fingerprint(self) -> str:
        """Return what tells whether it is still the same."""
        held = np.packbits(self.mask) if self.mask.dtype == np.bool_ else self.mask
        return hashlib.blake2b(held.tobytes(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A labelled image, or a window of one, read crop by crop; see `Labelled`."""

    path: str
    """The image."""
    truth: Truth
    """Its mask."""
    name: str
    """Stem of the file."""
    place: str
    """Name of the set it belongs to."""
    split: str
    """train, validation or test."""
    gsd: float
    """Metres a pixel."""
    window: Window
    """The part of the image that counts."""
    bands: tuple[int, ...]
    """Bands that are read, 1-based."""
    weight: float = 1.0
    """Share of the chips that come from the whole set."""
    scene: str = ""
    """Images of the same scene share its statistic."""
    span: tuple[float, float] = (0.0, 255.0)
    """Raw values that are scaled to 0 and 1."""
    edge: int = 0
    """Of a block of ground, pixels; 0 = no blocks."""
    held: frozenset[Block] = field(default_factory=frozenset)
    """Blocks that are held out: they are shown as nodata."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.window.height), int(self.window.width)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def sparse(self) -> bool:
        """Whether parts are held out."""
        return bool(self.held)

    def crop(self, rows: slice, cols: slice) -> Crop:
        """Return a part; what lies beyond the image is cut off."""
        top, bottom, _ = rows.indices(self.shape[0])
        left, right, _ = cols.indices(self.shape[1])
        window = Window(
            self.window.col_off + left, self.window.row_off + top, right - left, bottom - top
        )
        patch = opened(self.path, self.bands).read(window)
        valid = patch.valid & ~self._hidden(window) if self.held else patch.valid
        image: NDArray[Any] = patch.data
        return Crop(image, self.truth.read(window), valid)

    def loaded(self) -> Sheet:
        """Return the same in memory."""
        image, mask, valid = self.crop(slice(None), slice(None))
        return Sheet(
            name=self.name,
            place=self.place,
            split=self.split,
            image=image,
            mask=mask,
            valid=valid,
            gsd=self.gsd,
            weight=self.weight,
            span=self.span,
            sparse=self.sparse,
        )

    def fingerprint(self) -> str:
        """Return a digest of what its files are and of what is said of it; reads no pixel."""
        said = [
            getattr(self, entry.name)
            for entry in fields(self)
            if entry.name not in ("truth", "held")
        ]
        held = [*said, sorted(self.held), identity(self.path), self.truth.fingerprint()]
        return hashlib.blake2b(repr(held).encode(), digest_size=8).hexdigest()

    def _hidden(self, window: Window) -> NDArray[np.bool_]:
        """Where a window lies in blocks that are held out."""
        rows, cols = (np.arange(s.start, s.stop) // self.edge for s in window.toslices())
        hidden = np.zeros((len(rows), len(cols)), np.bool_)
        for row, col in self.held:
            hidden |= (rows == row)[:, None] & (cols == col)
        return hidden


@lru_cache(_OPEN)
def opened(path: str, bands: tuple[int, ...] | None) -> RasterReader:
    """Return a reader of a file, kept open among the last ones."""
    return open_raster(path, bands=bands)


@lru_cache(_OPEN)
def opened_mask(path: str) -> RasterReader:
    """Return a reader of a mask, which may have a colour table."""
    return open_raster(path, bands=(1,), indexed=True)


def shown_bands(path: str, bands: int) -> tuple[int, ...]:
    """Return the bands that a model of some bands is shown; alpha is never one of them.

    Args:
        path: of the image.
        bands: of the model. A grey image is shown to a model of three as three equal bands; of
            more than three the first three are taken.

    Raises:
        RasterError: the image cannot be opened.
        TrainingError: it has too few bands, or too many.
    """
    found = opened(path, None).bands
    if len(found) == 1:
        return found * bands
    if bands == 1 or len(found) < bands:
        raise TrainingError(
            f"{path}: has {len(found)} bands (expected {bands}); write the ones that are meant"
        )
    return found[:bands]
