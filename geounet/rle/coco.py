"""Read COCO files: images, categories and annotations, and each image's place in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError

from geounet.documents import checked, read_json, safe_name, take
from geounet.errors import AnnotationError
from geounet.rle.compressed import decompressed
from geounet.rle.counts import check_shape
from geounet.rle.counts import checked as checked_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path, PurePosixPath

    from numpy.typing import NDArray

_SIX = 6
_LARGEST_EDGE = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class CocoImage:
    """One image of a file."""

    number: int
    """Its id."""
    name: PurePosixPath
    """Its file, below some folder."""
    height: int
    """Rows."""
    width: int
    """Columns."""
    transform: Affine | None = None
    """Pixel corner (col, row) → world (x, y), where the file says so."""
    crs: CRS | None = None
    """Coordinate reference system, where the file says so."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True, kw_only=True)
class CocoObject:
    """One annotation."""

    where: str
    """File and entry, for messages."""
    image: int
    """Id of its image."""
    category: int
    """Id of its category."""
    segmentation: Any
    """Run lengths `{"size", "counts"}`, or a list of polygons, as the file has it."""


@dataclass(frozen=True, kw_only=True)
class CocoFile:
    """What a file holds."""

    path: Path
    """The file."""
    images: tuple[CocoImage, ...]
    """Its images."""
    categories: dict[int, str]
    """Id → name, ascending; the first is class 1 of a mask, and so on."""
    objects: tuple[CocoObject, ...]
    """Its annotations."""


def read_coco(path: Path) -> CocoFile:
    """Return what a COCO file holds; run lengths are checked when they are read.

    Raises:
        AnnotationError: it is no COCO file, or a field is missing or of another kind.
    """
    return parse_coco(read_json(path), path)


def parse_coco(content: object, path: Path) -> CocoFile:
    """Return what the content of a COCO file says.

    Raises:
        AnnotationError: it is no COCO file, or a field is missing or of another kind.
    """
    entries = enumerate(take(content, "images", list, str(path)), 1)
    images = tuple(_image(each, f"{path}: image {number}") for number, each in entries)
    entries = enumerate(take(content, "annotations", list, str(path)), 1)
    objects = tuple(_object(each, f"{path}: annotation {number}") for number, each in entries)
    _check_unique([image.number for image in images], f"{path}: image id")
    _check_unique([str(image.name) for image in images], f"{path}: file name")
    known = {image.number for image in images}
    for each in objects:
        if each.image not in known:
            raise AnnotationError(
                f"{each.where}: image_id {each.image} is none of the images; add it"
            )
    return CocoFile(
        path=path,
        images=images,
        categories=_categories(checked(content, dict, str(path)), objects, path),
        objects=objects,
    )


def run_lengths(each: CocoObject, shape: tuple[int, int]) -> Iterator[NDArray[np.int64]]:
    """Yield the counts of an annotation piece by piece, checked.

    Raises:
        AnnotationError: they are malformed, or of another shape than the image.
    """
    rle, where = each.segmentation, each.where
    if isinstance(rle, list):
        raise AnnotationError(f"{where}: holds polygons (expected run lengths); run: geounet masks")
    edges = take(rle, "size", list, where)
    size = tuple(checked(edge, int, f"{where}: size") for edge in edges)
    if size != shape:
        raise AnnotationError(
            f"{where}: size is {list(size)} (height, width; its image: {list(shape)}); correct it"
        )
    counts = checked(rle, dict, where).get("counts")
    pixels = shape[0] * shape[1]
    if isinstance(counts, str):
        return decompressed(counts, pixels, where)
    if not isinstance(counts, list):
        raise AnnotationError(f"{where}: counts are {type(counts).__name__}, expected text or list")
    numbers = [checked(count, int, f"{where}: count {at}") for at, count in enumerate(counts, 1)]
    return checked_counts([np.array(numbers, np.int64)], pixels, where)


def _image(entry: object, where: str) -> CocoImage:
    height, width = (take(entry, key, int, where) for key in ("height", "width"))
    check_shape((height, width), where)
    if max(height, width) > _LARGEST_EDGE:
        raise AnnotationError(f"{where}: size is {height} × {width}; no raster is that long")
    name = safe_name(take(entry, "file_name", str, where), where)
    return CocoImage(
        number=take(entry, "id", int, where),
        name=name,
        height=height,
        width=width,
        transform=_transform(checked(entry, dict, where), where),
        crs=_crs(checked(entry, dict, where), where),
    )


def _transform(entry: dict[str, Any], where: str) -> Affine | None:
    if entry.get("transform") is None:
        return None
    listed = take(entry, "transform", list, where)
    numbers = [checked(number, float, f"{where}: transform") for number in listed]
    if len(numbers) != _SIX or Affine(*numbers).is_degenerate:
        raise AnnotationError(
            f"{where}: transform is {numbers} (expected six numbers a, b, c, d, e, f with "
            "x = a·col + b·row + c and y = d·col + e·row + f); correct it"
        )
    return Affine(*numbers)


def _crs(entry: dict[str, Any], where: str) -> CRS | None:
    if entry.get("crs") is None:
        return None
    text = take(entry, "crs", str, where)
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise AnnotationError(f"{where}: crs is not known; write one like EPSG:32633") from error


def _object(entry: object, where: str) -> CocoObject:
    segmentation = checked(entry, dict, where).get("segmentation")
    if not isinstance(segmentation, dict | list):
        raise AnnotationError(f"{where}: lacks a segmentation; boxes alone make no mask")
    return CocoObject(
        where=where,
        image=take(entry, "image_id", int, where),
        category=take(entry, "category_id", int, where),
        segmentation=segmentation,
    )


def _categories(
    content: dict[str, Any], objects: Sequence[CocoObject], path: Path
) -> dict[int, str]:
    used = {each.category for each in objects}
    listed = take(content, "categories", list, str(path)) if "categories" in content else None
    if listed is None:
        return {number: f"category {number}" for number in sorted(used)}
    named = {}
    for at, entry in enumerate(listed, 1):
        where = f"{path}: category {at}"
        named[take(entry, "id", int, where)] = take(entry, "name", str, where)
    for each in objects:
        if each.category not in named:
            raise AnnotationError(
                f"{each.where}: category_id {each.category} is no category; add it"
            )
    return dict(sorted(named.items()))


def _check_unique(values: Sequence[object], what: str) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise AnnotationError(f"{what} {value} stands twice; give each image its own")
        seen.add(value)
