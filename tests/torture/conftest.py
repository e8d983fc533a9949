"""What all cases share: a tiny model, where everybody may read it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch

from geounet.card import ModelCard
from geounet.model import Segmenter, save_model
from geounet.networks.registry import build


@pytest.fixture(scope="session")
def tiny_model():
    """A point-wise model on disk: bright pixels are buildings."""
    network = build("pointwise", {})
    torch.nn.init.constant_(network.head.weight, 4.0)
    torch.nn.init.constant_(network.head.bias, 0.0)
    card = ModelCard(name="bright", network="pointwise", receptive_field=0, bytes_per_pixel=64)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:  # that nobody may look into
        Path(folder).chmod(0o755)
        path = Path(folder) / "bright.safetensors"
        save_model(path, Segmenter(card, network))
        yield path
