"""Vary a chip: turned, moved, lit, blurred, compressed; all draws come from one generator."""

from __future__ import annotations

import math
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

Rng = np.random.Generator
Maps = tuple[Tensor, Tensor, Tensor]
"""Image `(bands, h, w)` of 0–255, mask and valid `(1, h, w)`, float32."""

_LITTLE, _COLOUR = 1e-3, 3


def turned(image: Tensor, mask: Tensor, valid: Tensor, rng: Rng) -> Maps:
    """Return one of the eight symmetries of the square."""
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    stack = torch.rot90(torch.cat([image, mask, valid]), turns, (1, 2))
    stack = stack.flip(2) if flip else stack
    return stack[:-2], stack[-2:-1], stack[-1:]


def moved(maps: Maps, amounts: Mapping[str, float], rng: Rng) -> Maps:
    """Return the maps rotated, shifted and zoomed at once; what comes in from beyond is not valid.

    The mask is that of the nearest pixel; nodata lends no colour to its neighbours.
    """
    rotate, shift, zoom = (amounts.get(name, 0.0) for name in ("rotate", "shift", "zoom"))
    angle, along, across, scale = rng.uniform(-1, 1, 4).tolist()
    if not (rotate or shift or zoom):
        return maps
    image, mask, valid = maps
    height, width = image.shape[-2:]

    def affine(planes: Tensor, mode: InterpolationMode) -> Tensor:
        found: Tensor = functional.affine(
            planes,
            angle=angle * rotate,
            translate=[across * shift * width, along * shift * height],
            scale=1 + scale * zoom,
            shear=[0.0, 0.0],
            interpolation=mode,
        )
        return found

    smooth = affine(torch.cat([image * valid, valid]), InterpolationMode.BILINEAR)
    hard = affine(torch.cat([mask, valid]), InterpolationMode.NEAREST)
    return smooth[:-1] / smooth[-1:].clamp(min=_LITTLE), hard[:1], hard[1:]


def coloured(image: Tensor, valid: Tensor, amounts: Mapping[str, float], rng: Rng) -> Tensor:
    """Return an image of another light, lens and codec, 0–255."""
    draws = dict(zip(_COLOURS, rng.uniform(-1, 1, len(_COLOURS)).tolist(), strict=True))
    for name, (change, neutral) in _COLOURS.items():
        if amounts.get(name):
            unit = (image / 255).clamp(0, 1)
            image = change(unit, neutral + draws[name] * amounts[name]) * 255
    blur, noise, jpeg = rng.uniform(0, 1, 3).tolist()
    if amounts.get("blur"):
        image = _blurred(image, valid, blur * amounts["blur"])
    if amounts.get("noise"):
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + torch.from_numpy(grain) * (noise * amounts["noise"] * 255)
    if amounts.get("jpeg"):
        quality = round(100 - jpeg * (100 - amounts["jpeg"]))
        image = _compressed(image, quality)
    return image


def _compressed(image: Tensor, quality: int) -> Tensor:
    """The image as a JPEG shows it: three bands as one picture, others band by band."""
    pixels = image.round().clamp(0, 255).byte().numpy()
    pictures = [np.moveaxis(pixels, 0, 2)] if len(pixels) == _COLOUR else list(pixels)
    shown = []
    for picture in pictures:
        file = BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        shown.append(np.asarray(Image.open(file)))
    stack = np.moveaxis(shown[0], 2, 0) if len(pixels) == _COLOUR else np.stack(shown)
    return torch.from_numpy(np.ascontiguousarray(stack)).float()


def _blurred(image: Tensor, valid: Tensor, sigma: float) -> Tensor:
    """The image seen through a Gauss; nodata lends no colour."""
    size = 2 * math.ceil(2 * sigma) + 1
    if size == 1:
        return image
    stack = functional.gaussian_blur(torch.cat([image * valid, valid]), [size, size], [sigma])
    return torch.where(valid > 0, stack[:-1] / stack[-1:].clamp(min=_LITTLE), image)


_COLOURS = {
    "brightness": (functional.adjust_brightness, 1.0),
    "contrast": (functional.adjust_contrast, 1.0),
    "saturation": (functional.adjust_saturation, 1.0),
    "hue": (functional.adjust_hue, 0.0),
}
"""How a colour is changed, and the number that changes nothing."""
