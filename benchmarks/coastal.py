"""The published set-up of coastal damage, whole: projections of bottlenecks, clusters of last maps.

    python benchmarks/coastal.py FOLDER [--count 25] [--projected 85] [--model FILE] [--images DIR]

Network `coastal` sees images of 1024² in one tile. PCA, t-SNE and UMAP are of their flattened
bottlenecks, 85 × 8,388,608, by the 85 × 85 Gram matrix; K-means is of the flattened last map,
1024² × 1, of the first 25: the elbow for 1 to 9 clusters, the table for 2, 3 and 4, and which
number we would take, beside the paper's. FOLDER keeps images and maps, so that a second run is
quick; in it `projections.png` and `elbow.png` are to be looked at. The bar is 4 GB.

The paper's photographs and weights are not public. Without `--images`, a folder that has a folder
of images for each label, images are windows of sample storms after the storm, labelled by the
share of their buildings that is destroyed or has major damage: none (0), some, heavy (from 0.4).
Without `--model` weights are random. Images beyond `--count` are the first ones, turned and
mirrored.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from coastal_table import tell
from PIL import Image

from geounet.embeddings.charts import draw_elbow
from geounet.embeddings.clusters import ClusterOptions, cluster
from geounet.embeddings.colours import colour_of
from geounet.embeddings.flat import FlatFile, gram, pca_from_gram
from geounet.embeddings.reduce import project
from geounet.result import peak_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.backends.torch import TorchStep

EDGE = 1024
TOWN, PARTS = 1536, 3
"""Edge of a sample town before the storm, pixels; windows along an edge of it."""
HEAVY = 0.4
LABELS = ("none", "some", "heavy")
WORST = {"major", "destroyed"}


def main() -> None:
    """Make images and maps, tell what they show."""
    options = _options()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    images = _given(options.images) if options.images else _drawn(folder, options.count)
    images = images[: options.count]
    labels = [label for _, label in images]
    flat, last = folder / "bottlenecks.npy", folder / "last.npy"
    done = _maps(images, flat, last, options)
    scores = pca_from_gram(gram(flat))[0].astype(np.float32)
    shown = [labels[at % len(labels)] for at in range(len(scores))]
    _draw(project(scores, seed=0), shown, folder / "projections.png")
    maps = np.load(last, mmap_mode="r")
    vectors = pca_from_gram(gram(last))[0].astype(np.float32)  # the same distances, quick
    found = cluster(vectors, ClusterOptions(kmax=9, standardise=False, dimensions=0))
    draw_elbow(found.choice, folder / "elbow.png")
    print(f"images: {_about(options, labels)}")
    print(f"weights: {options.model or 'random, seed 0: the table tells of no training'}")
    tell(vectors, labels, {"images": len(maps), "values": maps.shape[1]})
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"projected": list(np.load(flat, mmap_mode="r").shape), "passes": done}
    told |= {"cpu_s": round(used.ru_utime + used.ru_stime), "peak_mb": peak_memory() // 10**6}
    print(json.dumps(told))


def _maps(
    images: list[tuple[Path, str]], flat: Path, last: Path, options: argparse.Namespace
) -> int:
    """Pass all images through the network, unless their maps are there; return how many."""
    count = max(options.projected, len(images))
    if flat.exists() and last.exists() and len(np.load(flat, mmap_mode="r")) == count:
        return 0
    step = _step(options.model)
    with closing(FlatFile(flat, count)) as deep, closing(FlatFile(last, len(images))) as top:
        for at in range(count):
            turn, which = divmod(at, len(images))
            pixels = _pixels(images[which][0])
            pixels = np.rot90(pixels[..., ::-1] if turn >= 4 else pixels, turn % 4, (1, 2))
            maps = step(pixels[None].copy(), np.ones((1, EDGE, EDGE), bool))
            deep.add(maps["bottleneck"][0].ravel(), str(which))
            if not turn:
                top.add(maps["probability"][0].ravel(), str(which))
            print(f"{at + 1} of {count}", file=sys.stderr, flush=True)
    return count


def _step(model: Path | None) -> TorchStep:
    import torch  # noqa: PLC0415

    from geounet.backends import Look  # noqa: PLC0415
    from geounet.backends.torch import TorchStep  # noqa: PLC0415
    from geounet.card import ModelCard  # noqa: PLC0415
    from geounet.model import Segmenter, load_model  # noqa: PLC0415
    from geounet.networks.registry import build  # noqa: PLC0415

    torch.manual_seed(0)
    if model is None:
        card = ModelCard(name="coastal", network="coastal", stride=8, receptive_field=159, gsd=0.13)
        segmenter = Segmenter(card, build("coastal", {}).eval())
    else:
        segmenter = load_model(model)
    look = Look(("bottleneck",))
    return TorchStep(segmenter, device="cpu", precision="fp32", threads=1, look=look)


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((EDGE, EDGE), Image.Resampling.BILINEAR)
        return np.asarray(small).transpose(2, 0, 1)


def _given(folder: Path) -> list[tuple[Path, str]]:
    """Images of a folder of folders, each time one of each label."""
    kinds = sorted(each for each in folder.iterdir() if each.is_dir())
    pairs = [(turn, path, kind.name) for kind in kinds
             for turn, path in enumerate(sorted(kind.iterdir()))]  # fmt: skip
    return [(path, label) for _, path, label in sorted(pairs, key=lambda pair: pair[0])]


def _drawn(folder: Path, count: int) -> list[tuple[Path, str]]:
    """Windows of sample storms, as many of each label as can be; drawn once, then read."""
    table = folder / "labels.csv"
    if not table.exists():
        most = -(-count // len(LABELS))
        kept: dict[str, list[Path]] = {label: [] for label in LABELS}
        for number, (pixels, label) in enumerate(_windows()):
            if len(kept[label]) < most:
                path = folder / f"{label}-{number:03d}.png"
                Image.fromarray(pixels).save(path)
                kept[label].append(path)
            if sum(map(len, kept.values())) >= count:
                break
        rows = [(path.name, label) for label, paths in kept.items() for path in paths]
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    with table.open(newline="", encoding="utf-8") as file:
        return [(folder / name, label) for name, label in csv.reader(file)]


def _windows() -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Windows of towns after a storm, with their label, without end."""
    from geounet.scenes import storm  # noqa: PLC0415

    seed = 0
    while True:
        pair = storm(TOWN, seed)
        edge = pair.after.shape[-1] // PARTS
        places = np.array([each.centroid.coords[0] for each in pair.buildings]) // (TOWN // PARTS)
        worst = np.array([str(each) in WORST for each in pair.damage])
        for row, col in np.ndindex(PARTS, PARTS):
            here = (places == (col, row)).all(axis=1)
            if here.any():
                share = worst[here].mean()
                part = pair.after[:, row * edge :, col * edge :][:, :edge, :edge]
                label = LABELS[0] if not share else LABELS[1 + bool(share >= HEAVY)]
                yield np.ascontiguousarray(part.transpose(1, 2, 0)), label
        seed += 1


def _about(options: argparse.Namespace, labels: list[str]) -> str:
    counts = ", ".join(f"{labels.count(label)} {label}" for label in dict.fromkeys(labels))
    source = options.images or "windows of sample storms, not the paper's photographs"
    return f"{source}: {counts}"


def _draw(projections: tuple, labels: list[str], path: Path) -> None:
    """Draw the projections side by side, coloured by label."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure((12, 4.2), dpi=100, layout="constrained")
    for axes, each in zip(figure.subplots(1, len(projections)), projections, strict=True):
        for at, label in enumerate(dict.fromkeys(labels)):
            points = each.points[[one == label for one in labels]]
            axes.plot(*points.T, "o", color=colour_of(at), label=label)
        axes.set(title=f"{each.name}, trustworthiness {each.trustworthiness:.2f}")
        axes.set(xticks=[], yticks=[])
    axes.legend()
    figure.savefig(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=25)
    parser.add_argument("--projected", type=int, default=85)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
