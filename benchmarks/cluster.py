"""Shards and clusters against one process: the same bytes, and what spreading costs.

    python benchmarks/cluster.py shards [--size 1500] [--shards 3] [--model buildings]
    python benchmarks/cluster.py workers [--size 1500] [--workers 2] [--rounds 10] [--seed 1]

`shards` runs the installed command once as it is, then each shard in a process of its own and the
merge, and compares all outputs. `workers` starts processes of Dask, and in each round kills one of
them with SIGKILL at a random moment while they infer the shares of a scene; what comes out is
compared with one process's. Rasters and run lengths are compared byte by byte, packages table by
table. It ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import machine

from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict

if TYPE_CHECKING:
    from distributed import Client

GEOUNET = Path(sys.executable).with_name("geounet")
TILE, HALO = 480, 96
SIDES = {"probability": "p.tif", "mask": "m.tif", "rle": "r.json"}


def contents(folder: Path) -> dict[str, Any]:
    """Return what can be compared of a folder's outputs."""
    found: dict[str, Any] = {}
    for name in ("o.gpkg", *SIDES.values()):
        if not name.endswith(".gpkg"):
            found[name] = (folder / name).read_bytes()
            continue
        with closing(sqlite3.connect(folder / name)) as file:
            every = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in every:
                if not table.startswith("rtree_"):
                    rows = file.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
                    found[f"{name} {table}"] = rows
    return found


def sample(folder: Path, size: int) -> Path:
    """Draw a town."""
    words = ["sample", str(folder), "--size", str(size), "--seed", "7", "-f"]
    subprocess.run([GEOUNET, *words], check=True, capture_output=True)
    return folder / "town.tif"


def run(*words: str) -> float:
    """Run the command; return its CPU seconds, with those of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([GEOUNET, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sides(folder: Path) -> list[str]:
    """Return the options of all outputs of pixels."""
    return [word for side, name in SIDES.items() for word in (f"--{side}", str(folder / name))]


def shards(folder: Path, options: argparse.Namespace) -> bool:
    """Compare shards and merge with one process."""
    raster = str(sample(folder, options.size))
    whole, parts = folder / "whole", folder / "parts"
    whole.mkdir()
    parts.mkdir()
    asked = ["-m", options.model, "--tile", str(TILE), "--halo", str(HALO), "--threads", "1", "-q"]
    alone = run("predict", raster, "-o", str(whole / "o.gpkg"), *sides(whole), *asked)
    out = str(parts / "o.gpkg")
    each = [
        run("predict", raster, "-o", out, *sides(parts), *asked, "--shard", f"{i}/{options.shards}")
        for i in range(1, options.shards + 1)
    ]
    merged = run("merge", out, "-o", out, *sides(parts), "-q")
    same = contents(whole) == contents(parts)
    spent = {"one_process": alone, "shards": sum(each), "merge": merged}
    size = sum(path.stat().st_size for path in (parts / "o.gpkg.parts").iterdir())
    told = {name: round(seconds, 1) for name, seconds in spent.items()}
    print(json.dumps({"same": same, "cpu_seconds": told, "parts_bytes": size}))
    return same


def kill(client: Client, dice: random.Random, within: float, said: list[int]) -> None:
    """Kill one worker at a random moment."""
    time.sleep(dice.uniform(0.1, within))
    said.append(dice.choice(list(client.run(os.getpid).values())))
    os.kill(said[0], signal.SIGKILL)


def workers(folder: Path, options: argparse.Namespace) -> bool:
    """Compare a cluster whose workers are killed with one process."""
    from geounet.fleet.cluster import Cluster, connected  # noqa: PLC0415
    from geounet.fleet.crew import Crew  # noqa: PLC0415

    raster, dice = sample(folder, options.size), random.Random(options.seed)  # noqa: S311
    plan = PlanOptions(tile=TILE, halo=HALO)

    def asked(place: Path) -> PredictOptions:
        place.mkdir()
        named = {side: place / name for side, name in SIDES.items()}
        return PredictOptions(model=options.model, threads=1, plan=plan, **named)

    started = time.perf_counter()
    predict(raster, folder / "whole" / "o.gpkg", asked(folder / "whole"))
    alone, equal = time.perf_counter() - started, 0
    expected = contents(folder / "whole")
    with connected(Cluster(workers=options.workers)) as client:
        crew = Crew(client, share_pixels=options.size**2 // (3 * options.workers))
        for at in range(options.rounds):
            place, said = folder / f"round{at}", list[int]()
            words = asked(place)
            thread = threading.Thread(target=partial(kill, client, dice, alone, said))
            thread.start()
            started = time.perf_counter()
            crew.predict(str(raster), place / "o.gpkg", words)
            seconds = round(time.perf_counter() - started, 1)
            thread.join()
            same = contents(place) == expected
            left = sorted(path.name for path in place.iterdir())
            equal += same
            told = {"round": at + 1, "killed": said[0], "same": same, "seconds": seconds}
            print(json.dumps(told | {"left": left}), flush=True)
            client.wait_for_workers(options.workers)
            shutil.rmtree(place)
    print(json.dumps({"equal": f"{equal} of {options.rounds}", "alone_seconds": round(alone, 1)}))
    return equal == options.rounds


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["shards", "workers"])
    parser.add_argument("--size", type=int, default=1500)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="buildings")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(machine()))
    with tempfile.TemporaryDirectory() as folder:
        done = {"shards": shards, "workers": workers}[options.what](Path(folder), options)
    sys.exit(not done)


if __name__ == "__main__":
    main()
