"""A model as an ONNX file that other tools run, compared with the model before it is written."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from geounet.backends.engine import Engine, make_step
from geounet.backends.export import export_onnx
from geounet.backends.golden import golden_output
from geounet.errors import GridError, ModelError
from geounet.halo import BLENDED, covering, has_room
from geounet.model import OnnxModel, Segmenter, load_model, read_golden
from geounet.modelfile import ONNX_SUFFIX
from geounet.outputs import check_target, staged
from geounet.transfer.deepness import keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME = 1e-4
"""Largest |Δp| between the model and its graph."""


def export_model(
    name: str | Path,
    out: str | Path,
    tile: int | Literal["free"] = 512,
    *,
    overwrite: bool = False,
) -> float:
    """Write a model as ONNX with our card, and with the keys that the plugin Deepness reads.

    Args:
        name: bundled name, or a `.safetensors` file.
        out: `.onnx` to write.
        tile: edge of the input, which Deepness wants to be fixed; `free` leaves it open, and the
            plugin's keys out.
        overwrite: replace what is there.

    Returns:
        The largest |Δp| between the model in torch and the file in ONNX Runtime.

    Raises:
        ModelError: it cannot be exported, or the file would compute something else.
    """
    target = Path(out)
    check_target(target, overwrite=overwrite, suffixes=(ONNX_SUFFIX,))
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise ModelError(f"export needs the package {package}; pip install 'geounet[onnx]'")
    segmenter = load_model(name)
    if tile != "free":
        segmenter = segmenter.with_card(tile=_checked(tile, segmenter.card.stride))
    pixels = _image(name, segmenter)
    golden = pixels, golden_output(segmenter, pixels)
    with staged(target) as path:
        path.write_bytes(export_onnx(segmenter, golden, _entries(segmenter)))
        apart = _apart(segmenter, path, pixels)
        if not apart <= SAME:
            raise ModelError(
                f"{name}: the graph differs from the model by {apart:.2g}, at most {SAME:g} is "
                "tolerated; nothing was written"
            )
    return apart


def _checked(tile: int, stride: int) -> int:
    if tile < stride or tile % stride:
        nearest = max(-(-tile // stride) * stride, stride)
        raise GridError(f"tile must be a positive multiple of {stride}, got {tile}; try {nearest}")
    return tile


def _entries(segmenter: Segmenter) -> dict[str, str]:
    """The plugin's entries, where the graph is one it can run."""
    card = segmenter.card
    if not card.tile:
        return {}
    halo = covering(card)
    if halo is None or not has_room(card, halo):
        halo = min(BLENDED, card.tile // 4)
    return keys(card, card.tile, halo)


def _image(name: str | Path, segmenter: Segmenter) -> NDArray[np.uint8]:
    """Pixels to compare with: the golden tile, made to measure, or noise."""
    card, found = segmenter.card, read_golden(name)
    if found is None:
        edge = card.tile or 16 * card.stride
        noise = np.random.default_rng(0).integers(0, 256, (len(card.bands), edge, edge))
        return noise.astype(np.uint8)
    pixels = found[0]
    if card.tile:
        short = [max(card.tile - extent, 0) for extent in pixels.shape[1:]]
        pixels = np.pad(pixels, ((0, 0), (0, short[0]), (0, short[1])), "symmetric")
        pixels = pixels[:, : card.tile, : card.tile]
    return np.ascontiguousarray(pixels)


def _apart(segmenter: Segmenter, path: Path, pixels: NDArray[np.uint8]) -> float:
    """How far the file's probabilities lie from the model's, on two images in one batch."""
    batch = np.stack([pixels, pixels[..., ::-1]])
    valid = np.ones((2, *pixels.shape[1:]), bool)
    plain = make_step(segmenter, Engine(backend="torch", precision="fp32"))
    graph = make_step(OnnxModel(segmenter.card, path), Engine(backend="onnx", precision="fp32"))
    maps = [step(batch, valid)["probability"] for step in (plain, graph)]
    return float(np.abs(maps[0] - maps[1]).max())
