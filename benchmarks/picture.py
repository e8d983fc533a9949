"""Draw the README's picture: a sample town beside the footprints found in it.

python benchmarks/picture.py demo/town.tif demo/buildings.gpkg docs/images/result.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.features import rasterize
from rasterio.windows import Window

EDGE = 560
PALE, SURE, ODD = (158, 202, 225), (8, 69, 148), (230, 120, 40)


def main(raster: Path, footprints: Path, out: Path) -> None:
    """Write image and map side by side."""
    with rasterio.open(raster) as file:
        window = Window((file.width - EDGE) // 2, (file.height - EDGE) // 2, EDGE, EDGE)
        image = np.moveaxis(file.read((1, 2, 3), window=window), 0, -1)
        transform = file.window_transform(window)
    table = geopandas.read_file(footprints, layer="buildings")
    drawn = draw(image.astype(float), table, transform)
    both = np.concatenate([image, np.full((EDGE, 6, 3), 255, np.uint8), drawn], axis=1)
    with rasterio.open(
        out, "w", driver="JPEG", height=both.shape[0], width=both.shape[1], count=3, dtype="uint8",
        quality=88,
    ) as file:  # fmt: skip
        file.write(np.moveaxis(both, -1, 0))
    out.with_name(out.name + ".aux.xml").unlink(missing_ok=True)


def draw(image: np.ndarray, table: geopandas.GeoDataFrame, transform: object) -> np.ndarray:
    """Return the image, paler, with the footprints over it."""
    canvas = image * 0.75 + 60
    for row in table.itertuples():
        share = np.clip((row.confidence - 0.5) / 0.5, 0, 1)
        colour = np.array(ODD if row.review else PALE) * (1 - share) + np.array(SURE) * share
        colour = np.array(ODD) if row.review else colour
        for geometry, strength in ((row.geometry, 0.55), (row.geometry.boundary, 1.0)):
            inside = rasterize([geometry], canvas.shape[:2], transform=transform) == 1
            canvas[inside] = canvas[inside] * (1 - strength) + colour * strength
    return canvas.clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
