"""How good a model is where it never saw a pixel: pixel IoU by place, polygon F1 on sample scenes.

    python benchmarks/quality.py DATA --manifest docs/models/buildings.toml --model buildings
    python benchmarks/quality.py DATA --tta flips
    python benchmarks/quality.py DATA --model otsu

Every test sheet of the manifest, and sample scenes of seeds no training draws, are written to a
raster and go through `geounet.predict` as a user's would: resampled, tiled, traced. The outlines
are then compared with the truth on the sheet's own grid.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from affine import Affine
from rasterio.features import rasterize

import geounet
from geounet.evaluation.objects import match
from geounet.evaluation.pixels import iou
from geounet.scenes import write_samples
from geounet.training.dataset import load_sheets, read_manifest

TOWNS = (9201, 9202, 9203, 9204, 9205)
TOWN_SIZE = 1024


def main() -> None:
    """Measure and print one JSON line a place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--manifest", type=Path, default=Path("docs/models/buildings.toml"))
    parser.add_argument("--model", default="buildings")
    parser.add_argument("--tta", default="none")
    options = parser.parse_args()
    chosen = geounet.PredictOptions(model=options.model, tta=options.tta)
    with tempfile.TemporaryDirectory() as folder:
        for seed in TOWNS:
            print(
                json.dumps({"scene": f"town {seed}"} | town_scores(Path(folder), seed, chosen)),
                flush=True,
            )
        if options.data:
            for place, value in places(
                options.data, options.manifest, Path(folder), chosen
            ).items():
                print(json.dumps({"place": place, "pixel_iou": round(value, 4)}), flush=True)


def town_scores(folder: Path, seed: int, options: geounet.PredictOptions) -> dict[str, float]:
    """Scores of one sample scene."""
    place = folder / str(seed)
    place.mkdir()
    write_samples(place, size=TOWN_SIZE, seed=seed)
    geounet.predict(place / "town.tif", place / "out.gpkg", options)
    truth = geopandas.read_file(place / "town_truth.gpkg")
    found = geopandas.read_file(place / "out.gpkg", layer="buildings")
    score = match(found.geometry.to_numpy(), truth.geometry.to_numpy())
    with rasterio.open(place / "town.tif") as file:
        burnt = [burn(table, file.shape, file.transform) for table in (found, truth)]
    return {
        "pixel_iou": round(iou([(burnt[0], burnt[1])]), 4),
        "f1": round(score.f1, 4),
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "buildings": len(truth),
    }


def places(
    data: Path, manifest: Path, folder: Path, options: geounet.PredictOptions
) -> dict[str, float]:
    """Pixel IoU of each place's test sheets, pixels pooled."""
    pairs = defaultdict(list)
    listing = read_manifest(manifest)
    listing.tables[:] = [table for table in listing.tables if table["split"] == "test"]
    for number, sheet in enumerate(load_sheets(data, listing)):
        raster, out = folder / f"{number}.tif", folder / f"{number}.gpkg"
        transform = Affine(sheet.gsd, 0, 500_000, 0, -sheet.gsd, 20_000)
        with rasterio.open(
            raster, "w", driver="GTiff", height=sheet.mask.shape[0], width=sheet.mask.shape[1],
            count=3, dtype="uint8", crs="EPSG:32631", transform=transform,
        ) as file:  # fmt: skip
            file.write(sheet.image)
        geounet.predict(raster, out, options)
        found = geopandas.read_file(out, layer="buildings")
        pairs[sheet.place].append((burn(found, sheet.mask.shape, transform), sheet.mask))
    return {place: iou(each) for place, each in pairs.items()}


def burn(table: geopandas.GeoDataFrame, shape: tuple[int, int], transform: Affine) -> np.ndarray:
    """Return the mask of a layer on a grid."""
    if table.empty:
        return np.zeros(shape, bool)
    return rasterize(table.geometry, shape, transform=transform, dtype="uint8").astype(bool)


if __name__ == "__main__":
    warnings.simplefilter("ignore", geounet.GeounetWarning)
    main()
