"""Images that an annotation file names → labelled images: COCO, VIA, run lengths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rasterio.windows import Window

from geounet.annotations.coco import parse_shapes
from geounet.annotations.via import is_via, parse_via
from geounet.documents import read_json
from geounet.errors import AnnotationError, GeounetError
from geounet.imagery import Imagery, grid_of
from geounet.rle.kaggle import read_rows, row_counts
from geounet.rle.reader import RunReader
from geounet.training.listed import Drawn, Painted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath

    from geounet.raster import RasterInfo
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
    else:
        raise AnnotationError(f"{path}: is neither VIA nor COCO; export it as one")
    images = _images(path)
    for name, drawn in shapes.items():
        raster = _found(listing, images, name, path)
        if raster is not None and _fits(listing, raster, sizes.get(name), path):
            listing.add(Path(raster), Drawn.of(drawn), place=path.stem)


def list_runs(listing: Listing, path: Path) -> None:
    """Note the images of a Kaggle file of run lengths; each of its rows is an object.

    Raises:
        AnnotationError: the file is malformed.
    """
    images = _images(path)
    rows: dict[PurePosixPath, list[KaggleRow]] = {}
    for row in read_rows(path):
        rows.setdefault(row.image, []).append(row)
    for name, objects in rows.items():
        raster = _found(listing, images, name, path)
        if raster is not None:
            try:
                truth = _painted(grid_of(raster), objects)
            except GeounetError as error:
                listing.faults.append(str(error))
                continue
            listing.add(Path(raster), truth, place=path.stem)


def _painted(info: RasterInfo, objects: list[KaggleRow]) -> Truth:
    reader = RunReader(info)
    try:
        for row in objects:
            reader.add(row.label, row_counts(row, info.shape))
        height, width = info.shape
        return Painted(reader.labels(Window(0, 0, width, height)) > 0)
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
