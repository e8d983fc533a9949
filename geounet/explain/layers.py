"""One layer of a network, and how its output is taken on the way to an explanation."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from geounet.errors import OptionError
from geounet.networks.layers import BOTTLENECK, Layer, find_layers
from geounet.networks.registry import total_stride

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


def find_layer(network: nn.Module, bands: int, name: str | None) -> Layer:
    """Return a layer by name; None takes the bottleneck.

    Raises:
        ModelError: there is none of that name with a map; those there are, are listed.
        OptionError: it runs more than once in a pass, or its cells are not on the tiles' grid.
    """
    wanted = name or BOTTLENECK
    layer = find_layers(network, bands, [wanted])[wanted]
    if layer.calls > 1:
        raise OptionError(f"layer {name!r} runs {layer.calls} times in a pass; name another")
    if total_stride(network) % layer.stride:
        raise OptionError(
            f"layer {name!r} has cells of {layer.stride} pixels, which do not divide the stride "
            f"of {total_stride(network)} that tiles lie on; name another"
        )
    return layer


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
