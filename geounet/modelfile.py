"""What stands in a model's file: card, weights and golden tile; nothing of it is ever run."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from geounet.errors import ModelError
from geounet.onnxfile import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Golden = tuple[NDArray[np.uint8], NDArray[np.uint8]]
    """A tile of raw pixels `(bands, height, width)`, and its expected quantised output."""

CARD_KEY = "geounet.card"
GOLDEN_INPUT = "golden.input"
GOLDEN_OUTPUT = "golden.output"
GOLDEN_KEY = "geounet.golden"
SUFFIX, ONNX_SUFFIX = ".safetensors", ".onnx"


SHOWN = 160
"""Letters of an error's words that a message shows."""


def brief(error: BaseException) -> str:
    """Return an error's words, on one line that is not too long."""
    words = " ".join(str(error).split())
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}…"


def read_text(path: Path) -> str:
    """Return the card's JSON.

    Raises:
        ModelError: the file cannot be read, or has no card of ours.
    """
    if path.suffix == ONNX_SUFFIX:
        return _entries(path)[CARD_KEY]
    return _opened(path, weights=False)[0]


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the weights by name, of a `.safetensors` file.

    Raises:
        ModelError: the file cannot be read, or has no card of ours.
    """
    return _opened(path, weights=True)[1]


def read_tile(path: Path) -> Golden | None:
    """Return the golden tile, if there is one.

    Raises:
        ModelError: it cannot be read.
    """
    from safetensors import safe_open  # noqa: PLC0415

    if path.suffix == ONNX_SUFFIX:
        return _golden_of(_entries(path).get(GOLDEN_KEY), path)
    with safe_open(path, "numpy") as file:
        if GOLDEN_INPUT not in file.keys():  # noqa: SIM118  (not a mapping)
            return None
        return file.get_tensor(GOLDEN_INPUT), file.get_tensor(GOLDEN_OUTPUT)


def write_file(
    path: Path, text: str, weights: Mapping[str, NDArray[Any]], golden: Golden | None
) -> None:
    """Write a `.safetensors` file of card, weights and golden tile; the caller stages it."""
    from safetensors.numpy import save  # noqa: PLC0415

    tile = {} if golden is None else {GOLDEN_INPUT: golden[0], GOLDEN_OUTPUT: golden[1]}
    # not save_file, which makes a file that only its owner may read
    path.write_bytes(save({**weights, **tile}, {CARD_KEY: text}))


def _opened(path: Path, *, weights: bool) -> tuple[str, dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    try:
        with safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(CARD_KEY)
            if text is None:
                raise ModelError(
                    f"{path}: no geounet model card in this file; run: geounet models import"
                )
            names = [n for n in file.keys() if not n.startswith("golden.")] if weights else []  # noqa: SIM118
            return text, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path}: not a readable {SUFFIX} file ({brief(error)}); get it again"
        ) from error


def _entries(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file that has a card of ours."""
    try:
        with path.open("rb") as file:
            entries = metadata(file)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: not a readable {ONNX_SUFFIX} file ({brief(error)}); get it again"
        ) from error
    if CARD_KEY not in entries:
        raise ModelError(
            f"{path}: no geounet model card in this file (metadata {CARD_KEY!r}); run: geounet "
            "models import"
        )
    return entries


def _golden_of(text: str | None, path: Path) -> Golden | None:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load  # noqa: PLC0415

    if text is None:
        return None
    try:
        tensors = load(base64.b64decode(text, validate=True))
        return tensors[GOLDEN_INPUT], tensors[GOLDEN_OUTPUT]
    except (ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"{path}: golden tile cannot be read ({error})") from error
