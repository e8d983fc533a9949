"""Time and exactness of every engine on one model: CPU and wall per tile, memory, difference.

    python benchmarks/backends.py --model buildings --tile 1024 --batch 1 2 --rounds 3

Each contender runs in a process of its own, in rounds that take turns, on the same picture: the
sample town repeated to the size of a tile. Differences are against torch in fp32, not folded.
One JSON line a run, then a table with the medians of CPU and wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

from geounet.backends.engine import Engine, installed, make_step
from geounet.backends.machine import cpu_flags, cpu_name, engine_versions
from geounet.backends.probe import apart
from geounet.model import open_model

SAMPLE = Path(__file__).parents[1] / "sample_data" / "town.tif"
PLAIN = "plain"
"""Torch as a network is run without any care: eager, fp32, contiguous, nothing folded."""
CONTENDERS = (
    (PLAIN, "fp32"), ("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"),
    ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"),
)  # fmt: skip


def main() -> None:
    """Measure in rounds, print the lines and the table."""
    options = parse()
    if options.one is not None:
        print(json.dumps(measure(options)))
        return
    contenders = [each for each in CONTENDERS if each[0] == PLAIN or installed(*each)]
    contenders += [("compile", "fp32"), ("compile", "bf16")] if options.compile else []
    machine = {"cpu": cpu_name(), "flags": cpu_flags(), "threads": options.threads}
    print(json.dumps(machine | engine_versions() | {"load": os.getloadavg()[0]}))
    with tempfile.TemporaryDirectory() as folder:
        found = [
            run(options, Path(folder), *contender, batch)
            for _ in range(options.rounds)
            for batch in options.batch
            for contender in contenders
        ]
    table(found)


def parse() -> argparse.Namespace:
    """Return the options; `--one` makes a process measure one contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="buildings")
    parser.add_argument("--source", type=Path, default=SAMPLE)
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiles", type=int, default=4, help="batches that are timed in a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="also torch.compile (minutes)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--maps", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(
    options: argparse.Namespace, folder: Path, backend: str, precision: str, batch: int
) -> dict[str, object]:
    """Measure one contender in a new process; print and return what it found."""
    words = ["--model", options.model, "--source", options.source, "--tile", options.tile,
             "--batch", batch, "--tiles", options.tiles, "--threads", options.threads,
             "--one", backend, precision, "--maps", folder]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(
        [sys.executable, __file__, *map(str, words)],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found), flush=True)
    return found


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Run one contender on one batch, over and over."""
    backend, precision = options.one
    model = open_model(options.model)
    pixels = np.repeat(picture(options.source, options.tile)[None], options.batch[0], 0)
    valid = np.ones((len(pixels), options.tile, options.tile), bool)
    if backend == PLAIN:
        step = plain(model, options.threads)
    else:
        engine = Engine(backend=backend, precision=precision, threads=options.threads)
        step = make_step(model, engine)
    maps = step(pixels, valid)["probability"][0]
    cpu, wall = [], []
    for _ in range(options.tiles):
        before = time.process_time(), time.perf_counter()
        step(pixels, valid)
        cpu.append((time.process_time() - before[0]) * 1000 / len(pixels))
        wall.append((time.perf_counter() - before[1]) * 1000 / len(pixels))
    expected = reference(options.maps / f"{options.tile}.npy", maps)
    difference, iou = apart(expected, maps, model.card.threshold)
    return {
        "backend": backend, "precision": precision, "tile": options.tile,
        "batch": options.batch[0], "cpu_ms": min(cpu), "wall_ms": min(wall),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "largest": float(np.abs(expected - maps).max()), "p99.9": difference, "iou": iou,
    }  # fmt: skip


def plain(model, threads):  # noqa: ANN001, ANN201 - torch is imported for this contender alone
    """Return the network as its definition says, with the same scaling around it."""
    import torch  # noqa: PLC0415

    from geounet.backends.scaling import Scaling  # noqa: PLC0415

    torch.set_num_threads(threads)
    scaling = Scaling(model.card)

    def step(pixels, valid):  # noqa: ANN001, ANN202
        with torch.no_grad():
            logits = model.network(torch.from_numpy(scaling(pixels, valid)))
            return {"probability": torch.sigmoid(logits).numpy()}

    return step


def picture(source: Path, edge: int) -> np.ndarray:
    """Return the source repeated to the size of a tile."""
    with rasterio.open(source) as file:
        image = file.read((1, 2, 3))
    times = [-(-edge // extent) for extent in image.shape[1:]]
    return np.tile(image, (1, *times))[:, :edge, :edge]


def reference(path: Path, maps: np.ndarray) -> np.ndarray:
    """Return the maps of the first contender, which is the plain one."""
    if not path.exists():
        np.save(path, maps)
    expected: np.ndarray = np.load(path)
    return expected


def table(found: list[dict[str, object]]) -> None:
    """Print the medians of the rounds."""
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for each in found:
        groups.setdefault((each["backend"], each["precision"], each["batch"]), []).append(each)
    print(
        "\nengine           batch  CPU ms/tile  wall ms  times plain  peak MB  |dp| p99.9     IoU"
    )
    slowest = {}
    for (backend, precision, batch), runs in groups.items():
        cpu, wall = (statistics.median(run[key] for run in runs) for key in ("cpu_ms", "wall_ms"))
        slowest.setdefault(batch, cpu)
        print(f"{backend:<10}{precision:<7}{batch:5}{cpu:13.0f}{wall:9.0f}"
              f"{slowest[batch] / cpu:13.2f}{max(run['peak_mb'] for run in runs):9}"
              f"{max(run['p99.9'] for run in runs):12.5f}"
              f"{min(run['iou'] for run in runs):8.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
