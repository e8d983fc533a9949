"""What hypothesis draws: shapes, tilings, masks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst


@st.composite
def grids(draw, largest=60):
    """Draw a shape and a tile, halo, align and band width that fit it."""
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    align = draw(st.sampled_from([1, 2, 4, 8]))
    halo = draw(st.integers(0, 3)) * align
    tile = 2 * halo + draw(st.integers(1, 5)) * align
    return shape, {
        "tile": tile,
        "halo": halo,
        "align": align,
        "band_width": draw(st.sampled_from([1, 7, 20, 1000])),
    }


def images(shape, bands=1):
    """Draw uint8 pixels `(bands, height, width)`."""
    return npst.arrays(np.uint8, (bands, *shape))


def masks(shape):
    """Draw a bool mask."""
    return npst.arrays(np.bool_, shape)
