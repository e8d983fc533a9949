"""How long matching takes, and what comparing a large raster costs.

    python benchmarks/evaluation.py match --count 50000
    python benchmarks/evaluation.py raster --size 30000

Each prints one JSON line; times are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.windows import Window

from geounet.evaluation.objects import IOUS, average_precision, overlaps
from geounet.evaluation.shapes import angle_error, c_iou, n_ratio, polis

GRID = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": "EPSG:32633", "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "zlevel": 1,
        "transform": Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)}  # fmt: skip


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["match", "raster"])
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=30_000)
    asked = parser.parse_args()
    print(json.dumps(matching(asked.count) if asked.what == "match" else raster(asked.size)))


def town(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotated houses on a grid, the same seen with errors, and how sure each is."""
    rng = np.random.default_rng(0)
    places = np.stack(np.divmod(np.arange(count), int(np.sqrt(count)) + 1), axis=1) * 30.0
    size, angle = rng.uniform(8, 20, (count, 2)), rng.uniform(0, np.pi, count)
    seen = size * rng.uniform(0.8, 1.2, (count, 2))
    noise = rng.normal(0, 2, (count, 2))
    truth = houses(places, size, angle)
    return (
        houses(places + noise, seen, angle + rng.normal(0, 0.05, count)),
        truth,
        rng.random(count),
    )


def houses(places: np.ndarray, size: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return rectangles."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2
    local = corners * size[:, None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = local[..., 0] * cos - local[..., 1] * sin, local[..., 0] * sin + local[..., 1] * cos
    return shapely.polygons(np.stack([x, y], axis=2) + places[:, None])


def matching(count: int) -> dict[str, float]:
    """Seconds to match as many polygons, to score them at ten thresholds, to measure pairs."""
    ours, theirs, scores = town(count)
    started = time.process_time()
    pairs = overlaps(ours, theirs)
    found = pairs.score()
    matched = time.process_time() - started
    started = time.process_time()
    for threshold in IOUS:
        average_precision(pairs.assign(threshold, scores) >= 0, scores, count)
    scored = time.process_time() - started
    taken = pairs.assign(0.5)
    mine, true = ours[taken >= 0], theirs[taken[taken >= 0]]
    started = time.process_time()
    for measure in (polis, n_ratio, angle_error):
        measure(mine, true)
    c_iou(np.ones(len(mine)), mine, true)
    shaped = time.process_time() - started
    return {
        "polygons": count, "f1": round(found.f1, 4), "match_s": round(matched, 2),
        "average_precision_s": round(scored, 2), "shapes_s": round(shaped, 2),
    }  # fmt: skip


def raster(size: int) -> dict[str, float]:
    """Seconds and memory of a report on two masks of a size with many houses."""
    from geounet.evaluate import evaluate  # noqa: PLC0415 - what it imports is counted apart

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("found.tif", "truth.tif")]
        for path, shift in zip(paths, (3, 0), strict=True):
            write(path, size, shift)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        said = evaluate(*paths, Path(folder, "out"))
        spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "size": size, "objects": said["objects"]["truth"], "cpu_s": round(spent, 1),
        "mpix_per_cpu_s": round(size**2 / 1e6 / spent, 1), "before_mb": before // 1024,
        "peak_mb": peak // 1024,
    }  # fmt: skip


def write(path: Path, size: int, shift: int) -> None:
    """Write a mask strip by strip: a house of 40 by 50 pixels in every square of 100."""
    cell = np.zeros((100, 100), np.uint8)
    cell[20:60, 20 + shift : 70 + shift] = 1
    strip = np.tile(cell, (1, -(-size // 100)))[:, :size]
    strip = np.tile(strip, (6, 1))
    with rasterio.open(path, "w", height=size, width=size, **GRID) as file:
        for row in range(0, size, 600):
            height = min(600, size - row)
            file.write(strip[:height], 1, window=Window(0, row, size, height))


if __name__ == "__main__":
    main()
