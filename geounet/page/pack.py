"""Whole numbers as short text: zigzag, base-128 varints, base64 (as in protocol buffers)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST = 10
"""Bytes of the longest varint of 64 bits."""


def pack(numbers: NDArray[np.int64]) -> str:
    """Return numbers as text; small ones, of either sign, take least.

    Args:
        numbers: `(n,)` int64.
    """
    zigzag = ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)
    sevens = 7 * np.arange(_LONGEST, dtype=np.uint64)
    digits = zigzag[:, None] >> sevens
    used = digits > 0
    used[:, 0] = True
    more = np.zeros_like(used)
    more[:, :-1] = used[:, 1:]
    data = (digits & np.uint64(127)) | more.astype(np.uint64) << np.uint64(7)
    return b64encode(data[used].astype(np.uint8).tobytes()).decode("ascii")
