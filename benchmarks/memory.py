"""Peak memory of the walk over wider and wider rasters: at first it grows, then it is flat.

    python benchmarks/memory.py --folder CACHE [--widths 4096 8192 16384 32768] [--height 2048]
    python benchmarks/memory.py --folder CACHE --sparse 100000
    python benchmarks/memory.py --folder CACHE --sparse 100000 --model buildings
    python benchmarks/memory.py --folder CACHE --source MOSAIC.tif --model buildings

The model is one 1 × 1 convolution unless `--model` names another. Each raster is predicted to
outlines and probability in a process of its own. The bar is 20 KB for each column up to 16,384
above what the libraries hold, and no more beyond that. With `--source` the raster is a real one,
repeated to so many pixels of height and to the largest of them in width, predicted as a user's
first command would; memory should not grow with the height.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from contestants import Job
from imagery import pointwise, repeated, scene, sparse
from pipeline import machine, measure

BAND = 16_384
BAR = 20_000


def main() -> None:
    """Measure; print one JSON line a raster, then a table."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(machine()))
    if options.source:
        wide = max(options.size)
        rasters = {
            high: repeated(options.folder, options.source, high, wide) for high in options.size
        }
    elif options.sparse:
        rasters = {options.sparse: sparse(options.folder, options.sparse)}
    else:
        rasters = {w: scene(options.folder, options.height, w) for w in options.widths}
    null = options.model == "pointwise"
    model = str(pointwise(options.folder)) if null else options.model
    lines = []
    for width, raster in rasters.items():
        with tempfile.TemporaryDirectory(dir=options.folder) as out:
            job = Job(
                raster=str(raster), model=model, blend="hann", tile=512, halo=64, threads=1,
                bare=null and not options.sparse, folder=out,
            )  # fmt: skip
            found = measure("geounet-default" if options.source else "geounet-all", job)
        print(json.dumps({"raster": raster.name} | found), flush=True)
        bar = "–" if options.source else f"{BAR * min(width, BAND) / 1e6:.0f}"
        lines.append(
            f"| {width} | {found['mb']:.0f} | {bar} | {found['peak_mb']:.0f} "
            f"| {found['cpu']:.1f} | {found['wall']:.1f} |"
        )
    print("\n| size | MB above imports | bar | MB in all | cpu s | wall s |")
    print("|---:|---:|---:|---:|---:|---:|", *lines, sep="\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the rasters")
    parser.add_argument("--widths", type=int, nargs="+", default=[4096, 8192, 16384, 32768])
    parser.add_argument("--height", type=int, default=2048)
    parser.add_argument("--sparse", type=int, default=0, help="a square raster of nearly nothing")
    parser.add_argument("--source", type=Path, help="a real raster, to be repeated")
    parser.add_argument("--size", type=int, nargs="+", default=[10_000, 20_000], help="of --source")
    parser.add_argument("--model", default="pointwise", help="or a bundled name")
    return parser.parse_args()


if __name__ == "__main__":
    main()
