"""A training dataset: sheets of imagery with their building masks, as a manifest lists them.

The manifest is a TOML file of `[[set]]` tables:

    [[set]]
    name = "kampala"                       # the place
    split = "train"                        # train, validation or test
    images = "kampala/mosaic.tif"          # a glob below the dataset's folder
    labels = "kampala/buildings.geojson"   # a vector file, or a folder of masks with the same stems
    window = [0, 0, 2048, 2048]            # optional: col, row, width, height
    gsd = 0.075                            # metres a pixel
    weight = 0.2                           # share of the chips, train only

    [[set]]
    name = "town"
    split = "train"
    towns = { first_seed = 100, count = 20, size = 768 }   # sample scenes, drawn on the fly
    weight = 0.1

    [data]                                 # what the model's card says of each place
    kampala = "© … contributors, CC BY 4.0"
"""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
from rasterio.features import rasterize
from rasterio.windows import Window

from geounet.errors import TrainingError
from geounet.raster import RasterReader, open_raster
from geounet.scenes import town

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
TOWN_GSD = 0.3
MASK_SUFFIXES = (".png", ".tif", ".tiff", ".jpg")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One labelled image in memory."""

    name: str
    """Stem of the file."""
    place: str
    """Name of the set it belongs to."""
    split: str
    """train, validation or test."""
    image: NDArray[np.uint8]
    """`(bands, height, width)`."""
    mask: NDArray[np.bool_]
    """`(height, width)`, True = building."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data. Nodata is shown to the network as in prediction."""
    gsd: float
    """Metres a pixel."""
    weight: float
    """Share of the chips that come from the whole set."""

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(self.mask.size)


@dataclass(frozen=True)
class Manifest:
    """Which images make a dataset."""

    name: str
    """File name of the manifest."""
    tables: list[dict[str, Any]]
    """The sets."""
    data: dict[str, str]
    """Origin, licence and attribution of each place."""


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest lists.

    Raises:
        TrainingError: when the file is missing, no TOML, or a table lacks what it needs.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not a TOML manifest ({error})") from error
    tables = content.get("set", [])
    if not tables:
        raise TrainingError(f"{path}: lists no [[set]]")
    for number, table in enumerate(tables, 1):
        _check(table, f"{path}: set {number}")
    return Manifest(path.name, tables, content.get("data", {}))


def load_sheets(
    folder: Path, manifest: Manifest, weights: Mapping[str, float] | None = None
) -> Iterator[Sheet]:
    """Yield every sheet of every set, read in full.

    Args:
        folder: what the manifest's paths lie below.
        manifest: the sets.
        weights: shares of places, in place of the manifest's. A place of share 0 is not trained
            on; its validation and test sets stay.

    Raises:
        TrainingError: when a set matches no image, or an image has no mask of its size.
    """
    for table in manifest.tables:
        share = (weights or {}).get(table["name"], table.get("weight", 1.0))
        if table["split"] == "train" and share <= 0:
            continue
        weighed = {**table, "weight": float(share)}
        yield from _towns(weighed) if "towns" in table else _images(folder, weighed)


def _check(table: dict[str, Any], where: str) -> None:
    needed = {"name", "split"} | ({"towns"} if "towns" in table else {"images", "labels", "gsd"})
    missing = sorted(needed - set(table))
    if missing:
        raise TrainingError(f"{where}: lacks {', '.join(missing)}")
    if table["split"] not in SPLITS:
        raise TrainingError(f"{where}: split is {table['split']!r}; known: {', '.join(SPLITS)}")


def _towns(table: dict[str, Any]) -> Iterator[Sheet]:
    plan = table["towns"]
    for seed in range(plan["first_seed"], plan["first_seed"] + plan["count"]):
        scene = town(plan["size"], seed)
        yield Sheet(
            name=f"town-{seed}",
            place=table["name"],
            split=table["split"],
            image=scene.image,
            mask=scene.mask,
            valid=scene.valid,
            gsd=TOWN_GSD,
            weight=table["weight"],
        )


def _images(folder: Path, table: dict[str, Any]) -> Iterator[Sheet]:
    paths = sorted(folder.glob(table["images"]))
    wanted = [path for path in paths if _included(path.stem, table)]
    if not wanted:
        raise TrainingError(f"{folder / table['images']}: no image matches (set {table['name']!r})")
    for path in wanted:
        with open_raster(path, bands=(1, 2, 3)) as reader:
            window = Window(*table.get("window", (0, 0, reader.info.width, reader.info.height)))
            if reader.info.dtype != np.uint8:
                raise TrainingError(
                    f"{path}: has pixels of {reader.info.dtype} (expected 8 bits); "
                    "cut it with geounet chips --scale MIN,MAX"
                )
            pixels = reader.read(window)
            mask = _mask(reader, window, folder / table["labels"], path)
        yield Sheet(
            name=path.stem,
            place=table["name"],
            split=table["split"],
            image=np.asarray(pixels.data, np.uint8),
            mask=mask,
            valid=pixels.valid,
            gsd=float(table["gsd"]),
            weight=table["weight"],
        )


def _included(stem: str, table: dict[str, Any]) -> bool:
    only, without = table.get("only", ["*"]), table.get("without", [])
    return any(fnmatch.fnmatch(stem, glob) for glob in only) and not any(
        fnmatch.fnmatch(stem, glob) for glob in without
    )


def _mask(reader: RasterReader, window: Window, labels: Path, image: Path) -> NDArray[np.bool_]:
    if labels.is_dir():
        return _mask_file(labels, image, window)
    info = reader.info
    shapes = geopandas.read_file(labels).to_crs(info.crs).geometry
    shape = (int(window.height), int(window.width))
    transform = info.transform * info.transform.translation(window.col_off, window.row_off)
    burnt = rasterize(list(shapes), shape, transform=transform, dtype="uint8")
    return np.asarray(burnt, dtype=bool)


def _mask_file(labels: Path, image: Path, window: Window) -> NDArray[np.bool_]:
    candidates = [labels / (image.stem + suffix) for suffix in MASK_SUFFIXES]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        raise TrainingError(f"{image}: no mask {image.stem}.png in {labels}")
    with open_raster(found, bands=(1,)) as reader:
        if (reader.info.height, reader.info.width) < (window.height, window.width):
            raise TrainingError(f"{found}: {reader.info.shape} is not the size of {image.name}")
        mask: NDArray[np.bool_] = reader.read(window).data[0] > 0
    return mask
