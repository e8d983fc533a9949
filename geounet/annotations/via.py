"""VGG Image Annotator 1 and 2: projects and annotation exports → shapes of each image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import shapely

from geounet.annotations.shapes import Shape, ellipse, polygon
from geounet.documents import checked, safe_name, shown, take
from geounet.errors import AnnotationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path, PurePosixPath

    from shapely.geometry.base import BaseGeometry

IMAGES = "_via_img_metadata"
"""Where a project keeps what an export is: one entry an image."""

_THIRD = {"project", "config", "attribute", "file", "metadata", "view"}


def is_via(content: object) -> bool:
    """Return whether a file's content looks like VIA's, of any version."""
    if not isinstance(content, dict):
        return False
    entries = list(content.values())[:1]
    return (
        IMAGES in content
        or set(content) >= _THIRD
        or any(isinstance(entry, dict) and "regions" in entry for entry in entries)
    )


def parse_via(content: dict[str, Any], path: Path) -> dict[PurePosixPath, list[Shape]]:
    """Return the shapes of each image; an image without regions has none.

    Raises:
        AnnotationError: it is of VIA 3, or an entry is malformed.
    """
    if set(content) >= _THIRD:
        raise AnnotationError(
            f"{path}: is a project of VIA 3 (expected VIA 1 or 2, or COCO); export it as COCO"
        )
    entries = take(content, IMAGES, dict, str(path)) if IMAGES in content else content
    images: dict[PurePosixPath, list[Shape]] = {}
    for key, entry in entries.items():
        where = f"{path}: image {shown(key)}"
        name = safe_name(take(entry, "filename", str, where), where)
        if name in images:
            raise AnnotationError(f"{where}: file name {name} stands twice; merge its entries")
        images[name] = list(_shapes(entry, f"{path}: {name}"))
    return images


def _shapes(entry: dict[str, Any], where: str) -> Iterator[Shape]:
    regions = entry.get("regions", [])
    if isinstance(regions, dict):  # VIA 1
        regions = list(regions.values())
    for number, region in enumerate(checked(regions, list, f"{where}: regions"), 1):
        here = f"{where}: region {number}"
        drawn = take(region, "shape_attributes", dict, here)
        kind = take(drawn, "name", str, here)
        if kind not in _KINDS:
            raise AnnotationError(
                f"{here}: shape {shown(kind)} is none of {', '.join(_KINDS)}; draw it as one"
            )
        said = checked(region.get("region_attributes", {}), dict, f"{here}: region_attributes")
        yield Shape(
            geometry=_KINDS[kind](drawn, here),
            where=here,
            attributes={str(key): _values(value) for key, value in said.items()},
        )


def _values(value: object) -> frozenset[str]:
    """A text is one value, a checkbox several: `{option: true}`."""
    if isinstance(value, dict):
        return frozenset(str(option) for option, ticked in value.items() if ticked is True)
    return frozenset([str(value)])


def _number(value: object, where: str) -> float:
    """A number, which VIA 1 may write as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise AnnotationError(f"{where} is {shown(value)} (expected a number)") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise AnnotationError(f"{where} is {value} (expected a finite number); correct it")
    number: float = checked(value, float, where)
    return number


def _field(drawn: dict[str, Any], key: str, where: str) -> float:
    if key not in drawn:
        raise AnnotationError(f"{where}: lacks {key!r}; it is incomplete")
    return _number(drawn[key], f"{where}: {key}")


def _size(drawn: dict[str, Any], key: str, where: str) -> float:
    size = _field(drawn, key, where)
    if size < 0:
        raise AnnotationError(f"{where}: {key} is {size:g} (expected 0 or more); correct it")
    return size


def _rect(drawn: dict[str, Any], where: str) -> BaseGeometry:
    x, y = (_field(drawn, key, where) for key in ("x", "y"))
    width, height = (_size(drawn, key, where) for key in ("width", "height"))
    return polygon((x, x + width, x + width, x), (y, y, y + height, y + height))


def _circle(drawn: dict[str, Any], where: str) -> BaseGeometry:
    radius = _size(drawn, "r", where)
    return ellipse((_field(drawn, "cx", where), _field(drawn, "cy", where)), (radius, radius))


def _ellipse(drawn: dict[str, Any], where: str) -> BaseGeometry:
    centre = _field(drawn, "cx", where), _field(drawn, "cy", where)
    radii = _size(drawn, "rx", where), _size(drawn, "ry", where)
    return ellipse(centre, radii, _field({"theta": 0.0, **drawn}, "theta", where))


def _polygon(drawn: dict[str, Any], where: str) -> BaseGeometry:
    xs, ys = (
        [
            _number(value, f"{where}: {key} {at}")
            for at, value in enumerate(take(drawn, key, list, where), 1)
        ]
        for key in ("all_points_x", "all_points_y")
    )
    if len(xs) != len(ys):
        raise AnnotationError(f"{where}: has {len(xs)} x and {len(ys)} y; a point needs both")
    return polygon(xs, ys)


def _point(drawn: dict[str, Any], where: str) -> BaseGeometry:
    return shapely.Point(_field(drawn, "cx", where), _field(drawn, "cy", where))


_KINDS: dict[str, Callable[[dict[str, Any], str], BaseGeometry]] = {
    "rect": _rect,
    "circle": _circle,
    "ellipse": _ellipse,
    "polygon": _polygon,
    "polyline": _polygon,
    "point": _point,
}
