"""Run lengths: speed against pycocotools on one row-major mask, memory on one of any size.

    python benchmarks/rle.py speed [--size 4096]
    python benchmarks/rle.py memory [--size 30000] [--buildings 100000]

CPU seconds, best of several interleaved rounds. pycocotools wants columns contiguous, so its times
include np.asfortranarray, and np.ascontiguousarray where a row-major mask is wanted back.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
CELL = 90
"""Pixels between the corners of buildings, at most 60 × 60 each, on a grid with gaps."""


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "memory", "paint", "command"))
    parser.add_argument("words", nargs="*")
    parser.add_argument("--size", type=int)
    parser.add_argument("--buildings", type=int, default=100_000)
    asked = parser.parse_args()
    if asked.what == "speed":
        speed(asked.size or 4096)
    elif asked.what == "memory":
        memory(asked.size or 30_000, asked.buildings)
    elif asked.what == "paint":
        paint(Path(asked.words[0]), asked.size, asked.buildings)
    else:
        command(asked.words)


def speed(size: int) -> None:
    """Print times and ratios."""
    from pycocotools import mask as coco  # noqa: PLC0415  only here

    from geounet.rle import compress, decode, decompress, encode  # noqa: PLC0415

    mask = town(size, size, size * size // CELL**2)
    theirs = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    text = theirs["counts"].decode()
    assert compress(encode(mask)) == text
    contenders: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "encode, mask in rows": (
            lambda: compress(encode(mask)),
            lambda: coco.encode(np.asfortranarray(mask.view(np.uint8))),
        ),
        "decode to a mask in rows": (
            lambda: decode(decompress(text, mask.shape), row_major=True),
            lambda: np.ascontiguousarray(coco.decode(theirs)),
        ),
        "decode to a mask in columns": (
            lambda: decode(decompress(text, mask.shape)),
            lambda: coco.decode(theirs),
        ),
    }
    for ours, reference in contenders.values():
        assert np.array_equal(ours(), reference()) or isinstance(ours(), str)
    print(f"{size}², {len(text):,} characters, {platform.machine()}, numpy {np.__version__}")
    for name, pair in contenders.items():
        best = [min(times) for times in zip(*(map(cpu, pair) for _ in range(ROUNDS)), strict=True)]
        ours, reference = (1000 * seconds for seconds in best)
        print(f"{name:28} {ours:7.1f} ms, pycocotools {reference:7.1f} ms: "
              f"{reference / ours:.1f} × as fast")  # fmt: skip


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of a piece of work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def town(height: int, width: int, count: int, seed: int = 0) -> np.ndarray:
    """Return a mask of parallelograms on a grid, rows contiguous."""
    rng, mask = np.random.default_rng(seed), np.zeros((height, width), np.bool_)
    grid = [(row, col) for row in range(0, height - CELL, CELL)
            for col in range(CELL // 2, width - CELL, CELL)]  # fmt: skip
    for at in rng.permutation(len(grid))[:count]:
        row, col = grid[at]
        tall, wide = rng.integers(20, 60, 2)
        slant = rng.uniform(-0.4, 0.4)
        for line in range(tall):
            left = int(col + slant * line)
            mask[row + line, left : left + wide] = True
    return mask


def paint(path: Path, size: int, buildings: int) -> None:
    """Write a mask of many buildings, strip by strip."""
    strip = CELL * 11
    strips = -(-size // strip)
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=1, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", zlevel=1, crs="EPSG:32633",
        transform=rasterio.Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000),
    ) as out:  # fmt: skip
        for number in range(strips):
            top = number * strip
            rows = min(strip, size - top)
            mask = town(rows, size, -(-buildings // strips), seed=number)
            out.write(mask.view(np.uint8), 1, window=Window(0, top, size, rows))


def command(words: list[str]) -> None:
    """Run one command of ours and print its peak memory and time."""
    from geounet.cli.main import main as geounet  # noqa: PLC0415  counted where it is used

    started = time.process_time()
    code = geounet(words)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {"peak_mb": used.ru_maxrss // 1024, "cpu_s": round(time.process_time() - started, 1)}
    print(json.dumps({"code": code, **figures}))


def memory(size: int, buildings: int) -> None:
    """Encode and decode a large mask in processes of their own; print peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        mask = place / "images" / "mask.tif"
        mask.parent.mkdir()
        run("paint", str(mask), f"--size={size}", f"--buildings={buildings}")
        print(f"{size}² with about {buildings:,} buildings")
        for kind in ("json", "csv"):
            runs, back = place / f"mask.{kind}", place / f"{kind}.tif"
            print(f"encode to .{kind:5}", run("command", "rle", "encode", str(mask), "--", "-o",
                  str(runs)), f"{runs.stat().st_size / 1e6:.0f} MB")  # fmt: skip
            print(f"decode .{kind:8}", run("command", "rle", "decode", str(runs), "--", "-o",
                  str(back), "--images", str(mask.parent)))  # fmt: skip
            print("equal:", equal(mask, back))


def run(*words: str) -> str:
    """Run this script in a process of its own; return its last line."""
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, capture_output=True, text=True
    )
    return (done.stdout.splitlines() or [""])[-1]


def equal(one: Path, other: Path) -> bool:
    """Compare two rasters strip by strip, in little memory: a child inherits its parent's peak."""
    with (
        rasterio.Env(GDAL_CACHEMAX=32),
        rasterio.open(one) as left,
        rasterio.open(other) as right,
    ):
        windows = [Window(0, row, left.width, min(512, left.height - row))
                   for row in range(0, left.height, 512)]  # fmt: skip
        return all(
            np.array_equal(left.read(1, window=each), right.read(1, window=each))
            for each in windows
        )


if __name__ == "__main__":
    main()
