"""What a model is, in a few letters: names what was made of it, and imports no torch."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from geounet.model import OnnxModel

if TYPE_CHECKING:
    from geounet.model import Segmenter


def identity(model: Segmenter | OnnxModel) -> str:
    """Return 16 hexadecimal digits that change with a model's network and weights.

    They are those of its file where the network is that of its file, else of the network itself.
    """
    if model.path is not None and (isinstance(model, OnnxModel) or model.is_as_stored):
        return sha256(model.path.read_bytes()).hexdigest()[:16]
    digest = sha256(repr(model.network).encode())
    for name, value in model.network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
