"""Rasters and models whose every output is known, drawn once into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 512
WEIGHTS = (1.0, 0.1, -0.1)
"""Of the pointwise model: mostly the first band, so that its output is as noisy as that band."""

ENCODINGS: dict[str, dict[str, Any]] = {
    "deflate": {"compress": "deflate", "predictor": 2},
    "jpeg": {"compress": "jpeg", "photometric": "ycbcr"},
}


def scene(folder: Path, height: int, width: int, encoding: str = "deflate") -> Path:
    """Return an RGB GeoTIFF at 0.3 m: noisy ground with a bright house in each 64 × 64 pixels."""
    path = folder / f"scene-{height}x{width}-{encoding}.tif"
    if path.exists():
        return path
    part = path.with_suffix(".part.tif")
    with _created(part, height, width, **ENCODINGS[encoding]) as file:
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            file.write(_strip(top, width)[:, :rows], window=Window(0, top, width, rows))
    part.rename(path)
    return path


def sparse(folder: Path, size: int, encoding: str = "deflate") -> Path:
    """Return a square GeoTIFF with nodata of which only 16 blocks, spread evenly, are written."""
    path = folder / f"sparse-{size}-{encoding}.tif"
    if path.exists():
        return path
    part, block = path.with_suffix(".part.tif"), _strip(0, BLOCK)
    with _created(part, size, size, nodata=0, sparse_ok=True, **ENCODINGS[encoding]) as file:
        for at in np.ndindex(4, 4):
            top, left = (size * (2 * each + 1) // 8 // BLOCK * BLOCK for each in at)
            file.write(block, window=Window(left, top, BLOCK, BLOCK))
    part.rename(path)
    return path


def repeated(folder: Path, source: Path, height: int, width: int) -> Path:
    """Return a GeoTIFF at 0.3 m of the first three bands of a raster, side by side and below."""
    path = folder / f"{source.stem}-{height}x{width}.tif"
    if path.exists():
        return path
    part = path.with_suffix(".part.tif")
    with rasterio.open(source) as raster:
        once = raster.read((1, 2, 3))
    across = np.arange(width) % once.shape[2]
    with _created(part, height, width, **ENCODINGS["deflate"]) as file:
        for top in range(0, height, BLOCK):
            rows = np.arange(top, min(top + BLOCK, height)) % once.shape[1]
            file.write(once[:, rows][:, :, across], window=Window(0, top, width, len(rows)))
    part.rename(path)
    return path


def pointwise(folder: Path) -> Path:
    """Return the file of a model of one 1 × 1 convolution."""
    import torch  # noqa: PLC0415

    from geounet.card import ModelCard  # noqa: PLC0415
    from geounet.model import Segmenter, save_model  # noqa: PLC0415
    from geounet.networks.registry import build  # noqa: PLC0415

    network: Any = build("pointwise", {})
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor(WEIGHTS).view(1, 3, 1, 1))
        network.head.bias.zero_()
    path = folder / "pointwise.safetensors"
    card = ModelCard(name="pointwise", network="pointwise", receptive_field=0, min_area_m2=4)
    save_model(path, Segmenter(card, network))
    return path


def wrong_pixels(raster: Path, probability: Path) -> int:
    """Return how many pixels are not what the model must give, by float64 arithmetic.

    Where 254·p lies within 1/500 of a whole number, float32 may round to either side.
    """
    wrong = 0
    with rasterio.open(raster) as source, rasterio.open(probability) as made:
        for top in range(0, source.height, BLOCK):
            window = Window(0, top, source.width, min(BLOCK, source.height - top))
            exact = 254 * _expected(source.read(window=window)) + 2.0**-10
            found = made.read(1, window=window)
            wrong += int(((found < np.floor(exact - 2e-3)) | (found > exact + 2e-3)).sum())
    return wrong


def _expected(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    weights = np.array(WEIGHTS)[:, None, None]
    logits = ((pixels / 255 - 0.5) / 0.25 * weights).sum(axis=0)
    return np.asarray(1 / (1 + np.exp(-logits)))


def _created(path: Path, height: int, width: int, **more: object) -> Any:  # noqa: ANN401
    return rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=3, dtype="uint8",
        crs="EPSG:32633", transform=rasterio.Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000),
        tiled=True, blockxsize=BLOCK, blockysize=BLOCK, bigtiff="IF_SAFER", **more,
    )  # fmt: skip


def _strip(top: int, width: int) -> NDArray[np.uint8]:
    """One row of blocks; any part of it is the same whatever the width."""
    return np.concatenate(list(_blocks(top, width)), axis=2)[:, :, :width]


def _blocks(top: int, width: int) -> Iterator[NDArray[np.uint8]]:
    for left in range(0, width, BLOCK):
        rng = np.random.default_rng([top, left])
        pixels = rng.integers(70, 86, (3, BLOCK, BLOCK), dtype=np.uint8)
        for corner in np.ndindex(BLOCK // 64, BLOCK // 64):
            (row, col), (high, wide) = rng.integers(4, 24, 2), rng.integers(12, 36, 2)
            row, col = row + 64 * corner[0], col + 64 * corner[1]
            pixels[:, row : row + high, col : col + wide] += np.uint8(120)
        yield pixels
