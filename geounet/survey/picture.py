"""A small picture of a scene with its footprints, kept in `.survey/` for the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rasterio.features import rasterize

from geounet.footprints.origin import origin_of
from geounet.page.shapes import read_shapes
from geounet.preview import picture, preview
from geounet.raster import open_raster
from geounet.survey.find import KEPT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.raster import RasterReader
    from geounet.survey.work import Unit

EDGE = 200
"""Longest edge, pixels."""

LARGEST = 1 << 26
"""Pixels of a raster that is read once more for its picture; of a larger one footprints alone."""

PAPER, DRAWN = np.array([233, 231, 224], np.uint8), np.array([214, 72, 40])


def picture_beside(out: Path) -> Path:
    """Return where the picture of a scene is, if there is one."""
    return out.parent / KEPT / "pictures" / f"{out.name}.jpg"


def draw_picture(unit: Unit) -> None:
    """Draw the picture of a scene that was predicted.

    Raises:
        GeounetError: the raster is gone.
        OSError: the picture cannot be written.
    """
    path = picture_beside(unit.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_raster(
        unit.raster, bands=unit.options.bands, allow_vrt=unit.options.allow_vrt
    ) as reader:
        image = _image(reader)
        drawn = _footprints(unit.out, reader, image.shape[:2])
    image[drawn] = (0.25 * image[drawn] + 0.75 * DRAWN).astype(np.uint8)
    path.write_bytes(picture(image, "JPEG", quality=80))


def _image(reader: RasterReader) -> NDArray[np.uint8]:
    height, width = reader.info.shape
    if height * width > LARGEST:
        scale = max(height, width) / EDGE
        shape = math.ceil(height / scale), math.ceil(width / scale)
        return np.full((*shape, 3), PAPER, np.uint8)
    seen = preview(reader, EDGE)
    return np.where(seen.valid[..., None], seen.pixels, PAPER)


def _footprints(out: Path, reader: RasterReader, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the footprints lie in the picture."""
    origin = origin_of(out)
    layer = None if origin is None else origin[0]["model"]["layers"][0]
    outlines = [] if layer is None else list(read_shapes(out, layer, reader.info).outlines)
    if not outlines:
        return np.zeros(shape, np.bool_)
    scale = max(reader.info.shape) / max(shape)
    grid = (scale, 0, 0, 0, scale, 0)
    return rasterize(outlines, shape, transform=grid, all_touched=scale > 1, dtype="uint8") > 0  # type: ignore[no-any-return]
