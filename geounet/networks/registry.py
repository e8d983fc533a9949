"""Every network by name: the catalogue's, and those of segmentation-models-pytorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

import torch

from geounet.errors import ModelError
from geounet.kinds import is_of, kind_words
from geounet.networks.catalogue import NETWORKS, settled
from geounet.networks.options import UNetOptions
from geounet.networks.plusplus import UNetPlusPlus
from geounet.networks.pointwise import Pointwise, PointwiseOptions
from geounet.networks.separable import Separable, SeparableOptions
from geounet.networks.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor, nn

LARGEST = 8192
"""Largest number of bands, filters or the like."""
SMP_PREFIX = "smp:"
SMP_STRIDE = 32
FAMILIES: dict[str, tuple[Callable[[Any], nn.Module], type[Any]]] = {
    "unet": (UNet, UNetOptions),
    "nested": (UNetPlusPlus, UNetOptions),
    "separable": (Separable, SeparableOptions),
    "pointwise": (Pointwise, PointwiseOptions),
}


def build(network: str, options: Mapping[str, Any], *, fetch: bool = True) -> nn.Module:
    """Return a network with fresh weights.

    Args:
        network: a name of the catalogue, or `smp:ARCHITECTURE/ENCODER` such as
            `smp:Unet/resnet34`.
        options: what differs from the named network: fields of its family's options; for `smp:`
            keyword arguments of the architecture, with `bands` and `classes` in our words and
            `pretrained`, the name of the encoder's first weights, such as `imagenet`.
        fetch: get the pretrained weights; False where a file has weights of its own.

    Raises:
        ModelError: when the network or one of its options is unknown, or pretrained weights
            cannot be had.
    """
    _check_sizes(options.values())
    if network.startswith(SMP_PREFIX):
        # Imported here: it brings torchvision and timm, which no other network needs.
        from geounet.networks.smp import build_smp  # noqa: PLC0415

        return build_smp(network.removeprefix(SMP_PREFIX), dict(options), fetch=fetch)
    if network not in NETWORKS:
        raise ModelError(
            f"unknown network {network!r}; known: {', '.join(NETWORKS)}, smp:ARCHITECTURE/ENCODER"
        )
    module, kind = FAMILIES[NETWORKS[network].family]
    return module(kind(**_known(kind, settled(network, options))))


def _check_sizes(values: Iterable[Any]) -> None:
    """Refuse a size no network has, before its weights are made: a file may say anything."""
    for value in values:
        if isinstance(value, int) and value > LARGEST:
            raise ModelError(f"a network option is {value}, expected at most {LARGEST}; correct it")
        if isinstance(value, list | tuple):
            _check_sizes(value)


def total_stride(network: nn.Module) -> int:
    """Return the number that heights, widths and tile origins must be multiples of."""
    stride = getattr(network, "stride", SMP_STRIDE)
    return int(stride)


def parameter_count(network: nn.Module) -> int:
    """Return the number of stored values, batch-norm statistics included (as Keras counts)."""
    counters = ("num_batches_tracked",)
    state = network.state_dict()
    return sum(value.numel() for name, value in state.items() if not name.endswith(counters))


def bottleneck(network: nn.Module) -> nn.Module:
    """Return the layer whose maps are the coarsest: where a network knows most and sees farthest.

    Raises:
        ModelError: none is known.
    """
    own = getattr(network, "bottleneck", None)
    if own is not None:
        assert isinstance(own, torch.nn.Module)
        return own
    if not hasattr(network, "encoder"):
        raise ModelError(f"{type(network).__name__} has no bottleneck; name a layer")
    from geounet.networks.smp import last_feature  # noqa: PLC0415

    return last_feature(network)


def probability(logits: Tensor, classes: int, *, excludes: bool) -> Tensor:
    """Return what logits stand for, `(batch, classes, height, width)`.

    Args:
        logits: `(batch, maps, height, width)`.
        classes: how many there are, the last of the maps; where they exclude each other, one map
            more, the first, is the background.
        excludes: a pixel is of one class; else each has its own probability.
    """
    p = logits.softmax(1) if excludes else logits.sigmoid()
    return p[:, -classes:]


def excludes(network: nn.Module) -> bool:
    """Return whether the classes of a network exclude each other."""
    return bool(getattr(network, "softmax", False))


def _known(options_class: type, options: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(options_class)
    unknown = sorted(set(options) - set(hints))
    if unknown:
        raise ModelError(
            f"unknown network option {unknown[0]!r}; known: {', '.join(sorted(hints))}"
        )
    found = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    for name, value in found.items():
        if not is_of(value, hints[name]):
            raise ModelError(
                f"network option {name} is {value!r} (expected {kind_words(hints[name])})"
            )
    return found
