"""Is tiled inference what one untiled pass gives? Two bars, on real images, in fp32 on a CPU.

    python benchmarks/exactness.py tiles RASTER --size 3000
    python benchmarks/exactness.py seams DATA --network smp:Unet/resnet34 --steps 200

`tiles`: a raster, cut or mirrored to a square, is predicted with five tile sizes and with one tile
that holds it whole; probabilities, the uint8 raster and the polygons are compared. `seams`: a
network with a field too far to cover, with random weights or briefly trained ones, is measured on
training images; the halo that its card then takes is verified on test images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window

import geounet
from geounet.card import ModelCard
from geounet.halo import EXACT, tolerated
from geounet.model import Segmenter
from geounet.networks.field import receptive_field
from geounet.networks.memory import bytes_per_pixel
from geounet.networks.registry import build, total_stride
from geounet.options import PredictOptions
from geounet.plan import PlanOptions
from geounet.prepare import prepared
from geounet.quantise import quantise
from geounet.rows import mirrored
from geounet.training.dataset import load_sheets, read_manifest
from geounet.training.finish import with_seams
from geounet.training.fit import FitOptions, fit
from geounet.training.recipes import recipe
from geounet.verify import untiled, verify

TILES = (320, 512, 768, 1024, 1696)
GRID = Affine(0.3, 0, 500_000, 0, -0.3, 20_000)


def main() -> None:
    """Measure one of the two bars and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bar", choices=("tiles", "seams"))
    parser.add_argument("source", type=Path, help="a raster, or the folder of the data")
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--model", default="buildings")
    parser.add_argument("--manifest", type=Path, default=Path("docs/models/buildings.toml"))
    parser.add_argument("--network", default="smp:Unet/resnet34")
    parser.add_argument("--steps", type=int, default=0, help="of training; 0 = random weights")
    parser.add_argument("--images", type=int, default=6, help="test images to verify")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure = tiles if options.bar == "tiles" else seams
        measure(options, Path(folder))


def tiles(options: argparse.Namespace, folder: Path) -> None:
    """Predict one raster with each tile and with one tile for all."""
    with rasterio.open(options.source) as file:
        image = file.read((1, 2, 3))
    at = [mirrored(0, options.size, extent, 0) for extent in image.shape[1:]]
    raster = written(folder / "raster.tif", image[:, at[0]][:, :, at[1]])
    whole = -(-options.size // 32) * 32 + 2 * 96
    q, shapes = products(raster, folder, options.model, whole)
    plain = one_pass(raster, options.model)
    assert (quantise(plain) == q).all()
    scaled = 254 * plain.astype(np.float64) + 2**-10
    edge = np.abs(scaled - np.round(scaled)) <= 254 * EXACT
    for tile in TILES:
        started = time.process_time()
        found, polygons = products(raster, folder, options.model, tile)
        line = {
            "tile": tile,
            "max_difference": float(np.abs(walked(raster, options.model, tile) - plain).max()),
            "uint8_differs": int((found != q).sum()),
            "uint8_differs_off_a_step": int(((found != q) & ~edge).sum()),
            "polygons": len(shapes),
            "polygons_differ": len(shapes ^ polygons),
            "cpu_seconds": round(time.process_time() - started, 1),
        }
        print(json.dumps(line), flush=True)


def products(raster: Path, folder: Path, model: str, tile: int) -> tuple[np.ndarray, set[bytes]]:
    """The uint8 raster and the polygons of a prediction."""
    out, side = folder / "out.gpkg", folder / "out.tif"
    chosen = replace(asked(model, tile), probability=side, min_area=0.0, overwrite=True)
    geounet.predict(raster, out, chosen)
    with rasterio.open(side) as file:
        q = file.read()
    return q, set(geopandas.read_file(out, layer="buildings").geometry.to_wkb())


def one_pass(raster: Path, model: str) -> np.ndarray:
    """The probability of one pass over everything."""
    with prepared(raster, asked(model, TILES[1])) as walk:
        height, width = walk.plan.grid.shape
        return untiled(walk, Window(0, 0, width, height))[0]


def walked(raster: Path, model: str, tile: int) -> np.ndarray:
    """The probability that the walk gives, before it is quantised."""
    with prepared(raster, asked(model, tile)) as walk:
        out = np.empty((walk.plan.classes, *walk.plan.grid.shape), np.float32)
        for sums in walk.everything():
            cell, p = sums.probability()
            out[(slice(None), *cell.core.toslices())] = p
    return out


def asked(model: str | Segmenter, tile: int | str) -> PredictOptions:
    """Options that leave the grid alone."""
    plan = PlanOptions(tile=tile)
    engine = {"backend": "torch", "precision": "fp32", "device": "cpu"}
    return PredictOptions(model=model, plan=plan, gsd="native", outline="pixel", **engine)


def seams(options: argparse.Namespace, folder: Path) -> None:
    """Measure a network on training images, and verify its halo on test images."""
    torch.manual_seed(0)
    sheets = list(load_sheets(options.source, read_manifest(options.manifest)))
    segmenter = trained(options, sheets, folder) if options.steps else fresh(options.network)
    segmenter = with_seams(segmenter, [sheet for sheet in sheets if sheet.split == "train"])
    card = segmenter.card
    facts = {"network": card.network, "steps": options.steps, "field": card.receptive_field}
    print(json.dumps(facts | {"seams": card.seams, "halo": tolerated(card)}), flush=True)
    tests = [sheet for sheet in sheets if sheet.split != "train"]
    for sheet in tests[:: max(len(tests) // options.images, 1)][: options.images]:
        raster = written(folder / f"{sheet.name}.tif", sheet.image)
        verdict = verify(raster, asked(segmenter, "auto"))
        print(json.dumps({"image": sheet.name, "place": sheet.place} | verdict.as_dict()))


def fresh(network: str) -> Segmenter:
    """A network with random weights."""
    module = build(network, {}).eval()
    card = ModelCard(
        name="random",
        network=network,
        stride=total_stride(module),
        receptive_field=receptive_field(module, 3),
        bytes_per_pixel=bytes_per_pixel(module, 3),
    )
    return Segmenter(card, module)


def trained(options: argparse.Namespace, sheets: list, folder: Path) -> Segmenter:
    """The same after a few steps of the usual recipe."""
    usual = recipe("buildings")
    chosen = replace(usual, network=options.network, network_options={}, steps=options.steps)
    return fit(sheets, chosen, folder / "m.safetensors", FitOptions(validate_every=10**9))


def written(path: Path, image: np.ndarray) -> Path:
    """Write pixels as a GeoTIFF at 0.3 m."""
    with rasterio.open(
        path, "w", driver="GTiff", height=image.shape[1], width=image.shape[2], count=3,
        dtype="uint8", crs="EPSG:32631", transform=GRID, tiled=True,
    ) as file:  # fmt: skip
        file.write(image[:3])
    return path


if __name__ == "__main__":
    warnings.simplefilter("ignore", geounet.GeounetWarning)
    main()
