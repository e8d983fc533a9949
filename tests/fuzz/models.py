"""Model files: safetensors, their card, the metadata of ONNX, what Deepness writes.

python tests/fuzz/models.py --seconds 60
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from fuzzing import Target, main
from safetensors.numpy import save

from geounet.card import ModelCard
from geounet.errors import ModelError
from geounet.model import load_model, read_card
from geounet.modelfile import CARD_KEY
from geounet.onnxfile import keeps_data_elsewhere, with_metadata
from geounet.transfer.deepness import keys, words

if TYPE_CHECKING:
    from pathlib import Path

CARD = ModelCard(name="m", network="pointwise", receptive_field=0, bytes_per_pixel=64)
WEIGHTS = {
    "head.weight": np.ones((1, 3, 1, 1), np.float32),
    "head.bias": np.zeros(1, np.float32),
}
GRAPH = b"\x08\x09\x3a\x05\x12\x03abc"


def card(path: Path) -> None:
    """A card alone."""
    try:
        ModelCard.from_json(path.read_bytes().decode())
    except UnicodeDecodeError:
        return


def graph(path: Path) -> None:
    """The bytes of an ONNX file; what reads them says ValueError, which the model wraps."""
    read_card(path)
    try:
        keeps_data_elsewhere(path.read_bytes())
    except ValueError as error:
        raise ModelError(str(error)) from error


def deepness(path: Path) -> None:
    """Metadata of a plugin, as pairs of lines."""
    text = path.read_bytes().decode(errors="replace")
    pairs = dict(line.partition("\t")[::2] for line in text.splitlines())
    words(pairs, 1, path)


WHOLE = save(WEIGHTS, {CARD_KEY: CARD.to_json()})
ENTRIES = keys(CARD, 256, 16)
TARGETS = (
    Target("safetensors", ".safetensors", (WHOLE,), load_model),
    Target("card", ".json", (CARD.to_json().encode(),), card),
    Target("onnx", ".onnx", (with_metadata(GRAPH, {CARD_KEY: CARD.to_json()}),), graph),
    Target(
        "deepness", ".txt", ("\n".join(f"{k}\t{v}" for k, v in ENTRIES.items()).encode(),), deepness
    ),
)


if __name__ == "__main__":
    sys.exit(main(TARGETS))
