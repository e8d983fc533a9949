"""Peers beside us, in one interleaved run: who needs how much CPU, time and memory.

    python benchmarks/peers --prepare --environments FOLDER
    python benchmarks/peers --mode null --environments FOLDER
    python benchmarks/peers --mode polygons --environments FOLDER --source MOSAIC.tif

Prints one JSON line for the machine and one for each run, then a table. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from environments import PINS, prepare  # noqa: E402 - the repository's root comes first
from tables import table_of  # noqa: E402

SAMPLE = ROOT / "sample_data" / "town.tif"
SIZES = {"null": 8192, "polygons": 4096}
TILES = {"null": 512, "polygons": 1024}


def main() -> None:
    """Prepare environments, or run the contestants and print what they needed."""
    options = parse()
    options.environments.mkdir(parents=True, exist_ok=True)
    if options.prepare:
        for peer in options.only or PINS:
            print(f"{peer}: {prepare(options.environments, peer) or 'ready'}", flush=True)
        return
    from race import Race  # noqa: PLC0415 - torch, which --help can do without

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        lines = []
        for line in Race(options, Path(folder)).lines():
            lines.append(line)
            text = json.dumps(line)
            print(text, flush=True)
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(text + "\n")
    print(f"\n{table_of(lines, f'peers {options.mode}')}")


def parse() -> argparse.Namespace:
    """Return what was asked for, defaults settled."""
    parser = argparse.ArgumentParser(
        prog="peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--mode", choices=sorted(SIZES), help="null: the pipeline alone; polygons: the whole job")
    add("--prepare", action="store_true", help="install the peers instead")
    add("--environments", type=Path, required=True, help="folder of the peers' environments")
    add("--only", nargs="+", metavar="NAME", help="these contestants alone; ours always run")
    add("--size", type=int, help=f"edge of the raster, pixels {SIZES}")
    add("--tile", type=int, nargs="+", help=f"edges of the peers' tiles, pixels {TILES}")
    add("--batch", type=int, nargs="+", default=[1, 4], help="the peers' batch sizes [1 4]")
    add("--threads", type=int, default=1, help="of the network, the same for all [1]")
    add("--rounds", type=int, default=3, help="every contestant runs once a round [3]")
    add("--model", default="buildings", help="polygons: name, file, or smp:Unet/resnet34")
    add("--source", type=Path, default=SAMPLE, help="polygons: RGB raster, mirrored to the size")
    add("--ours", action="append", default=[], metavar="=FLAGS",
        help="polygons: one more row of ours, such as --ours='--backend openvino'")  # fmt: skip
    add("--mallopt", action="store_true", help="glibc keeps large buffers, for all alike")
    add("--limit", type=int, default=3600, help="seconds a run may take [3600]")
    add("--folder", type=Path, help="where rasters and results live while it runs")
    add("--json", type=Path, help="add the JSON lines to this file")
    options = parser.parse_args()
    if not (options.mode or options.prepare):
        parser.error("say --mode null, --mode polygons or --prepare")
    unknown = {*(options.only or ())} - {*PINS, "naive"}
    if unknown:
        parser.error(f"unknown contestant {min(unknown)}; known: {', '.join(PINS)}, naive")
    if not options.source.is_file():
        parser.error(f"no such raster: {options.source}; leave --source out for the sample scene")
    options.size = options.size or SIZES.get(options.mode)
    options.tile = options.tile or [TILES.get(options.mode)]
    return options


if __name__ == "__main__":
    main()
