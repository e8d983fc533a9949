"""The golden tile: does this machine compute what the model's maker computed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.backends.engine import Engine, make_step
from geounet.errors import ModelError
from geounet.model import OnnxModel, Segmenter, open_model, read_golden
from geounet.quantise import quantise

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def golden_output(model: Segmenter | OnnxModel, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the quantised output `(classes, h, w)` of `(bands, h, w)`, in fp32 on a CPU."""
    backend = "onnx" if isinstance(model, OnnxModel) else "torch"
    step = make_step(model, Engine(backend=backend, precision="fp32"))
    valid = np.ones((1, *pixels.shape[1:]), bool)
    return quantise(step(pixels[None], valid)["probability"][0])


def golden_difference(name: str | Path) -> int:
    """Return the largest difference from the expected output, in steps of 1/254.

    Raises:
        ModelError: the model has no golden tile.
    """
    golden = read_golden(name)
    if golden is None:
        raise ModelError(f"{name}: has no golden tile to check against")
    pixels, expected = golden
    found = golden_output(open_model(name), pixels)
    return int(np.abs(found.astype(int) - expected.astype(int)).max())
