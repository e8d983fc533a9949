"""The networks that have a name: what each is made of and from; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN = {"stem": 0, "normalise": False, "decoder_convolutions": 2}
"""The U-Net of 2015: full resolution, two convolutions on the way back, no normalisation."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A network of the catalogue; its figures are those of its own bands and classes."""

    says: str
    """What it is, in a few words."""
    family: Literal["unet", "nested", "separable", "pointwise"] = "unet"
    """What builds it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the family's own options."""
    parameters: int
    """Stored values, batch-norm statistics included, as Keras counts."""
    stride: int
    """Heights, widths and tile origins are multiples of it."""
    field: int
    """Farthest input pixel that can change an output pixel."""


NETWORKS: dict[str, Named] = {
    "unet": Named(
        says="stem at half resolution, four levels: the bundled model's",
        parameters=1_744_049,
        stride=16,
        field=91,
    ),
    "field": Named(
        says="the same field for less: work moved from half resolution to coarser levels",
        options={"filters": (16, 48, 128, 256), "sharpen": False},
        parameters=1_624_561,
        stride=16,
        field=90,
    ),
    "coastal": Named(
        says="4 × 4 kernels, bottleneck of 512 at an eighth of the resolution",
        options=PLAIN
        | {
            "filters": (32, 64, 128, 256, 512),
            "kernel": 4,
            "pool_last": False,
            "initial": "glorot_uniform",
        },
        parameters=13_775_489,
        stride=8,
        field=159,
    ),
    "nuclei": Named(
        says="the U-Net of 2015 with normalisation and padding",
        options=PLAIN
        | {
            "filters": (64, 128, 256, 512, 1024),
            "normalise": True,
            "bias": True,
            "initial": "glorot_uniform",
        },
        parameters=31_055_297,
        stride=16,
        field=107,
    ),
    "workshop": Named(
        says="a quarter of the filters, dropout 0.1 to 0.3 at each level",
        options=PLAIN
        | {
            "filters": (16, 32, 64, 128, 256),
            "dropout": (0.1, 0.1, 0.2, 0.2, 0.3),
            "initial": "he_uniform",
        },
        parameters=1_941_105,
        stride=16,
        field=107,
    ),
    "workshop-first": Named(
        says="its first form: one convolution a level, joins alone on the way back",
        options=PLAIN
        | {
            "filters": (16, 32, 64, 128, 256),
            "convolutions": 1,
            "decoder_convolutions": 0,
            "initial": "he_uniform",
        },
        parameters=609_969,
        stride=16,
        field=46,
    ),
    "elu": Named(
        says="ELU, normalisation, input noise 0.1, nearest up-sampling without filters",
        options=PLAIN
        | {
            "filters": (32, 64, 128, 256, 512),
            "normalise": True,
            "bias": True,
            "activation": "elu",
            "noise": 0.1,
            "up": "nearest",
            "up_kernel": 0,
            "initial": "he_uniform",
        },
        parameters=7_858_433,
        stride=16,
        field=107,
    ),
    "separable": Named(
        says="separable residual blocks, no skips, softmax over the classes",
        family="separable",
        parameters=2_058_979,
        stride=16,
        field=119,
    ),
    "light": Named(
        says="one band, three levels of one convolution, 2 × 2 after up-sampling",
        options=PLAIN
        | {
            "bands": 1,
            "filters": (64, 128, 256),
            "convolutions": 1,
            "decoder_convolutions": 1,
            "up": "nearest",
            "up_kernel": 2,
            "head_dropout": 0.5,
        },
        parameters=902_593,
        stride=4,
        field=16,
    ),
    "unetplusplus": Named(
        says="nested skips, a map of each depth in training",
        family="nested",
        options=PLAIN
        | {"filters": (32, 64, 128, 256, 512), "normalise": True, "deep_supervision": True},
        parameters=9_053_220,
        stride=16,
        field=107,
    ),
    "pointwise": Named(
        says="one 1 × 1 convolution: what the walk itself costs",
        family="pointwise",
        parameters=4,
        stride=1,
        field=0,
    ),
}
"""By name, ours first, then those of the literature."""


def settled(network: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a network: by its name, and beside it."""
    named = NETWORKS[network].options if network in NETWORKS else {}
    return {**named, **options}


def is_exclusive(network: str, options: Mapping[str, Any]) -> bool:
    """Return whether the classes of a network exclude each other: a softmax over its maps.

    Args:
        network: a name; one that is not of the catalogue gives each class a map of its own.
        options: what differs from the named network.
    """
    if network not in NETWORKS:
        return False
    softmax = settled(network, options).get("softmax")
    return NETWORKS[network].family == "separable" or bool(softmax)
