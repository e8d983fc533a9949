"""How sheets are shown to a network: cut or resized, scaled, varied, split; plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from geounet.card import FIXED, SCENE_SCALINGS
from geounet.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

AUGMENTATIONS = {
    "d4": (1, "1: one of the eight symmetries of the square"),
    "rotate": (360, "degrees to either side"),
    "shift": (1, "share of the edge, along rows and columns"),
    "zoom": (0.9, "share of the scale, in or out"),
    "light": (1, "1: gamma, gain, colour, a blur and a noise, as the recipe `buildings` has them"),
    "brightness": (1, "share by which pixels are made brighter or darker"),
    "contrast": (1, "share by which they are moved from their mean or to it"),
    "saturation": (1, "share by which they are moved from grey or to it"),
    "hue": (0.5, "turns of the colour wheel, up to 0.5"),
    "blur": (100, "largest sigma of a Gauss, pixels"),
    "noise": (1, "largest standard deviation, share of white"),
    "jpeg": (100, "lowest quality, 1 to 100"),
}
"""What may be varied, the largest number, and what it means; of 0, or not named, all stays.

Ground sample distances are drawn from `gsd_range`."""
MEAN, STD = (0.45, 0.45, 0.42), (0.22, 0.21, 0.21)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a recipe says of the images."""

    batch_size: int = 8
    """Chips, or images, in a step."""
    chip: int = 256
    """Edge of a chip, pixels."""
    gsd: float = 0.3
    """Ground sample distance of the model, metres."""
    gsd_range: tuple[float, float] = (0.2, 0.5)
    """Ground sample distances that chips are drawn at, log-uniform, metres."""
    blank: float = 0.15
    """Share of the chips that are cut by an edge beyond which there is nodata."""
    size: int | None = None
    """Whole images are resized to this edge; None cuts chips."""
    image_filter: str = "lanczos"
    """How whole images are resized: lanczos, bilinear or nearest."""
    mask_filter: str = "nearest"
    """The same of their masks."""
    scaling: str = "standard"
    """Raw pixels are divided by 255 and standardised (`standard`), divided by 255 (`255`), or
    scaled by one statistic of their scene (`max`, `minmax`, `l2`)."""
    augment: Mapping[str, float] = field(default_factory=lambda: {"d4": 1, "light": 1})
    """What is varied, and how far; see `AUGMENTATIONS`."""
    found: tuple[str, str] = ("building", "buildings")
    """What is labelled where it is of one class: one of it, and its layer."""
    classes: tuple[str, ...] = ()
    """Names of class 1, 2 and so on, where there are several."""
    balance: Mapping[str, float] = field(default_factory=dict)
    """Share of the chips that are cut around a pixel of a class."""
    split: str = "place"
    """By place, at random, in sorted order; `given` by the dataset, else by place. The splits of a
    manifest stand whatever the recipe says."""
    split_seed: int = 0
    """Of the dealing out."""
    split_shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Of train, validation and test."""
    bands: int = 3
    """Bands the network sees."""

    def __post_init__(self) -> None:
        """Refuse variations that there are not, or that go too far."""
        for name, amount in self.augment.items():
            if name not in AUGMENTATIONS:
                raise TrainingError(f"augment is {name!r}; known: {', '.join(AUGMENTATIONS)}")
            if not 0 <= amount <= AUGMENTATIONS[name][0]:
                raise TrainingError(
                    f"augment: {name} is {amount} (expected 0 to {AUGMENTATIONS[name][0]})"
                )

    @classmethod
    def of(cls, recipe: Any) -> Self:  # noqa: ANN401 - whatever has some of the fields
        """Return what a recipe says of the images; what it does not say stays as it is here."""
        names = [entry.name for entry in fields(cls) if hasattr(recipe, entry.name)]
        return cls(**{name: getattr(recipe, name) for name in names})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of class 1, 2 and so on."""
        return self.classes or self.found[:1]

    @property
    def scene(self) -> str | None:
        """The statistic each scene is scaled by, None when all are scaled alike."""
        return self.scaling if self.scaling in SCENE_SCALINGS else None

    @property
    def card(self) -> dict[str, Any]:
        """What a model's card says of its input."""
        if self.scaling == "standard":
            known = self.bands == len(MEAN)
            mean = MEAN if known else (sum(MEAN) / len(MEAN),) * self.bands
            std = STD if known else (sum(STD) / len(STD),) * self.bands
            return {"scaling": FIXED, "mean": mean, "std": std}
        plain = {"mean": (0.0,) * self.bands, "std": (1.0,) * self.bands}
        return {"scaling": self.scene or FIXED, **plain}
