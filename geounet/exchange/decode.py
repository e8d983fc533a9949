"""Run-length files as class rasters, or as footprints."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geounet.cog import class_writer
from geounet.errors import AnnotationError, GeounetWarning, OptionError
from geounet.imagery import Imagery, grid_of
from geounet.outputs import check_target, make_folder, staged
from geounet.reader import RasterInfo
from geounet.rle.coco import CocoImage, read_coco, run_lengths
from geounet.rle.counts import LARGEST, Rle, decode, encode, runs
from geounet.rle.kaggle import LABELS, KaggleRow, read_rows, row_counts
from geounet.rle.painter import STRIP
from geounet.rle.pairs import Order, check_order
from geounet.rle.reader import RunReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    Counts = Iterable[NDArray[np.int64]]
    Objects = list[tuple[int, Callable[[tuple[int, int]], Counts]]]

RASTERS = (".tif", ".tiff")
SINGLE = (*RASTERS, ".gpkg")


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """What a user may ask of masks from run lengths."""

    images: Path | None = None
    """Folder of the images: their size, transform and CRS."""
    order: Order = "column"
    """How pixels are counted; COCO knows columns only."""
    category: str | None = None
    """Only this one."""
    overwrite: bool = False
    """Replace an output that exists."""


@dataclass(frozen=True)
class Found:
    """What a run-length file holds of one image."""

    name: PurePosixPath
    """The image's file, or its stem."""
    info: RasterInfo
    """Its grid."""
    objects: Objects
    """Class and counts of each object, read and checked when called with the grid's shape."""


def decode_file(
    source: Path,
    out: Path,
    options: DecodeOptions,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Path]:
    """Write the masks of a run-length file; return their paths.

    Args:
        source: .json (COCO) or .csv (Kaggle).
        out: a folder for one class raster an image, or one .tif, or one .gpkg of footprints.
        options: everything else.
        progress: called with images done and images in total.

    Raises:
        GeounetError: a file cannot be used; nothing was written then.
    """
    found = read_runs(source, options)
    single = out.suffix.lower() in SINGLE
    if single and len(found) != 1:
        raise OptionError(f"{source} holds {len(found)} images, got one file {out}; name a folder")
    targets = [out if single else out / each.name.with_suffix(".tif") for each in found]
    _check_unique(targets)
    if not single:
        _areas(found)  # what is damaged is found before the first image is written
        for folder in {target.parent for target in targets}:
            make_folder(folder)
    for target in targets:
        check_target(target, inputs=[source], overwrite=options.overwrite, suffixes=SINGLE)
    for done, (each, target) in enumerate(zip(found, targets, strict=True), 1):
        _decode(each, source, target, options)
        progress(done, len(found))
    return targets


def read_runs(source: Path, options: DecodeOptions) -> list[Found]:
    """Return what a run-length file holds, image by image; nothing is decoded yet.

    Raises:
        GeounetError: the file, or an image's size, cannot be used.
    """
    check_order(options.order)
    if source.suffix.lower() == ".csv":
        return _kaggle(source, options)
    if source.suffix.lower() != ".json":
        raise OptionError(f"{source}: unknown kind of file (expected .json or .csv)")
    if options.order == "row":
        raise OptionError("COCO counts down the columns, got --order row; leave it out")
    return _coco(source, options)


def _decode(found: Found, source: Path, target: Path, options: DecodeOptions) -> None:
    labels = {label for label, _ in found.objects}
    with closing(RunReader(found.info, target.parent)) as reader:
        while found.objects:  # a text is let go once it is read
            label, counts = found.objects.pop()
            reader.add(label, counts(found.info.shape))
            del counts
        if target.suffix.lower() not in RASTERS:
            if len(labels) > 1:
                raise OptionError(
                    f"{source}: has {len(labels)} categories, footprints are drawn of one; "
                    "name it with --category"
                )
            from geounet.vectorize import VectorizeOptions, trace_reader  # noqa: PLC0415  geopandas

            trace_reader(reader, source, target, VectorizeOptions(overwrite=options.overwrite))
            return
        with (
            staged(target) as path,
            class_writer(path, found.info, max(labels, default=1)) as writer,
        ):
            height, width = found.info.shape
            for row in range(0, height, STRIP):
                window = Window(0, row, width, min(STRIP, height - row))
                writer.write(reader.labels(window)[None], window)
        if reader.disputed:
            warn(
                f"{found.name}: {reader.disputed:,} pixels are of several classes; "
                "the one with the largest number stands",
                GeounetWarning,
                stacklevel=2,
            )


