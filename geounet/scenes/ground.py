"""Paint the ground: one index per pixel, one material per index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from geounet.scenes.canvas import Canvas, corner_of, linear
from geounet.scenes.texture import Array, Window, noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geounet.scenes.things import Colour, Patch


Index = NDArray[np.int32]


@dataclass(frozen=True)
class Material:
    """How one kind of ground looks."""

    colour: Colour
    """Display colour, 0-255."""
    other: Colour
    """What it fades to in patches."""
    clump: float = 0.15
    """How far patches of a metre mix the two."""
    drift: float = 0.25
    """How far patches of ten metres mix the two."""
    fine: float = 0.06
    """Grain of brightness."""
    stripes: float = 0.0
    """Metres between stripes; 0 for none."""
    contrast: float = 0.0
    """Brightness swing of the stripes."""
    soft: bool = False
    """Whether its border is ragged, as grass and earth are."""


MATERIALS = {
    "meadow": Material((112, 118, 82), (138, 130, 100), 0.2, 0.35, 0.09, soft=True),
    "lawn": Material((96, 116, 70), (124, 124, 86), 0.16, 0.3, 0.07, soft=True),
    "garden": Material((104, 110, 78), (126, 114, 92), 0.3, 0.3, 0.1, soft=True),
    "earth": Material((148, 130, 108), (128, 116, 92), 0.2, 0.3, 0.07, soft=True),
    "sand": Material((186, 170, 144), (164, 146, 118), 0.15, 0.35, 0.06, soft=True),
    "gravel": Material((158, 150, 138), (132, 124, 110), 0.16, 0.3, 0.07, soft=True),
    "crop": Material((96, 118, 66), (122, 128, 80), 0.08, 0.22, 0.06, 2.4, 0.07, soft=True),
    "ripe": Material((176, 158, 110), (158, 142, 100), 0.08, 0.2, 0.05, 3.0, 0.05, soft=True),
    "ploughed": Material((124, 104, 86), (142, 122, 102), 0.1, 0.25, 0.07, 1.4, 0.1, soft=True),
    "orchard": Material((108, 116, 78), (132, 122, 92), 0.2, 0.25, 0.08, 4.0, 0.05, soft=True),
    "water": Material((52, 68, 66), (64, 80, 72), 0.03, 0.3, 0.03, soft=True),
    "flood": Material((122, 108, 86), (106, 98, 80), 0.05, 0.3, 0.03, soft=True),
    "bank": Material((116, 112, 86), (98, 104, 74), 0.3, 0.3, 0.09, soft=True),
    "pavement": Material((156, 152, 144), (140, 136, 130), 0.06, 0.16, 0.04),
    "asphalt": Material((104, 104, 106), (122, 120, 118), 0.08, 0.2, 0.04),
    "worn": Material((128, 126, 122), (112, 110, 106), 0.12, 0.25, 0.05),
    "concrete": Material((166, 162, 154), (146, 142, 134), 0.1, 0.2, 0.04, 4.0, 0.03),
    "kerb": Material((168, 166, 160), (140, 138, 134), 0.2, 0.2, 0.05),
    "paint": Material((206, 206, 202), (168, 168, 164), 0.3, 0.2, 0.06),
    "court": Material((154, 92, 74), (146, 88, 72), 0.05, 0.15, 0.03),
    "green court": Material((74, 110, 88), (80, 112, 92), 0.05, 0.15, 0.03),
    "pitch": Material((90, 120, 66), (104, 124, 74), 0.1, 0.2, 0.05, 8.0, 0.06),
    "pool": Material((92, 176, 196), (112, 190, 204), 0.1, 0.05, 0.05),
    "tent": Material((222, 222, 220), (206, 206, 206), 0.05, 0.05, 0.02),
    "ballast": Material((122, 112, 104), (108, 100, 94), 0.15, 0.15, 0.08),
    "rail": Material((150, 140, 132), (130, 116, 104), 0.2, 0.1, 0.05),
    "debris": Material((170, 158, 142), (92, 82, 72), 0.9, 0.1, 0.25, soft=True),
}


def paint_ground(canvas: Canvas, patches: Sequence[Patch]) -> None:
    """Paint the patches in order; the first should cover everything."""
    window = canvas.window
    index = _index(window, patches)
    materials = [MATERIALS[patch.material] for patch in patches]

    def spread(values: Iterable[float]) -> Array:
        """Return one value per patch as one value per pixel."""
        return np.take(np.fromiter(values, np.float32), index)

    blend = spread(0.5 + patch.mix for patch in patches)
    blend += 1.5 * spread(m.clump for m in materials) * noise("clump", window)
    blend += spread(m.drift for m in materials) * noise("drift", window)
    np.clip(blend, 0, 1, out=blend)
    tone = 1.8 * spread(m.fine for m in materials) * noise("fine", window) + np.float32(1)
    tone *= spread(patch.tint for patch in patches)
    tone *= _stripes(canvas, patches, index)
    for band, albedo in enumerate(canvas.albedo):
        first = [float(linear(m.colour)[band]) for m in materials]
        second = [float(linear(m.other)[band]) for m in materials]
        change = (b - a for a, b in zip(first, second, strict=True))
        albedo[:] = (spread(first) + spread(change) * blend) * tone


def _index(window: Window, patches: Sequence[Patch]) -> Index:
    """Return the number of the topmost patch of each pixel; soft grounds have ragged borders."""
    shape = window.height, window.width
    corner = corner_of(window)
    numbered = list(enumerate(patches))
    soft = [(p.polygon, n) for n, p in numbered if MATERIALS[p.material].soft]
    hard = [(p.polygon, n) for n, p in numbered if not MATERIALS[p.material].soft]
    index: Index = rasterize(soft, out_shape=shape, transform=corner, dtype="int32")
    shift = (2.2 * noise("clump", window)).astype(np.int32)
    shift += (1.2 * noise("fine", window)).astype(np.int32)
    rows = np.clip(np.arange(shape[0])[:, None] + shift, 0, shape[0] - 1)
    cols = np.clip(np.arange(shape[1])[None] - shift, 0, shape[1] - 1)
    index = index[rows, cols]
    if hard:
        paved: Index = rasterize(hard, out_shape=shape, transform=corner, dtype="int32")
        np.maximum(index, paved, out=index)
    return index


def _stripes(canvas: Canvas, patches: Sequence[Patch], index: Index) -> Array:
    """Return the brightness of ploughing, mowing and joints, around 1."""
    tone = np.ones_like(canvas.height)
    for number, patch in enumerate(patches):
        material = MATERIALS[patch.material]
        if not material.stripes:
            continue
        left, top, right, bottom = patch.polygon.bounds
        x, y = (left + right) / 2, (top + bottom) / 2
        view = canvas.view(x, y, max(right - left, bottom - top) / 2)
        if view is None:
            continue
        spot = view.rows, view.cols
        inside = index[spot] == number
        _, across = view.turned(patch.angle)
        bend = 0.25 * view.noise("drift")
        wave = np.sin((across + bend) * np.float32(2 * np.pi / material.stripes))
        tone[spot][inside] += material.contrast * wave[inside]
    return tone
