"""The layers of a network that have a map, by name, and how their output is taken."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from geounet.errors import OptionError
from geounet.networks.registry import total_stride

if TYPE_CHECKING:
    from collections.abc import Iterator

EDGE = 4
"""Edge of the input that layers are found with, in total strides."""


@dataclass(frozen=True)
class Layer:
    """A layer whose output is a map."""

    name: str
    """Its name in the network."""
    channels: int
    """Maps it gives."""
    stride: int
    """Pixels of the input along an edge of one of its cells."""


def layers(network: nn.Module, bands: int) -> list[Layer]:
    """Return the layers that have a map, in the order they are done.

    Left out are those that run more than once in a pass, and those whose cells do not lie on the
    tiles' grid, such as what is pooled over the whole tile.

    Args:
        network: in evaluation mode.
        bands: of its input.
    """
    stride = total_stride(network)
    done: list[tuple[str, object]] = []
    hooks = [
        module.register_forward_hook(partial(_note, done, name))
        for name, module in network.named_modules()
        if name
    ]
    with torch.inference_mode():
        network(torch.zeros(1, bands, EDGE * stride, EDGE * stride))
    for hook in hooks:
        hook.remove()
    names = [name for name, _ in done]
    found = (_layer(name, shape, stride) for name, shape in done if names.count(name) == 1)
    return [layer for layer in found if layer is not None]


def find_layer(network: nn.Module, bands: int, name: str | None) -> Layer:
    """Return a layer by name; None takes the last of the coarsest: the bottleneck of a U-Net.

    Raises:
        OptionError: there is none of that name; those there are, are listed.
    """
    known = layers(network, bands)
    if name is None and known:
        coarsest = max(layer.stride for layer in known)
        return [layer for layer in known if layer.stride == coarsest][-1]
    for layer in known:
        if layer.name == name:
            return layer
    names = [layer.name for layer in known]
    outer = [each for each in names if not any(each.startswith(f"{other}.") for other in names)]
    raise OptionError(
        f"the network has no layer {name!r} with a map of its own; known: {', '.join(outer)}, and "
        "what is in them: geounet models show NAME --layers"
    )


@contextmanager
def taken(network: nn.Module, name: str, *, gradient: bool = False) -> Iterator[list[Tensor]]:
    """Hand out a list that holds the layer's output after each pass, the latest last.

    Args:
        network: any network.
        name: of the layer.
        gradient: keep what follows the layer for a gradient with respect to its output.
    """
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, out: Tensor) -> Tensor:
        kept.append(out.detach().requires_grad_(gradient))
        return kept[-1].clone()  # what follows may write into it

    hook = network.get_submodule(name).register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()


def _note(done: list[tuple[str, object]], name: str, _: nn.Module, __: object, out: object) -> None:
    done.append((name, tuple(out.shape) if isinstance(out, Tensor) else None))


def _layer(name: str, shape: object, stride: int) -> Layer | None:
    """The layer of a name, if its output has cells that tiles can be cut along."""
    edge = EDGE * stride
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[2] != shape[3]:  # noqa: PLR2004
        return None
    if not shape[2] or edge % shape[2] or stride % (edge // shape[2]):
        return None
    return Layer(name, int(shape[1]), edge // int(shape[2]))
