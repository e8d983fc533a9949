"""What a recipe is: a network and how it is trained, as plain data, checked where it is made."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time, to check values
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_type_hints

from geounet.errors import TrainingError
from geounet.kinds import is_of, kind_words
from geounet.networks.catalogue import is_exclusive, settled
from geounet.training.classes import check_classes

Filter = Literal["lanczos", "bilinear", "nearest"]
Scaling = Literal["255", "max", "minmax", "l2", "standard"]
Split = Literal["place", "random", "sorted", "given"]
Schedule = Literal[
    "constant", "one-cycle", "cosine", "plateau", "inverse-time", "constant-then-tenth"
]
LossName = Literal[
    "cross-entropy", "dice", "dice-entropy", "jaccard", "focal", "lovasz", "boundary"
]
METRICS = tuple(
    f"{over}_{score}"
    for over in ("pixel", "image")
    for score in ("iou", "f1", "precision", "recall", "accuracy", "mean_iou", "calibration_error")
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything `geounet train` needs beside the data; the defaults are those of `buildings`."""

    found: tuple[str, str] = ("building", "buildings")
    """What one is called that the network finds, and its layer."""
    classes: tuple[str, ...] = ()
    """Names of class 1, 2 and so on, where there are several; the dataset's if it names some."""
    network: str = "unet"
    """Name of the network in the registry."""
    network_options: Mapping[str, Any] = field(default_factory=dict)
    """Its options; how many maps it gives is known from the classes."""

    gsd: float = 0.3
    """Ground sample distance the model is made for, metres."""
    gsd_range: tuple[float, float] = (0.2, 0.5)
    """Ground sample distances drawn in training, log-uniform, metres."""
    chip: int = 256
    """Edge of a chip in pixels."""
    size: int | None = None
    """Whole images resized to so many pixels each way, in place of chips at a GSD."""
    image_filter: Filter = "bilinear"
    """How images are resized."""
    mask_filter: Filter = "bilinear"
    """How masks are resized; a linear filter makes soft edges."""
    scaling: Scaling = "standard"
    """Pixels to inputs: ÷ 255; ÷ the scene's maximum; its minimum to maximum as 0 to 1; ÷ its L2
    norm; or ÷ 255, then by mean and deviation of aerial images."""
    augment: Mapping[str, float] = field(default_factory=lambda: {"d4": 1.0, "light": 1.0})
    """Changes drawn for each chip, and how far each goes: degrees, shares or probabilities."""
    blank: float = 0.15
    """Share of the chips that are cut by an edge beyond which there is nodata."""
    split: Split = "place"
    """How images come to their splits where the dataset does not say."""
    split_seed: int = 0
    """Seed of a random split."""
    split_shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of train, validation and test."""

    steps: int | None = 16_000
    """Optimiser steps; or None and `epochs`."""
    epochs: int | None = None
    """Passes over the training images; or None and `steps`."""
    batch_size: int = 8
    """Chips in a step."""
    optimiser: Literal["adam", "adamw"] = "adamw"
    """Adam (Kingma and Ba 2014, arXiv:1412.6980) or AdamW (Loshchilov and Hutter 2017,
    arXiv:1711.05101)."""
    learning_rate: float = 2e-3
    """Where the schedule is highest."""
    weight_decay: float = 1e-2
    """Of the optimiser."""
    schedule: Schedule = "one-cycle"
    """How the rate goes; see `schedules`."""
    clip: float = 1.0
    """Longest gradient; 0 leaves all."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept; 0 keeps the last."""
    start_share: float = 0.0
    """Share of the weights that training began with in those that become the model, which then
    keeps more of what it knew (Wortsman et al. 2021, arXiv:2109.01903)."""
    loss: LossName = "boundary"
    """What is made small; see `losses`."""
    edge_weight: float = 1.0
    """Of the loss `boundary`: extra weight of pixels within 2 pixels of an outline."""
    positive_weight: float = 1.0
    """Weight of foreground pixels in a cross-entropy, where they are few."""
    class_weights: Mapping[str, float] = field(default_factory=dict)
    """Further weight of the pixels of a class in a cross-entropy; 1 of one that is not named."""
    balance: Mapping[str, float] = field(default_factory=dict)
    """Share of the chips that are cut around a pixel of a class; the others lie anywhere."""

    keep: Literal["last", "best"] = "last"
    """Which weights become the model: the last, or those of the smallest validation loss."""
    patience: int = 0
    """Validations without a smaller loss after which training stops; 0 never stops it."""
    calibrate: bool = True
    """Divide the logits of a single map by the temperature that suits the validation images."""
    threshold: float | None = None
    """Probability of the foreground; None takes the one of best IoU on validation images."""
    metrics: tuple[str, ...] = ("pixel_iou", "pixel_calibration_error")
    """Figures of each place on test images: `pixel_` + iou, f1, precision, recall, accuracy,
    mean_iou or calibration_error over all its pixels, `image_` + the same as the mean over its
    images."""
    frozen_statistics: bool = False
    """Batch normalisation keeps the statistics it came with, as a short fine-tuning wants."""
    min_area_m2: float = 8.0
    """Smallest footprint the card lets through, square metres."""

    def __post_init__(self) -> None:
        """Refuse values of the wrong kind and numbers that cannot be.

        Raises:
            TrainingError: names the entry, what it is and what it may be.
        """
        hints = get_type_hints(type(self))
        for entry in fields(self):
            value, hint = getattr(self, entry.name), hints[entry.name]
            if not is_of(value, hint):
                raise TrainingError(
                    f"recipe: {entry.name} is {value!r} (expected {kind_words(hint)})"
                )
        for name, low, high in _SPANS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise TrainingError(f"recipe: {name} is {value} (expected {low:g} to {high:g})")
        self._check_together()

    @property
    def bands(self) -> int:
        """Bands its network takes."""
        bands: int = settled(self.network, self.network_options).get("bands", 3)
        return bands

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its classes; the background is none of them."""
        return self.classes or self.found[:1]

    @property
    def layers(self) -> tuple[str, ...]:
        """Layer each class is written to."""
        return self.classes or self.found[1:]

    @property
    def exclusive(self) -> bool:
        """Whether its classes exclude each other, so that the background has a map as well."""
        return is_exclusive(self.network, self.network_options)

    @property
    def maps(self) -> int:
        """Maps its network gives."""
        return len(self.names) + self.exclusive

    @property
    def built(self) -> Mapping[str, Any]:
        """The options its network is built by: with as many maps as its classes want."""
        return {**self.network_options, **({"classes": self.maps} if self.maps > 1 else {})}

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of the pixels of each class in a cross-entropy."""
        return tuple(self.positive_weight * self.class_weights.get(n, 1.0) for n in self.names)

    @property
    def needs_validation(self) -> bool:
        """Whether the training itself looks at the validation loss."""
        return self.keep == "best" or self.patience > 0 or self.schedule == "plateau"

    def _check_together(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise TrainingError(
                f"recipe: steps is {self.steps} and epochs {self.epochs}; give one of the two"
            )
        if not is_of(self.bands, int):
            raise TrainingError(f"recipe: bands is {self.bands!r} (expected a whole number)")
        check_classes(self)
        if not 0 < self.gsd_range[0] <= self.gsd_range[1]:
            raise TrainingError(f"recipe: gsd_range is {self.gsd_range} (expected low, high)")
        if min(self.split_shares) < 0 or abs(sum(self.split_shares) - 1) > 1e-6:  # noqa: PLR2004
            raise TrainingError(
                f"recipe: split_shares are {self.split_shares} (expected a sum of 1)"
            )
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown:
            raise TrainingError(
                f"recipe: unknown metric {unknown[0]!r}; known: {', '.join(METRICS)}"
            )


_MOST = 1e9
_SPANS = (
    *((name, 1, _MOST) for name in ("chip", "size", "steps", "epochs", "batch_size")),
    *((name, 1e-12, _MOST) for name in ("gsd", "learning_rate", "positive_weight")),
    *((name, 0, _MOST) for name in ("weight_decay", "clip", "edge_weight", "patience")),
    *((name, 0, _MOST) for name in ("split_seed", "min_area_m2")),
    *(("blank", 0, 1), ("average", 0, 0.999999), ("threshold", 1e-6, 1 - 1e-6)),
    ("start_share", 0, 0.999999),
)
"""Numbers with their least and largest value."""
