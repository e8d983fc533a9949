"""Rasters, or vectors drawn on a grid, as run-length files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rasterio.windows import Window

from geounet.errors import OptionError, RasterError
from geounet.inputs import find_rasters
from geounet.maps import is_probability
from geounet.outputs import check_target, staged
from geounet.raster import open_raster
from geounet.rle.encoder import RunEncoder
from geounet.rle.kaggle import LABELS
from geounet.rle.output import SUFFIXES, image_of, write_coco, write_kaggle
from geounet.rle.pairs import Order, check_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from geounet.reader import Reader
    from geounet.rle.coco import CocoImage

    Counts = Iterable[NDArray[np.int64]]
    Objects = Iterator[tuple[int, Counts]]

VECTORS = (".gpkg", ".geojson", ".fgb", ".shp")
_STRIP_PIXELS = 1 << 22
_STRIP_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """What a user may ask of run lengths."""

    values: Literal["mask", "classes", "instances"] = "mask"
    """What pixels but 0 are: set, the number of a class, or the number of an object."""
    order: Order = "column"
    """How pixels are counted; COCO knows columns only."""
    compact: bool = True
    """COCO's compressed counts instead of lists of numbers."""
    like: Path | None = None
    """Raster whose grid vectors are drawn on."""
    overwrite: bool = False
    """Replace an output that exists."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""


def encode_files(inputs: Sequence[str], out: Path, options: EncodeOptions) -> int:
    """Write the run lengths of rasters, or of vectors drawn on a grid; return the objects.

    Args:
        inputs: rasters with one band of integers, folders or globs of them, or one vector file.
        out: .json for COCO, .csv for Kaggle.
        options: everything else.

    Raises:
        GeounetError: an input cannot be used; nothing is left at the output path.
    """
    check_order(options.order)
    if options.order == "row" and out.suffix.lower() == ".json":
        raise OptionError(
            "COCO counts down the columns, got --order row; leave it out, or use .csv"
        )
    if options.like is not None:
        rasters = [str(options.like)]
        if len(inputs) != 1:
            raise OptionError(f"--like draws one vector file, got {len(inputs)} inputs")
    else:
        vectors = [each for each in inputs if Path(each).suffix.lower() in VECTORS]
        if vectors:
            raise OptionError(f"{vectors[0]}: vectors need a grid; name its raster with --like")
        rasters = find_rasters(inputs)
    check_target(out, inputs=[*inputs, *rasters], overwrite=options.overwrite, suffixes=SUFFIXES)
    images = [_image(number, path, options) for number, path in enumerate(rasters, 1)]
    _check_names(images)
    with staged(out) as path, path.open("w", encoding="utf-8", newline="\n") as file:
        objects = (
            (image, label, counts)
            for image, raster in zip(images, rasters, strict=True)
            for label, counts in _objects(raster, inputs[0], path.parent, options)
        )
        if out.suffix.lower() == ".json":
            return write_coco(file, images, objects, compact=options.compact)
        return write_kaggle(file, objects, classes=options.values == "classes")


def _image(number: int, path: str, options: EncodeOptions) -> CocoImage:
    with open_raster(path, allow_vrt=options.allow_vrt, indexed=True) as reader:
        info = reader.info
    if options.like is None and (info.count != 1 or info.dtype.kind not in "biu"):
        raise RasterError(
            f"{path}: has {info.count} bands of {info.dtype} (expected one of integers: a mask); "
            "make one with geounet predict --mask or geounet masks"
        )
    if options.like is None and is_probability(info):
        raise RasterError(f"{path}: is a probability, expected a mask; predict it with --mask")
    return image_of(info, number)


def _check_names(images: Sequence[CocoImage]) -> None:
    times = Counter(image.name.stem for image in images)
    twice = [name for name, count in times.items() if count > 1]
    if twice:
        raise OptionError(
            f"several inputs are called {min(twice)}; encode them into files of their own"
        )


def _objects(raster: str, vector: str, folder: Path, options: EncodeOptions) -> Objects:
    with open_raster(raster, allow_vrt=options.allow_vrt, indexed=True) as reader:
        if options.like is not None:
            from geounet.annotations.vector import feature_counts  # noqa: PLC0415  geopandas

            yield from ((1, [counts]) for counts in feature_counts(Path(vector), reader.info))
            return
        shape = reader.info.shape
        turned_ = options.order == "row"
        with RunEncoder(shape[::-1] if turned_ else shape, folder) as encoder:
            for labels, row in _strips(reader, options.values):
                if turned_:
                    encoder.add(np.ascontiguousarray(labels.T), 0, row)
                else:
                    encoder.add(labels, row)
            yield from _labelled(encoder, options)


def _strips(reader: Reader, values: str) -> Iterator[tuple[NDArray[Any], int]]:
    height, width = reader.info.shape
    rows = min(max(_STRIP_PIXELS // width, 1), _STRIP_ROWS)
    for row in range(0, height, rows):
        patch = reader.read(Window(0, row, width, min(rows, height - row)))
        labels = np.where(patch.valid, patch.data[0], 0)
        if values == "mask":
            yield labels != 0, row
            continue
        most = LABELS if values == "classes" else np.iinfo(np.uint16).max
        if labels.min() < 0 or labels.max() > most:
            raise RasterError(
                f"{reader.info.path}: values run from {labels.min()} to {labels.max()} "
                f"(expected 0 to {most}); for a plain mask leave --values out"
            )
        yield labels, row


def _labelled(encoder: RunEncoder, options: EncodeOptions) -> Objects:
    if options.values == "instances":
        yield from ((1, [counts]) for _, counts in encoder.objects())
    elif options.values == "classes":
        yield from ((label, encoder.counts(label)) for label in encoder.labels())
    else:
        yield 1, encoder.counts()
