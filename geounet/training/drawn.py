"""Images that an annotation file names → labelled images: COCO, VIA, run lengths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rasterio.windows import Window

from geounet.annotations.classes import class_names
from geounet.annotations.coco import CATEGORY, parse_shapes
from geounet.annotations.drawn import Drawn
from geounet.annotations.via import is_via, parse_via
from geounet.documents import read_json
from geounet.errors import AnnotationError, GeounetError
from geounet.imagery import Imagery, grid_of
from geounet.rle.kaggle import CLASS, read_rows, row_counts
from geounet.rle.reader import RunReader
from geounet.training.listed import Painted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePosixPath

    from geounet.annotations.classes import Classes
    from geounet.annotations.shapes import Shape
    from geounet.reader import RasterInfo
    from geounet.rle.kaggle import KaggleRow
    from geounet.training.listed import Truth
    from geounet.training.listing import Listing


def list_drawn(listing: Listing, path: Path) -> None:
    """Note the images of a COCO or VIA file; they lie in `images` beside it, or beside it.

    Raises:
        AnnotationError: the file is none of these, or malformed.
    """
    content = read_json(path)
    sizes: Mapping[PurePosixPath, tuple[int, int]] = {}
    if is_via(content):
        shapes = parse_via(content, path)
    elif isinstance(content, dict) and {"images", "annotations"} & set(content):
        shapes, sizes = parse_shapes(content, path)
        if listing.classes.several and listing.classes.by is None:
            listing.classes = replace(listing.classes, by=CATEGORY)
    else:
        raise AnnotationError(f"{path}: is neither VIA nor COCO; export it as one")
    every = [shape for drawn in shapes.values() for shape in drawn]
    _name_classes(listing, every, path)
    listing.check_shapes(every)
    images = _images(path)
    for name, drawn in shapes.items():
        raster = _found(listing, images, name, path)
        if raster is not None and _fits(listing, raster, sizes.get(name), path):
            listing.add(Path(raster), Drawn.of(drawn, listing.classes), place=path.stem)


def list_runs(listing: Listing, path: Path) -> None:
    """Note the images of a Kaggle file of run lengths; each of its rows is an object of a class.

    Raises:
        AnnotationError: the file is malformed.
    """
    if listing.classes.by is not None:
        raise AnnotationError(
            f"{path}: has no attribute {listing.classes.by}; name what its {CLASS} stands for with "
            "--classes instead of --class-by"
        )
    images = _images(path)
    rows: dict[PurePosixPath, list[KaggleRow]] = {}
    for row in read_rows(path):
        rows.setdefault(row.image, []).append(row)
    for name, objects in rows.items():
        raster = _found(listing, images, name, path)
        if raster is not None:
            try:
                truth = _painted(grid_of(raster), objects, listing.classes)
            except GeounetError as error:
                listing.faults.append(str(error))
                continue
            listing.add(Path(raster), truth, place=path.stem)


def _name_classes(listing: Listing, shapes: Sequence[Shape], path: Path) -> None:
    """Take the values of the attribute that tells classes for their names, if nobody gave any."""
    by = listing.classes.by
    if by is None or listing.classes.names:
        return
    names = class_names(shapes, by)
    if not names:
        raise AnnotationError(f"{path}: no shape has an attribute {by}; look into the file")
    listing.name_classes(names, path)


def _painted(info: RasterInfo, objects: list[KaggleRow], classes: Classes) -> Truth:
    reader = RunReader(info)
    try:
        for row in objects:
            if classes.several and row.label > len(classes.names):
                raise AnnotationError(
                    f"{row.where}: {CLASS} is {row.label} (expected 1 to {len(classes.names)}: "
                    f"{', '.join(classes.names)}); name it with --classes"
                )
            reader.add(row.label, row_counts(row, info.shape))
        height, width = info.shape
        labels = reader.labels(Window(0, 0, width, height))
        return Painted(labels if classes.several else labels > 0)
    finally:
        reader.close()


def _images(path: Path) -> Imagery:
    folder = path.parent / "images"
    return Imagery(folder if folder.is_dir() else path.parent)


def _found(listing: Listing, images: Imagery, name: PurePosixPath, path: Path) -> str | None:
    raster = images.get(name)
    if raster is None:
        listing.faults.append(f"{path}: image {name} is not in {images.folder}; add it")
    return raster


def _fits(listing: Listing, raster: str, size: tuple[int, int] | None, path: Path) -> bool:
    try:
        shape = grid_of(raster).shape
    except GeounetError as error:
        listing.faults.append(str(error))
        return False
    if size not in (None, shape):
        listing.faults.append(f"{raster}: is {shape} (height, width; {path.name} says {size})")
    return size in (None, shape)
