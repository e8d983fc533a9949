"""COCO files: polygons and run lengths, crowds too → shapes of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.annotations.shapes import Shape, polygon
from geounet.documents import checked
from geounet.errors import AnnotationError
from geounet.footprints.corners import trace_cell
from geounet.footprints.trace import Tracer
from geounet.rle.coco import CocoFile, CocoObject, parse_coco, run_lengths
from geounet.rle.counts import Rle, decode

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    from shapely.geometry.base import BaseGeometry

CATEGORY = "category"
"""Attribute that holds an object's category."""


def parse_shapes(
    content: object, path: Path
) -> tuple[dict[PurePosixPath, list[Shape]], dict[PurePosixPath, tuple[int, int]]]:
    """Return the shapes and the size of each image; run lengths become their pixels' outlines.

    Raises:
        AnnotationError: an entry is malformed.
    """
    file = parse_coco(content, path)
    images: dict[PurePosixPath, list[Shape]] = {image.name: [] for image in file.images}
    by_number = {image.number: image for image in file.images}
    for each in file.objects:
        image = by_number[each.image]
        images[image.name] += _shapes(each, image.shape, file)
    return images, {image.name: image.shape for image in file.images}


def _shapes(each: CocoObject, shape: tuple[int, int], file: CocoFile) -> list[Shape]:
    if isinstance(each.segmentation, dict):
        geometries = _traced(each, shape)
    else:
        geometries = [
            _polygon(flat, f"{each.where}: polygon {number}")
            for number, flat in enumerate(each.segmentation, 1)
        ]
    said = {CATEGORY: frozenset([file.categories[each.category]])}
    return [Shape(geometry=one, where=each.where, attributes=said) for one in geometries]


def _polygon(flat: Any, where: str) -> BaseGeometry:  # noqa: ANN401 - as the file has it
    numbers = [
        checked(number, float, f"{where}: number {at}")
        for at, number in enumerate(checked(flat, list, where), 1)
    ]
    if len(numbers) % 2:
        raise AnnotationError(f"{where}: has {len(numbers)} numbers (expected x and y in turn)")
    return polygon(numbers[::2], numbers[1::2])


def _traced(each: CocoObject, shape: tuple[int, int]) -> list[BaseGeometry]:
    mask = decode(Rle(*shape, np.concatenate(list(run_lengths(each, shape)))), row_major=True)
    tracer = Tracer(shape, 1)
    parts = [tracer.add_strip([trace_cell(mask.astype(np.uint8), None, 1)]), tracer.finish()]
    return [geometry for part in parts for geometry in part.polygons()]
