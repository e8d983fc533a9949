"""Damage without labels: sample storms, and Joplin after the tornado of 22 May 2011.

    python benchmarks/damage.py ../shared/data --out /tmp/damage --seeds 5 6 7

Sample storms: how well `change` tells destroyed and major from none (AUC), how clusters agree with
the four grades (adjusted Rand index), and the damage F1 of xView2 with ten labelled buildings a
grade. Joplin: how well `change` tells buildings inside the swath from those outside. The swath,
`joplin_swath.geojson`, was drawn from the later image alone before anything was computed, and is
not to be changed. The design was settled on seeds 0 to 4.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from geounet.damage.grades import GRADES
from geounet.damage.job import assess
from geounet.damage.options import DamageOptions
from geounet.evaluation.damage import xview2
from geounet.scenes import write_samples

SWATH = Path(__file__).with_name("joplin_swath.geojson")
LABELLED = 10


def main() -> None:
    """Print one line for each pair of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with disaster/joplin")
    parser.add_argument("--out", type=Path, required=True, help="folder of maps and pictures")
    parser.add_argument("--seeds", type=int, nargs="*", default=[5, 6, 7])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    joplin(asked.data / "disaster" / "joplin", asked.out, asked.threads)
    for seed in asked.seeds:
        sample(asked.out, asked.size, seed, asked.threads)


def joplin(data: Path, out: Path, threads: int) -> None:
    """Buildings inside the swath against those outside."""
    post, pre = data / "post_wgs84_6e-6deg.tif", data / "pre_nad83utm15n_0.6m.tif"
    made = DamageOptions(
        pre=pre, buildings=data / "ms_footprints_2020.geojson", threads=threads, overwrite=True
    )
    started = time.process_time()
    result = assess(post, out / "joplin.gpkg", made)
    spent = time.process_time() - started
    for layer in ("buildings", "tiles"):
        table = gpd.read_file(out / "joplin.gpkg", layer=layer)
        swath = gpd.read_file(SWATH).to_crs(table.crs).geometry[0]
        inside = swath.contains(table.representative_point())
        auc = roc_auc_score(inside, table.change)
        counts = f"{inside.sum()} inside, {(~inside).sum()} outside"
        print(f"joplin {layer}: AUC {auc:.3f} ({counts})", flush=True)
    print(f"joplin: {shift_of(result)}, k {result.k}, {spent:.0f} CPU s", flush=True)


def sample(out: Path, size: int, seed: int, threads: int) -> None:
    """One storm, without labels and with a few."""
    folder = out / f"storm{seed}"
    if not folder.exists():
        folder.mkdir()
        write_samples(folder, size=size, seed=seed)
    truth = gpd.read_file(folder / "storm_truth.gpkg")
    made = {
        "pre": folder / "storm_pre.tif",
        "buildings": folder / "storm_truth.gpkg",
        "threads": threads,
        "overwrite": True,
    }
    started = time.process_time()
    result = assess(folder / "storm_post.tif", out / f"storm{seed}.gpkg", DamageOptions(**made))
    spent = time.process_time() - started
    table = gpd.read_file(out / f"storm{seed}.gpkg", layer="buildings").set_index("id")
    grades = truth.damage.map({name: at for at, name in enumerate(GRADES)}).to_numpy()[table.index]
    clear = grades != 1
    auc = roc_auc_score(grades[clear] >= 2, table.change[clear])
    rand = adjusted_rand_score(grades, table.cluster)
    labels = folder / "labels.csv"
    chosen = few(truth.damage.to_numpy(), seed)
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "damage"), *((at, truth.damage[at]) for at in chosen)])
    with_labels = DamageOptions(**made, labels=labels)
    assess(folder / "storm_post.tif", out / f"storm{seed}_graded.gpkg", with_labels)
    graded = gpd.read_file(out / f"storm{seed}_graded.gpkg", layer="buildings").set_index("id")
    scores = damage_f1(truth, graded, set(chosen.tolist()))
    parts = ", ".join(f"{scores[f'f1_{at}']:.2f}" for at in range(1, 5))
    print(
        f"storm {seed}: AUC {auc:.3f}, adjusted Rand {rand:.3f} (k {result.k}), damage F1 "
        f"{scores['damage_f1']:.3f} ({parts}), "
        f"{len(table)} buildings, {shift_of(result)}, "
        f"{spent:.0f} CPU s",
        flush=True,
    )


def few(grades: np.ndarray, seed: int) -> np.ndarray:
    """Ten buildings of each grade, drawn at random."""
    chance = np.random.default_rng(seed)
    return np.concatenate(
        [chance.permutation(np.flatnonzero(grades == name))[:LABELLED] for name in GRADES]
    )


def damage_f1(truth: gpd.GeoDataFrame, graded: gpd.GeoDataFrame, known: set[int]) -> dict:
    """The official score over the pixels (0.5 m) of all buildings that were not labelled."""
    pixels = np.zeros((5, 5), np.float64)
    at = {name: number for number, name in enumerate(GRADES, 1)}
    for row, found in graded.damage.items():
        if row not in known:
            pixels[at[truth.damage[row]], at[found]] += truth.area[row] * 4
    return xview2(np.rint(pixels).astype(np.int64))


def shift_of(result) -> str:  # noqa: ANN001
    """The shift in words."""
    found = result.shift
    return f"shift {found.east:+.2f} m east {found.south:+.2f} m south"


if __name__ == "__main__":
    main()
