"""Files of embeddings whose groups are known: blobs, laid out as squares, each with its picture."""

from __future__ import annotations

import json
from io import BytesIO
from zipfile import ZipFile

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
from PIL import Image
from pyarrow import parquet

EDGE = 30.0
"""Metres."""


def write_embeddings(path, *, count=120, groups=3, width=16, seed=1, pictures=True, crs=32633):
    """Write `count` items of some groups in a square of tiles; return the group of each.

    Item i has the id 1000 + i; a picture's ground has 2 i of red and green, which tells it.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, groups, count)
    centres = 3 * rng.normal(size=(groups, width))
    vectors = (centres[truth] + rng.normal(size=(count, width))).astype(np.float32)
    side = int(np.ceil(np.sqrt(count)))
    col, row = np.arange(count) % side, np.arange(count) // side
    left, top = 512_000 + EDGE * col, 5_403_000 - EDGE * row
    frame = gpd.GeoDataFrame(
        {
            "id": 1000 + np.arange(count),
            "change": (truth == 0) * 0.5 + 0.4 * rng.random(count),
            "source": [f"scene {at}.tif" for at in row % 3],
            "thumbnail": [f"{at}.jpg" for at in range(count)],
        },
        geometry=shapely.box(left, top - EDGE, left + EDGE, top),
        crs=crs,
    )
    write_table(path, frame, vectors)
    if pictures:
        with ZipFile(path.with_name(f"{path.stem}.thumbnails.zip"), "w") as file:
            for at in range(count):
                file.writestr(f"{at}.jpg", _picture(at, int(truth[at])))
    return truth


def write_table(path, frame, vectors, ring=None):
    """Write a table with its vectors as `geounet embed` does."""
    held = BytesIO()
    frame.to_parquet(held)
    table = parquet.read_table(held)
    lists = pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
    table = table.append_column("embedding", lists)
    if ring is not None:
        lists = pa.FixedSizeListArray.from_arrays(ring.ravel(), ring.shape[1])
        table = table.append_column("ring", lists)
    metadata = {**table.schema.metadata, b"geounet": json.dumps({"model": "m"}).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), path)


def _picture(number, group):
    """Draw stripes that tell the group, on a ground that tells the number."""
    pixels = np.full((64, 64, 3), (2 * number % 256, 2 * number % 256, 90), np.uint8)
    stripes = np.indices((64, 64))[group % 2] // (4 + 4 * group) % 2 == 0
    pixels[16:48, 16:48][stripes[16:48, 16:48]] = 250
    held = BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=90)
    return held.getvalue()
