"""Time and memory of clustering very many embeddings, as they lie in a file.

    python benchmarks/clusters.py [--items 1000000] [--width 512] [--groups 6] [--folder CACHE]

Writes vectors around a few centres (once), clusters them in a process of its own and prints one
JSON line: CPU seconds, the largest memory, the number of clusters, and whether they are the groups
the vectors were drawn from. The bars are 300 CPU seconds and 3 GB for a million of 512.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from pipeline import machine
from sklearn.metrics import adjusted_rand_score

from geounet.embeddings.clusters import cluster

CHUNK = 20_000


def main() -> None:
    """Write, cluster, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/cache"))
    options = parser.parse_args()
    truth = np.random.default_rng(1).integers(0, options.groups, options.items)
    path = written(options.folder, truth, options.width)
    print(json.dumps(machine()))
    started, wall = time.process_time(), time.monotonic()
    found = cluster(np.load(path, mmap_mode="r"))
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    said = {
        "items": options.items,
        "width": options.width,
        "k": found.k,
        "rule": found.choice.rule,
        "rand_with_truth": round(float(adjusted_rand_score(truth, found.labels)), 4),
        "mean_silhouette": round(float(np.nanmean(found.silhouette)), 4),
        "cpu_s": round(spent, 1),
        "wall_s": round(time.monotonic() - wall, 1),
        "peak_gb": round(peak / 1e9, 3),
    }
    print(json.dumps(said))


def written(folder: Path, truth: np.ndarray, width: int) -> Path:
    """Return a file of vectors around centres, written when it is not there."""
    groups = int(truth.max()) + 1
    path = folder / f"vectors_{len(truth)}_{width}_{groups}.npy"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    centres = 0.5 * rng.standard_normal((groups, width), np.float32)
    part = path.with_suffix(".part")
    vectors = np.lib.format.open_memmap(part, "w+", np.float32, (len(truth), width))
    for start in range(0, len(truth), CHUNK):
        those = truth[start : start + CHUNK]
        vectors[start : start + CHUNK] = centres[those] + rng.standard_normal(
            (len(those), width), np.float32
        )
    vectors.flush()
    return part.rename(path)


if __name__ == "__main__":
    main()
