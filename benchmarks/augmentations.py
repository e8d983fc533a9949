"""Draw docs/images/augmentations.jpg: one chip under each augmentation, its mask in red.

python benchmarks/augmentations.py [OUT.jpg] [--step N]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from geounet.scenes import town
from geounet.training.chips import ChipSampler
from geounet.training.sheet import Sheet
from geounet.training.shown import Shown

if TYPE_CHECKING:
    from geounet.training.batch import Batch

HOME = Path(__file__).parents[1] / "docs" / "images" / "augmentations.jpg"
EDGE, ROW = 160, 7
EACH = {
    "d4": 1, "rotate": 30, "shift": 0.2, "zoom": 0.3, "light": 1, "brightness": 0.4,
    "contrast": 0.5, "saturation": 0.8, "hue": 0.15, "blur": 3, "noise": 0.15, "jpeg": 10,
}  # fmt: skip
TOGETHER = {"d4": 1, "rotate": 30, "shift": 0.2, "zoom": 0.3, "light": 1, "blur": 1, "jpeg": 40}


def main() -> None:
    """Draw all chips into one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=HOME)
    parser.add_argument("--step", type=int, default=17)
    asked = parser.parse_args()
    scene = town(384, 1003)
    sheet = Sheet(
        name="town", place="town", split="train", image=scene.image, mask=scene.mask,
        valid=scene.valid, gsd=0.3, weight=1.0,
    )  # fmt: skip
    plain = Shown(chip=EDGE, batch_size=1, gsd_range=(0.3, 0.3), blank=0.0, augment={})
    shown = {"as it is": {}, **{f"{name} {far:g}": {name: far} for name, far in EACH.items()}}
    shown["together"] = TOGETHER
    picture = Image.new("RGB", (ROW * (EDGE + 4), 2 * (EDGE + 18)), "white")
    pen = ImageDraw.Draw(picture)
    for at, (name, amounts) in enumerate(shown.items()):
        sampler = ChipSampler([sheet], replace(plain, augment=amounts), 2)
        x, y = at % ROW * (EDGE + 4), at // ROW * (EDGE + 18)
        picture.paste(_drawn(sampler.batch(asked.step)), (x + 2, y + 16))
        pen.text((x + 3, y + 2), name, fill="black")
    picture.save(asked.out, quality=85)


def _drawn(batch: Batch) -> Image.Image:
    """Draw a chip with its outlines; hatched where it has no data."""
    image = batch.images[0].clamp(0, 255).byte().numpy().copy()
    mask, valid = batch.masks[0, 0].numpy() > 0.5, batch.valid[0, 0].numpy() > 0
    inner = mask & np.roll(mask, 1, 0) & np.roll(mask, -1, 0)
    inner &= np.roll(mask, 1, 1) & np.roll(mask, -1, 1)
    image[:, mask & ~inner & valid] = np.array([[255], [40], [40]])
    image[:, ~valid] = 255
    stripes = np.add.outer(np.arange(EDGE), np.arange(EDGE)) % 8 < 2
    image[:, stripes & ~valid] = 190
    return Image.fromarray(np.moveaxis(image, 0, 2))


if __name__ == "__main__":
    main()