def _check_unique(targets: list[Path]) -> None:
    twice = [str(target) for target, times in Counter(targets).items() if times > 1]
    if twice:
        raise OptionError(f"{min(twice)}: two images would become this file; rename one of them")


def _kaggle(source: Path, options: DecodeOptions) -> list[Found]:
    if options.category is not None:
        raise OptionError(f"{source}: a .csv has no named categories; leave --category out")
    if options.images is None:
        raise OptionError(f"{source}: a .csv does not say sizes; name the images with --images")
    rows: dict[PurePosixPath, list[KaggleRow]] = defaultdict(list)
    for row in read_rows(source):
        rows[row.image].append(row)
    imagery = Imagery(options.images)
    if any(imagery.get(name) is None for name in rows):
        _check_rows(rows, imagery, options.order)  # what is damaged is told before what is missing
    rasters = imagery.find(rows, source)
    return [
        Found(
            PurePosixPath(Path(rasters[name]).name),
            grid_of(rasters[name]),
            [(row.label, partial(_row_counts, row, options.order)) for row in listed],
        )
        for name, listed in rows.items()
    ]


def _check_rows(
    rows: Mapping[PurePosixPath, list[KaggleRow]], imagery: Imagery, order: Order
) -> None:
    """Read every row; one whose image is not known as if that were the largest there is."""
    for name, listed in rows.items():
        raster = imagery.get(name)
        shape = (1, LARGEST) if raster is None else grid_of(raster).shape
        for row in listed:
            _area(row_counts(row, shape[::-1] if order == "row" else shape))


def _row_counts(row: KaggleRow, order: Order, shape: tuple[int, int]) -> Counts:
    """Counts down the columns; runs along the rows pass through the mask of their object."""
    if order == "column":
        return row_counts(row, shape)
    height, width = shape
    counts = np.concatenate(list(row_counts(row, (width, height))))
    return [encode(decode(Rle(width, height, counts)).T).counts]


def _coco(source: Path, options: DecodeOptions) -> list[Found]:
    file = read_coco(source)
    names = list(file.categories.values())
    if options.category is not None and options.category not in names:
        raise OptionError(f"{source}: has no category {options.category} ({', '.join(names)})")
    classes = {number: at for at, number in enumerate(file.categories, 1)}
    if len(classes) > LABELS:
        raise AnnotationError(f"{source}: has {len(classes)} categories (at most {LABELS})")
    objects: dict[int, Objects] = defaultdict(list)
    for each in file.objects:
        if options.category in (None, file.categories[each.category]):
            label = classes[each.category] if options.category is None else 1
            objects[each.image].append((label, partial(run_lengths, each)))
    wanted = [image.name for image in file.images]
    rasters = {} if options.images is None else Imagery(options.images).find(wanted, source)
    return [
        Found(
            image.name,
            grid_of(rasters[image.name]) if rasters else _own_grid(image, source),
            objects[image.number],
        )
        for image in file.images
    ]


def _own_grid(image: CocoImage, source: Path) -> RasterInfo:
    return RasterInfo(
        path=source,
        height=image.height,
        width=image.width,
        count=1,
        dtype=np.dtype(np.uint8),
        transform=image.transform or Affine.identity(),
        crs=image.crs,
        nodata=None,
        block_shape=(STRIP, image.width),
    )


def summary(source: Path, options: DecodeOptions) -> dict[str, Any]:
    """Check every run length of a file; return how much it holds.

    Raises:
        GeounetError: something is malformed.
    """
    found = read_runs(source, options)
    areas = _areas(found)
    shapes = Counter(each.info.shape for each in found)
    return {
        "images": len(found),
        "empty images": sum(not each.objects for each in found),
        "objects": len(areas),
        "empty objects": areas.count(0),
        "classes": len({label for each in found for label, _ in each.objects}),
        "pixels set": sum(areas),
        "sizes": ", ".join(
            f"{height} × {width} ({times})" for (height, width), times in shapes.most_common(5)
        ),
    }


def _areas(found: list[Found]) -> list[int]:
    """Pixels of every object, all of them read and checked."""
    return [_area(counts(each.info.shape)) for each in found for _, counts in each.objects]


def _area(pieces: Counts) -> int:
    return sum(int((ends - starts).sum()) for _, starts, ends in runs(pieces))
