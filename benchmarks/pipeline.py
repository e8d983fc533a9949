"""What the walk costs beside the model: CPU seconds of the work against a plain block copy.

    python benchmarks/pipeline.py --folder CACHE [--size 8192] [--rounds 5] [--encoding jpeg]
    python benchmarks/pipeline.py --folder CACHE --end-to-end [--size 3072] [--rounds 3]

The model is one 1 × 1 convolution, of which every output pixel is checked; it runs as bare as can
be, unless `--step` asks for our torch step, whose scaling and layout cost more than the
convolution. The second form takes the bundled model, and compares `predict` to outlines with the
bare forward of the same tiles.
Contestants run in turn, in processes of their own, imports excluded; medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from contestants import Job
from imagery import ENCODINGS, pointwise, scene, wrong_pixels

OVERHEAD = ("read", "copy", "forward", "geounet", "geounet-all")
END_TO_END = ("forward", "geounet-vector")


def main() -> None:
    """Measure, print one JSON line a run, then the table."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(machine()))
    names = END_TO_END if options.end_to_end else OVERHEAD
    model = "buildings" if options.end_to_end else str(pointwise(options.folder))
    raster = scene(options.folder, options.size, options.size, options.encoding)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            with tempfile.TemporaryDirectory(dir=options.folder) as out:
                job = Job(
                    raster=str(raster), model=model, blend=options.blend, tile=options.tile,
                    halo=options.halo, threads=options.threads, folder=out,
                    bare=not (options.end_to_end or options.step),
                )  # fmt: skip
                found = measure(name, job)
                if name in {"geounet", "geounet-all"}:
                    found["wrong"] = wrong_pixels(raster, Path(out) / "probability.tif")
            runs[name].append(found)
            print(json.dumps({"contestant": name} | found), flush=True)
    table(runs, base="forward" if options.end_to_end else "copy")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the rasters")
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoding", choices=sorted(ENCODINGS), default="deflate")
    parser.add_argument("--blend", default="hann")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--halo", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves them")
    parser.add_argument("--step", action="store_true", help="run the model by our own torch step")
    parser.add_argument("--end-to-end", action="store_true", help="the bundled model, to outlines")
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """Return where and with what was measured."""
    return {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "rasterio": rasterio.__version__,
        "gdal": rasterio.__gdal_version__,
    }


def measure(name: str, job: Job) -> dict[str, Any]:
    """Run one contestant in a new process; return its figures."""
    script = Path(__file__).with_name("contestants.py")
    done = subprocess.run(
        [sys.executable, str(script), name, json.dumps(asdict(job))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(runs: dict[str, list[dict[str, Any]]], base: str) -> None:
    """Print the medians, and their ratio to one contestant."""

    def median(name: str, key: str) -> float:
        return statistics.median(run[key] for run in runs[name])

    print(f"\n| contestant | cpu s | × {base} | wall s | × {base} | MB above imports | wrong |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, found in runs.items():
        cpu, wall, memory = (median(name, key) for key in ("cpu", "wall", "mb"))
        shares = cpu / median(base, "cpu"), wall / median(base, "wall")
        wrong = found[0].get("wrong", "–")
        print(
            f"| {name} | {cpu:.2f} | {shares[0]:.2f} | {wall:.2f} | {shares[1]:.2f} "
            f"| {memory:.0f} | {wrong} |"
        )


if __name__ == "__main__":
    main()
