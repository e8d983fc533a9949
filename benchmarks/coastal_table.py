"""The published table: K-means on flattened last-layer maps, for 2, 3 and 4 clusters.

    python benchmarks/coastal_table.py MAPS LABELS.csv [--json OUT.json]
    python benchmarks/coastal_table.py MAPS LABELS.csv --images FOLDER... [--edge 1024]

MAPS is a folder of arrays of one shape (`NAME.npy`), LABELS.csv has the columns `name,label`. With
`--images` both are made first: every image of a folder passes the model at EDGE pixels, and is
labelled with the folder's name. The elbow is located on 1 to 9 clusters; silhouette, macro
precision, macro recall and right / wrong stand beside those of the paper, which had 25 images of
its own. Both choices are told: that of the paper (3, though the silhouette favours 2), and ours.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from geounet.embeddings.clusters import ClusterOptions, cluster
from geounet.embeddings.names import name_clusters

PAPER = {
    2: (0.855, 0.685, 0.601, 21, 4),
    3: (0.787, 0.770, 0.620, 19, 6),
    4: (0.777, 0.577, 0.536, 19, 6),
}
"""Silhouette, precision, recall, right, wrong by number of clusters."""


def main() -> None:
    """Make maps if asked, cluster them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--images", type=Path, nargs="+")
    parser.add_argument("--each", type=int, default=100, help="images of a folder, at most")
    parser.add_argument("--model", default="buildings")
    parser.add_argument("--edge", type=int, default=1024)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.images:
        make_maps(options)
    names, vectors, labels = read(options.maps, options.labels)
    said = tell(vectors, labels, {"maps": len(names), "values": vectors.shape[1]})
    if options.json:
        options.json.write_text(json.dumps(said, indent=1))


def tell(vectors: np.ndarray, labels: list[str], about: dict[str, int]) -> dict[str, Any]:
    """Print the choice of a number of clusters and the table, beside the paper's; return both."""
    free = cluster(vectors, ClusterOptions(kmax=9, standardise=False, dimensions=0))
    choice = free.choice
    said = about | {"labels": sorted(set(labels))}
    said |= {"elbow": choice.by_elbow, "highest_silhouette": choice.by_silhouette, "ours": free.k}
    said |= {"rule": choice.rule, "paper": 3, "paper_highest_silhouette": 2}
    rows = [table_row(vectors, labels, k) for k in PAPER]
    print(json.dumps(said))
    print(
        "| k | silhouette | precision | recall | right / wrong | paper |\n|---|---|---|---|---|---|"
    )
    for row in rows:
        paper = "{:.3f}, {:.3f}, {:.3f}, {} / {}".format(*PAPER[row["k"]])
        scores = " | ".join(f"{row[name]:.3f}" for name in ("silhouette", "precision", "recall"))
        print(f"| {row['k']} | {scores} | {row['right']} / {row['wrong']} | {paper} |")
    return said | {"rows": rows}


def table_row(vectors: np.ndarray, labels: list[str], k: int) -> dict[str, float]:
    """Return the scores of one number of clusters."""
    found = cluster(vectors, ClusterOptions(k=k, kmax=k, standardise=False, dimensions=0))
    named = name_clusters(found.labels, labels)
    return {
        "k": k,
        "silhouette": float(found.silhouette.mean()),
        "precision": named.precision,
        "recall": named.recall,
        "right": named.right,
        "wrong": named.wrong,
    }


def read(folder: Path, table: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Return names, flattened maps `(n, pixels)` and labels."""
    with table.open(newline="", encoding="utf-8") as file:
        told = {row["name"]: row["label"] for row in csv.DictReader(file)}
    names = sorted(name for name in told if (folder / f"{name}.npy").exists())
    first = np.load(folder / f"{names[0]}.npy", mmap_mode="r")
    vectors = np.empty((len(names), first.size), np.float32)
    for row, name in enumerate(names):
        vectors[row] = np.load(folder / f"{name}.npy").ravel()
    return names, vectors, [told[name] for name in names]


def make_maps(options: argparse.Namespace) -> None:
    """Pass images through a model; write the map of each and a table of their folders."""
    import torch  # noqa: PLC0415 - only here
    from PIL import Image  # noqa: PLC0415

    from geounet.backends.torch import TorchStep  # noqa: PLC0415
    from geounet.model import load_model  # noqa: PLC0415

    torch.set_num_threads(1)
    step = TorchStep(load_model(options.model), precision="fp32", device="cpu")
    options.maps.mkdir(parents=True, exist_ok=True)
    shape = options.edge, options.edge
    told = []
    for folder in options.images:
        files = sorted(each for each in folder.iterdir() if each.suffix in {".png", ".jpg", ".tif"})
        for path in files[:: max(len(files) // options.each, 1)][: options.each]:
            label = folder.parent.name if folder.name == "images" else folder.name
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB").resize(shape)).transpose(2, 0, 1)
            found = step(pixels[None], np.ones((1, *shape), bool))["probability"][0, 0]
            name = f"{label}-{path.stem}"
            np.save(options.maps / f"{name}.npy", found.astype(np.float32))
            told.append((name, label))
    with options.labels.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "label"), *told])


if __name__ == "__main__":
    main()
