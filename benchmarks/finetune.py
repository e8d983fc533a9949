"""What fine-tuning on 8 chips gains at places the bundled model never saw.

The left part of each image is cut into 8 chips, two of which `geounet train --from` holds out by
itself; before and after are scored on the right part, which nothing was chosen by.

    python benchmarks/finetune.py DATA [--place khartoum ...] [--seed N] [--threads N]

DATA holds `buildings/spacenet2_samples` and `disaster/joplin`, whose footprints were drawn nine
years after its image, after a storm: about a third of them is wrong.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from geounet.evaluation.pixels import iou
from geounet.model import Segmenter, load_model
from geounet.raster import open_raster
from geounet.training.score import probability
from geounet.training.sheet import Sheet

MODEL = "buildings"


class Place(NamedTuple):
    """An image with its mask."""

    image: str
    mask: str
    gsd: float
    edge: int


PLACES = {
    "khartoum": Place(
        "buildings/spacenet2_samples/images/spacenet2_AOI_5_Khartoum_img5.png",
        "buildings/spacenet2_samples/masks/spacenet2_AOI_5_Khartoum_img5.png",
        0.3,
        162,
    ),
    "shanghai": Place(
        "buildings/spacenet2_samples/images/spacenet2_AOI_4_Shanghai_img945.png",
        "buildings/spacenet2_samples/masks/spacenet2_AOI_4_Shanghai_img945.png",
        0.3,
        162,
    ),
    "joplin": Place(
        "disaster/joplin/pre_nad83utm15n_0.6m.tif",
        "disaster/joplin/pre_footprint_mask.png",
        0.6,
        256,
    ),
}


def main() -> None:
    """Tune once a place and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--place", action="append", choices=PLACES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    print("place      IoU before  after   gain   F1 before  after   wall s   CPU s")
    for name in asked.place or PLACES:
        image, mask = _read(asked.data, PLACES[name])
        with tempfile.TemporaryDirectory() as folder:
            chips = _chips(Path(folder), image, mask, PLACES[name])
            tuned, wall, cpu = _tune(chips, asked)
        right = np.s_[..., 2 * PLACES[name].edge :]
        before, after = (
            _score(model, image[right], mask[right], PLACES[name].gsd)
            for model in (load_model(MODEL), tuned)
        )
        f1 = [2 * value / (1 + value) for value in (before, after)]
        print(
            f"{name:10} {before:10.3f} {after:6.3f} {after - before:+6.3f} "
            f"{f1[0]:11.3f} {f1[1]:6.3f} {wall:8.0f} {cpu:7.0f}",
            flush=True,
        )


def _read(data: Path, place: Place) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for name, bands in ((place.image, (1, 2, 3)), (place.mask, (1,))):
        with open_raster(data / name, bands=bands) as reader:
            whole = Window(0, 0, reader.info.width, reader.info.height)
            found.append(reader.read(whole).data)
    return found[0], found[1][0] > 0


def _chips(folder: Path, image: np.ndarray, mask: np.ndarray, place: Place) -> Path:
    """Write 8 chips of the left part, four rows of two, in metres from a corner of nowhere."""
    for sub, planes in (("images", image), ("masks", mask[None] * np.uint8(255))):
        (folder / sub).mkdir()
        for at in range(8):
            row, col = at // 2 * place.edge, at % 2 * place.edge
            chip = planes[:, row : row + place.edge, col : col + place.edge]
            corner = (500_000 + col * place.gsd, 4_000_000 - row * place.gsd)
            where = Affine(place.gsd, 0, corner[0], 0, -place.gsd, corner[1])
            shape = {"count": len(chip), "height": place.edge, "width": place.edge}
            options = {"driver": "GTiff", "crs": "EPSG:32633", "transform": where}
            path = folder / sub / f"{at}.tif"
            with rasterio.open(path, "w", dtype="uint8", **shape, **options) as file:
                file.write(chip)
    return folder


def _tune(chips: Path, asked: argparse.Namespace) -> tuple[Segmenter, float, float]:
    """Run the command; return the model, wall seconds and CPU seconds of the whole of it."""
    out = chips / "mine.safetensors"
    program = str(Path(sys.executable).with_name("geounet"))
    command = [program, "train", str(chips), "--from", MODEL, "-o", str(out), "-q", "--seed"]
    command += [str(asked.seed)]
    for name in ("steps", "threads"):
        if getattr(asked, name):
            command += [f"--{name}", str(getattr(asked, name))]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return load_model(out), time.monotonic() - began, cpu


def _score(model: Segmenter, image: np.ndarray, mask: np.ndarray, gsd: float) -> float:
    sheet = Sheet(
        name="held", place="held", split="test", image=image, mask=mask,
        valid=np.ones_like(mask), gsd=gsd, weight=1.0,
    )  # fmt: skip
    return iou([(probability(model, sheet)[0] >= model.card.threshold, mask)])


if __name__ == "__main__":
    main()
