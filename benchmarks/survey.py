"""What a survey takes: memory over a thousand scenes, both cores of a machine, time a scene.

    python benchmarks/survey.py memory [--scenes 1000] [--model otsu]
    python benchmarks/survey.py cores [--raster FILE] [--gsd native] [--precision fp32]
    python benchmarks/survey.py overhead [--scenes 50] [--model buildings]

`memory` prints the peak of each hundred scenes, as Linux counts it, and the last one's share of the
first one's. `cores` prints how much of the machine one process uses for one long scene, imports
included, which says something on a machine that has nothing else to do. `overhead` prints CPU
seconds a scene that holds next to nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from geounet import PredictOptions
from geounet.survey.find import find_scenes
from geounet.survey.job import SurveyOptions, survey

GEOUNET = Path(sys.executable).with_name("geounet")
EVERY = 100
"""Scenes whose peak is taken together."""


def sample(folder: Path, size: int) -> Path:
    """Return a sample scene."""
    words = [str(GEOUNET), "sample", str(folder), "--size", str(size), "--seed", "1", "-f"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return folder / "town.tif"


def copies(folder: Path, size: int, count: int) -> Path:
    """Return a folder with a scene so many times."""
    scene, scenes = sample(folder / "sample", size), folder / "survey"
    scenes.mkdir()
    for number in range(count):
        shutil.copyfile(scene, scenes / f"{number:05d}.tif")
    return scenes


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Print the peak of each hundred scenes."""
    scenes = find_scenes([str(copies(folder, 256, options.scenes))])
    peaks: list[int] = []
    done = 0

    def told(_: object) -> None:
        nonlocal done
        done += 1
        if done % EVERY == 0:
            peaks.append(peak_since())
            print(json.dumps({"scenes": done, "peak_mb": round(peaks[-1] / 1e6, 1)}), flush=True)

    peak_since()
    asked = SurveyOptions(predict=PredictOptions(model=options.model, threads=1))
    found = survey(scenes, folder / "out", asked, told=told)
    growth = peaks[-1] / peaks[0]
    print(json.dumps({"failed": len(found.failed), "last hundred / first": round(growth, 4)}))
    sys.exit(growth > 1.05 or bool(found.failed))


def peak_since() -> int:
    """Return the largest resident memory since the last call, bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(line.split()[1]) * 1024


def cores(options: argparse.Namespace, folder: Path) -> None:
    """Print how much of the machine one process uses."""
    scene = options.raster or sample(folder / "sample", options.size)
    words = [str(GEOUNET), "batch", str(scene), "-o", str(folder / "out"), "-m", options.model]
    words += ["--gsd", options.gsd, "--precision", options.precision]
    spent = timed(words)
    there = len(os.sched_getaffinity(0))
    share = spent["cpu"] / (spent["wall"] * there)
    print(json.dumps({**spent, "cores": there, "share of the cores": round(share, 3)}))


def overhead(options: argparse.Namespace, folder: Path) -> None:
    """Print CPU seconds a small scene, by the difference of many and few."""
    survey = copies(folder, 256, options.scenes)
    words = ["-m", options.model, "--threads", "1", "-q"]
    few = timed(
        [str(GEOUNET), "batch", str(survey / "0000[0-4].tif"), "-o", str(folder / "a"), *words]
    )
    many = timed([str(GEOUNET), "batch", str(survey), "-o", str(folder / "b"), *words])
    a_scene = (many["cpu"] - few["cpu"]) / (options.scenes - 5)
    print(json.dumps({"few": few, "many": many, "cpu_s a scene": round(a_scene, 3)}))


def timed(words: list[str]) -> dict[str, float]:
    """Run a command; return its CPU and wall seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": round(cpu, 2), "wall": round(wall, 2)}


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["memory", "cores", "overhead"])
    parser.add_argument("--scenes", type=int)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--raster", type=Path, help="a long scene; a sample of --size else")
    parser.add_argument("--gsd", default="model")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--model")
    options = parser.parse_args()
    usual = {"memory": (1000, "otsu"), "cores": (1, "buildings"), "overhead": (50, "buildings")}
    scenes, model = usual[options.what]
    options.scenes, options.model = options.scenes or scenes, options.model or model
    print(json.dumps({"python": platform.python_version(), "machine": platform.machine()}))
    with tempfile.TemporaryDirectory() as folder:
        {"memory": memory, "cores": cores, "overhead": overhead}[options.what](
            options, Path(folder)
        )


if __name__ == "__main__":
    main()
