"""How far a probability moves where a tile's context ends: measured on images, by halo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.halo import covering
from geounet.rows import mirrored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from geounet.backends import Step

HALOS = (64, 96, 128, 160, 192, 224, 256, 320, 384)
"""Halos that are measured, where they are multiples of the network's stride."""
CONTEXT = 512
"""Context of what stands for an untiled pass when the network looks at everything."""
CORE = 128
"""Edge of what is compared; a smaller core is a harder test for a global context."""


def measure_seams(step: Step, images: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """Return the largest |Δp| of each halo over some images.

    Each image is run in one pass, extended by reflection; then cores at its corner, its edge and
    within are run again with no more context than the halo.

    Args:
        step: the model, in fp32.
        images: `(bands, height, width)`, raw pixels as the model knows them.

    Returns:
        By halo, as text, for the card.
    """
    halos = [halo for halo in HALOS if halo % step.card.stride == 0]
    worst = dict.fromkeys(halos, 0.0)
    for image in images:
        for halo, difference in _differences(step, image, halos):
            worst[halo] = max(worst[halo], difference)
    return {str(halo): float(f"{difference:.3g}") for halo, difference in worst.items()}


def _differences(
    step: Step, image: NDArray[np.uint8], halos: Sequence[int]
) -> Iterator[tuple[int, float]]:
    stride, shape = step.card.stride, image.shape[1:]
    context = -(-max(covering(step.card) or 0, CONTEXT) // stride) * stride
    at = [mirrored(-context, context + n + -n % stride + context, n, context) for n in shape]
    extended = image[:, at[0]][:, :, at[1]]
    whole = _probability(step, extended)
    for place in (0, 1, 2):
        top, left = (context + _start(n, place, stride) for n in shape)
        core = whole[:, top : top + CORE, left : left + CORE]
        for halo in halos:
            span = slice(-halo, CORE + halo)
            rows, cols = (slice(begin + span.start, begin + span.stop) for begin in (top, left))
            tile = _probability(step, extended[:, rows, cols])
            inner = tile[:, halo : halo + CORE, halo : halo + CORE]
            yield halo, float(np.abs(inner - core).max())


def _start(extent: int, place: int, stride: int) -> int:
    """First pixel of a core at the beginning, a third or two thirds of an axis."""
    return max(min(extent * place // 3, extent - CORE), 0) // stride * stride


def _probability(step: Step, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    valid = np.ones((1, *pixels.shape[1:]), bool)
    p: NDArray[np.float32] = step(pixels[None], valid)["probability"][0]
    return p
