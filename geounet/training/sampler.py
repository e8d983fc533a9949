"""Which sampler a recipe wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geounet.training.chips import ChipSampler
from geounet.training.whole import WholeSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.training.batch import Sampler
    from geounet.training.sheet import Labelled
    from geounet.training.shown import Shown


def make_sampler(sheets: Sequence[Labelled], shown: Shown, seed: int) -> Sampler:
    """Return where batches come from: chips at a ground sample distance, or whole images.

    Args:
        sheets: to train on.
        shown: what the recipe says of the images.
        seed: of all that is drawn.
    """
    kind = ChipSampler if shown.size is None else WholeSampler
    return kind(sheets, shown, seed)
