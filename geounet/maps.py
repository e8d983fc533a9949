"""What the pixels of a map mean: a probability, or a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.errors import RasterError
from geounet.quantise import NODATA, STEPS, quantise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.reader import Patch, RasterInfo


def is_probability(info: RasterInfo) -> bool:
    """Return whether pixels are floats, or steps of 1/254 as `predict` writes them."""
    if np.issubdtype(info.dtype, np.floating):
        return True
    return info.dtype == np.uint8 and abs(info.scale * STEPS - 1) < 1 / STEPS


def probability(patch: Patch, info: RasterInfo) -> NDArray[np.uint8] | None:
    """Return the quantised probability `(bands, height, width)`, 255 = nodata; None of a mask.

    Raises:
        RasterError: floats that are no probability.
    """
    if not is_probability(info):
        return None
    if info.dtype == np.uint8:
        q = patch.data.astype(np.uint8)
    else:
        found: NDArray[Any] = patch.data[:, patch.valid]
        if found.size and not 0 <= found.min() <= found.max() <= 1:
            raise RasterError(
                f"{info.path}: values run from {found.min():g} to {found.max():g}; "
                "a probability lies between 0 and 1, a mask has integers"
            )
        q = quantise(patch.data.astype(np.float32))
    q[:, ~patch.valid] = NODATA
    return q
