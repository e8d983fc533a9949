"""Embeddings at the sizes that were promised: whole maps of 85 images, a million buildings.

    python benchmarks/embeddings.py flat --data DATA --folder CACHE [--count 85] [--precision bf16]
    python benchmarks/embeddings.py buildings --folder CACHE [--count 1000000]
    python benchmarks/embeddings.py speed --raster RASTER
    python benchmarks/embeddings.py picture --raster RASTER

`flat` cuts images of 1024² from real mosaics, turns and mirrors them until there are enough, runs
network `coastal` with random weights over each as it was published (one tile, no halo), and keeps
the bottleneck, 128 × 128 × 512 values an image. The bar is 4 GB. `buildings` pools a million
footprints and their rings from a network that costs nothing. `speed` compares the walk of `embed`
with that of `predict --embeddings` and with `predict` alone, by the bundled model. `picture` draws
a raster beside the first three principal components of its squares of 32 pixels.

Each runs in a process of its own; one JSON line is printed for each.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

EDGE = 1024
SPACING, HOUSE = 20, 12
BLOCK = 512


def main() -> None:
    """Measure in a process of its own; print one JSON line."""
    options = _options()
    if options.inside:
        warnings.simplefilter("ignore")  # one tile an image needs no halo, and is told so each time
        print(json.dumps(WAYS[options.way](options)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, *sys.argv, "--inside"], check=True)


def flat(options: argparse.Namespace) -> dict[str, Any]:
    """Whole maps of many images."""
    import torch  # noqa: PLC0415

    from geounet.card import ModelCard  # noqa: PLC0415
    from geounet.embeddings.job import JobOptions, embed  # noqa: PLC0415
    from geounet.model import Segmenter  # noqa: PLC0415
    from geounet.networks.registry import build  # noqa: PLC0415
    from geounet.plan import PlanOptions  # noqa: PLC0415

    torch.manual_seed(0)
    card = ModelCard(name="coastal", network="coastal", stride=8, receptive_field=159, gsd=0.13)
    chosen = JobOptions(
        model=Segmenter(card, build("coastal", {}).eval()),
        plan=PlanOptions(tile=EDGE, halo=0, blend="crop", batch_size=1),
        gsd="native", threads=options.threads, precision=options.precision, backend="torch",
        flat=True, overwrite=True,
    )  # fmt: skip
    images = list(_images(options.folder, options.data, options.count))
    done = embed(images, options.folder / "flat.parquet", chosen, _told)
    vectors = np.load(done.out[-1], mmap_mode="r")
    return _spent({"way": "flat", "shape": vectors.shape, "bytes": int(vectors.nbytes)})


def buildings(options: argparse.Namespace) -> dict[str, Any]:
    """A million footprints with their rings, and a table of them without pictures."""
    from geounet.embeddings.job import JobOptions, embed  # noqa: PLC0415
    from geounet.plan import PlanOptions  # noqa: PLC0415

    size = -(-int(np.ceil(np.sqrt(options.count))) * SPACING // BLOCK) * BLOCK
    raster, houses = _town(options.folder, size, options.count)
    chosen = JobOptions(
        model=_Means(), plan=PlanOptions(tile=1024, halo=32), gsd="native",
        buildings=houses, ring=5.0, thumbnails=False, overwrite=True,
    )  # fmt: skip
    done = embed([raster], options.folder / "buildings.parquet", chosen, _told)
    size_of = done.out[0].stat().st_size
    return _spent({"way": "buildings", "rows": done.items, "edge": size, "bytes": size_of})


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """CPU of looking, of predicting, and of both in one walk."""
    from geounet.embeddings.job import JobOptions, embed  # noqa: PLC0415
    from geounet.predict import PredictOptions, predict  # noqa: PLC0415

    how = {"backend": "torch", "precision": "fp32", "threads": options.threads, "overwrite": True}
    folder, spent = options.folder, {}
    ways = {
        "warm": lambda: embed([options.raster], folder / "e.parquet", JobOptions(**how)),
        "embed": lambda: embed([options.raster], folder / "e.parquet", JobOptions(**how)),
        "predict": lambda: predict(options.raster, folder / "p.gpkg", PredictOptions(**how)),
        "both": lambda: predict(
            options.raster, folder / "p.gpkg",
            PredictOptions(**how, embeddings=folder / "b.parquet"),
        ),
    }  # fmt: skip
    for name, run in ways.items():
        before = time.process_time()
        run()
        spent[f"{name}_cpu_s"] = round(time.process_time() - before, 2)
    return _spent({"way": "speed", "raster": options.raster.name, **spent})


def picture(options: argparse.Namespace) -> dict[str, Any]:
    """A raster, and what the network sees in it as colours."""
    import rasterio  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    from geounet.embeddings.embed import EmbedOptions, tiles  # noqa: PLC0415
    from geounet.embeddings.flat import gram, pca_from_gram  # noqa: PLC0415

    found = list(tiles(options.raster, EmbedOptions(patch=32, gsd="native")))
    vectors = np.concatenate([batch.vectors["bottleneck"] for batch in found])
    boxes = np.concatenate([batch.boxes for batch in found]).astype(int)
    scores = pca_from_gram(gram((vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)))[0][:, :3]
    low, high = np.percentile(scores, (2, 98), axis=0)
    colours = (np.clip((scores - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    with rasterio.open(options.raster) as raster:
        image = raster.read((1, 2, 3)).transpose(1, 2, 0)
    seen = np.full_like(image, 255)
    for (left, top, right, bottom), colour in zip(boxes, colours, strict=True):
        seen[top:bottom, left:right] = colour
    gap = np.full((len(image), 16, 3), 255, np.uint8)
    both = Image.fromarray(np.hstack([image, gap, seen]))
    path = options.folder / "embeddings.jpg"
    both.resize((1200, 1200 * both.height // both.width)).save(path, quality=80)
    return _spent({"way": "picture", "out": str(path)})


WAYS = {"flat": flat, "buildings": buildings, "speed": speed, "picture": picture}


class _Means:
    """A step whose bottleneck is 64 times the mean of 16 × 16 pixels."""

    device, precision, backend = "cpu", "fp32", "means"

    def __init__(self) -> None:
        from geounet.card import ModelCard  # noqa: PLC0415

        self.card = ModelCard(
            name="means", network="means", bands=("grey",), mean=(0.5,), std=(0.25,), stride=16,
            receptive_field=16,
        )  # fmt: skip

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the means."""
        del valid
        count, _, height, width = pixels.shape
        blocks = pixels.reshape(count, 1, height // 16, 16, width // 16, 16)
        means = blocks.mean((3, 5), dtype=np.float32)
        return {"bottleneck": np.repeat(means, 64, axis=1)}


def _images(folder: Path, data: Path, count: int) -> Iterator[Path]:
    """Images of 1024²: windows of real mosaics, then the same turned and mirrored."""
    import rasterio  # noqa: PLC0415

    crops = list(_crops(data))
    for number in range(count):
        path = folder / f"image-{number:03d}.tif"
        if not path.exists():
            view, crop = divmod(number, len(crops))
            pixels, profile = crops[crop]
            turned = np.rot90(pixels[..., ::-1] if view >= 4 else pixels, view % 4, (1, 2))
            with rasterio.open(path, "w", **profile) as file:
                file.write(turned)
        yield path


def _crops(data: Path) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    import rasterio  # noqa: PLC0415
    from rasterio.windows import Window  # noqa: PLC0415

    for mosaic in sorted(data.glob("buildings/*/mosaic/*.tif")):
        with rasterio.open(mosaic) as raster:
            for row, col in np.ndindex(raster.height // EDGE, raster.width // EDGE):
                pixels = raster.read((1, 2, 3), window=Window(col * EDGE, row * EDGE, EDGE, EDGE))
                if (pixels > 0).any(axis=0).mean() > 0.9:
                    yield pixels, {
                        "driver": "GTiff", "height": EDGE, "width": EDGE, "count": 3,
                        "dtype": "uint8", "crs": "EPSG:32645", "compress": "deflate",
                        "transform": rasterio.Affine(0.13, 0, 5e5, 0, -0.13, 3e6),
                    }  # fmt: skip


def _town(folder: Path, size: int, count: int) -> tuple[Path, Path]:
    """A raster of noise, and houses of 12 pixels on a grid of 20."""
    import geopandas as gpd  # noqa: PLC0415
    import rasterio  # noqa: PLC0415
    import shapely  # noqa: PLC0415
    from rasterio.windows import Window  # noqa: PLC0415

    raster, houses = folder / f"town-{size}.tif", folder / f"houses-{count}.gpkg"
    here = rasterio.Affine(0.3, 0, 5e5, 0, -0.3, 5e6)
    profile = {
        "driver": "GTiff", "height": size, "width": size, "count": 1, "dtype": "uint8",
        "crs": "EPSG:32633", "transform": here, "tiled": True, "blockxsize": BLOCK,
        "blockysize": BLOCK, "compress": "deflate",
    }  # fmt: skip
    if not raster.exists():
        block = np.random.default_rng(0).integers(1, 255, (1, BLOCK, size), dtype=np.uint8)
        with rasterio.open(raster, "w", **profile) as file:
            for top in range(0, size, BLOCK):
                file.write(np.roll(block, top // 7, 2), window=Window(0, top, size, BLOCK))
    if not houses.exists():
        row, col = np.divmod(np.arange(count), int(np.ceil(np.sqrt(count))))
        x, y = 5e5 + (col * SPACING + 4) * 0.3, 5e6 - (row * SPACING + 4) * 0.3
        shapes = shapely.box(x, y - HOUSE * 0.3, x + HOUSE * 0.3, y)
        chance = np.random.default_rng(1).permutation(count)  # files stand in no order of ours
        gpd.GeoDataFrame(geometry=shapes[chance], crs="EPSG:32633").to_file(houses)
    return raster, houses


def _told(done: int, total: int) -> None:
    if done % max(total // 20, 1) == 0:
        print(f"{done} of {total}", file=sys.stderr, flush=True)


def _spent(found: dict[str, Any]) -> dict[str, Any]:
    """What was found, with the CPU and the largest memory of this process."""
    from geounet.result import peak_memory  # noqa: PLC0415

    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round(used.ru_utime + used.ru_stime, 1)
    return found | {"cpu_s": cpu, "peak_mb": round(peak_memory() / 1e6)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/cache"))
    parser.add_argument("--raster", type=Path)
    parser.add_argument("--count", type=int)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.count = options.count or {"flat": 85, "buildings": 1_000_000}.get(options.way)
    return options


if __name__ == "__main__":
    main()
