"""Where the pixels of a class are, so that chips can be cut around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geounet.errors import TrainingError
from geounet.training.classes import check_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.training.sheet import Labelled

    Counts = NDArray[np.int64]

EDGE = 256
"""Of the blocks whose pixels are counted; no more than one is read to choose a pixel."""


class Pixel(NamedTuple):
    """A pixel of a sheet."""

    sheet: int
    """Number of the sheet."""
    row: int
    """From its top."""
    col: int
    """From its left."""


class Balance:
    """Chooses a pixel of a class, every one of a set alike; sets by their share of the chips."""

    def __init__(
        self,
        sheets: Sequence[Labelled],
        shares: NDArray[np.float64],
        wanted: Mapping[str, float],
        names: Sequence[str],
    ) -> None:
        """Count the pixels of each class, in one pass over the sheets.

        Args:
            sheets: to train on.
            shares: of the chips that come from each sheet.
            wanted: share of the chips around a pixel of each class.
            names: of class 1, 2 and so on.

        Raises:
            TrainingError: a class is wanted that is none, or that no sheet shows.
        """
        check_known("balance", wanted, names)
        self._sheets = sheets
        self._numbers = [names.index(name) + 1 for name in wanted]
        self._ends = np.cumsum(list(wanted.values()))
        self._blocks = [_counted(sheet, self._numbers) for sheet in sheets] if wanted else []
        self._shares = [self._of(at, shares, name) for at, name in enumerate(wanted)]

    def draw(self, rng: np.random.Generator) -> Pixel | None:
        """Return a pixel of a class, or nothing where the chip may lie anywhere."""
        if not self._numbers:
            return None
        at = int(np.searchsorted(self._ends, rng.random(), "right"))
        if at == len(self._numbers):
            return None
        sheet = int(rng.choice(len(self._sheets), p=self._shares[at]))
        counts = self._blocks[sheet][at]
        block = int(rng.choice(counts.size, p=counts.ravel() / counts.sum()))
        top, left = (EDGE * int(step) for step in np.unravel_index(block, counts.shape))
        (there,) = _are(self._sheets[sheet], self._numbers[at : at + 1], top, left)
        rows, cols = np.nonzero(there)
        pixel = int(rng.integers(len(rows)))
        return Pixel(sheet, top + int(rows[pixel]), left + int(cols[pixel]))

    def _of(self, at: int, shares: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """Shares of the chips around a class: of each set that shows it, by its pixels."""
        pixels = np.array([counts[at].sum() for counts in self._blocks])
        if not pixels.any():
            raise TrainingError(
                f"balance wants chips around {name}, but no training image shows it; leave it out"
            )
        places = np.array([sheet.place for sheet in self._sheets])
        found = np.zeros(len(places))
        for place in {*places[pixels > 0].tolist()}:
            here = places == place
            found[here] = shares[here].sum() * pixels[here] / pixels[here].sum()
        return np.asarray(found / found.sum())


def _counted(sheet: Labelled, numbers: Sequence[int]) -> Counts:
    """Pixels of each class in each block, `(classes, rows, columns)`."""
    tops, lefts = (range(0, extent, EDGE) for extent in sheet.shape)
    found = [[_are(sheet, numbers, top, left).sum(axis=(1, 2)) for left in lefts] for top in tops]
    return np.moveaxis(np.array(found, np.int64), 2, 0)


def _are(sheet: Labelled, numbers: Sequence[int], top: int, left: int) -> NDArray[np.bool_]:
    """Where a block has data and is of each class, `(classes, rows, columns)`."""
    block = sheet.crop(slice(top, top + EDGE), slice(left, left + EDGE))
    return np.stack([(block.mask == number) & block.valid for number in numbers])
