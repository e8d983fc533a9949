"""What `geounet plan` tells against what `geounet predict` then takes: time, memory, disk, tiles.

    python benchmarks/forecast.py [--sizes 2048 4096] [--folder benchmarks/cache] [--threads 1]

Each raster is a sample town of that size: whole, a third nodata, resampled, with a COG beside.
Plan and run follow each other as processes of their own; CPU seconds stand beside the wall, since a
machine that does other things makes both walls longer, and not alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import rasterio

GEOUNET = Path(sys.executable).with_name("geounet")


def rasters(folder: Path, size: int) -> dict[str, tuple[Path, list[str]]]:
    """Return rasters to plan and run, with further words."""
    town = folder / f"town{size}" / "town.tif"
    if not town.exists():
        subprocess.run([GEOUNET, "sample", town.parent, "--size", str(size)], check=True)
    part = town.with_name("part.tif")
    if not part.exists():
        with rasterio.open(town) as source:
            pixels = source.read()
            pixels[:, : size // 3] = 0
            profile = source.profile | {"nodata": 0, "driver": "GTiff", "tiled": True}
            with rasterio.open(part, "w", **profile) as target:
                target.write(pixels)
    return {
        f"town {size}": (town, []),
        f"a third nodata {size}": (part, []),
        f"resampled {size}": (town, ["--gsd", "0.45"]),
        f"with a COG {size}": (town, ["--probability", str(folder / "p.tif")]),
    }


def run(words: list[str]) -> tuple[dict[str, Any], float, float]:
    """Run a command; return its JSON, its wall and its CPU seconds."""
    started, before = time.perf_counter(), os.times()
    done = subprocess.run([GEOUNET, *words], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system
    return json.loads(done.stdout), wall, cpu - before.children_user - before.children_system


def on_disk(out: list[str]) -> int:
    """Bytes of the outputs."""
    return sum(Path(path).stat().st_size for path in out)


def main() -> None:
    """Print a line of JSON a raster."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/cache"))
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    threads = ["--threads", str(asked.threads)] if asked.threads else []
    for size in asked.sizes:
        for name, (raster, more) in rasters(asked.folder, size).items():
            words = [str(raster), "-o", str(asked.folder / "o.gpkg"), "-f", "--json", "-q"]
            planned, took, _ = run(["plan", *words, *more, *threads])
            made, wall, cpu = run(["predict", *words, *more, *threads])
            (scene,) = planned["scenes"]
            total = made["seconds"]["total"]
            print(
                json.dumps({
                    "raster": name, "plan_took_s": round(took, 1),
                    "planned_s": round(scene["seconds"], 1), "total_s": round(total, 1),
                    "wall_s": round(wall, 1), "cpu_s": round(cpu, 1),
                    "time_ratio": round(scene["seconds"] / total, 2),
                    "memory_ratio": round(scene["memory_bytes"] / made["peak_memory_bytes"], 2),
                    "planned_disk_mb": round(scene["disk_bytes"] / 1e6, 2),
                    "disk_mb": round(on_disk(made["out"]) / 1e6, 2),
                    "tiles": [scene["tiles"], made["tiles"] + made["tiles_skipped"]],
                    "skipped": [scene["tiles_skipped"], made["tiles_skipped"]],
                }),
                flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
