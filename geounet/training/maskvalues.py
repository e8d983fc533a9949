"""What a mask may hold: two values, or the numbers of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.errors import TrainingError
from geounet.training.listed import opened_mask

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.annotations.classes import Classes

_STRIP = 1024
_SHOWN = 5
_MASK_VALUES = ({0, 1}, {0, 255})


def check_mask(path: str, image: Path, shape: tuple[int, int], classes: Classes | None) -> None:
    """Refuse a mask that is not of its image's size, or holds what is no mask.

    Args:
        path: of the mask.
        image: it belongs to.
        shape: of the image.
        classes: that its values stand for; None: it numbers objects, so they may be any.

    Raises:
        TrainingError: what was found, and what was expected.
    """
    reader = opened_mask(path)
    if reader.info.shape != shape:
        raise TrainingError(
            f"{path}: is {reader.info.shape} (height, width; {image.name} is {shape}); "
            "draw it on that image"
        )
    if classes is None:
        return
    several = classes.several
    known = ({*range(len(classes.names) + 1)},) if several else _MASK_VALUES
    found: set[int] = set()
    for row in range(0, shape[0], _STRIP):
        strip = reader.read(Window(0, row, shape[1], min(_STRIP, shape[0] - row)))
        found |= set(np.unique(strip.data[0][strip.valid]).tolist())
        if not any(found <= values for values in known):
            wrong = sorted(found - known[0] if several else found)
            some = ", ".join(f"{value:g}" for value in wrong[:_SHOWN])
            raise TrainingError(
                f"{path}: holds {some}{' …' if len(wrong) > _SHOWN else ''} "
                f"(expected {_expected(classes)}"
            )


def _expected(classes: Classes) -> str:
    """What a mask may hold, and what to do with one that holds something else."""
    if classes.several:
        numbered = ", ".join(f"{at} {name}" for at, name in enumerate(classes.names, 1))
        return f"0 background, {numbered}); correct it, or name what is missing with --classes"
    return (
        "0 and 255, or 0 and 1); if they number objects, say instances = true; "
        "if classes, name them with --classes"
    )
