"""The maps inside a network, by name: which there are, and how a pass hands them out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from geounet.errors import ModelError
from geounet.networks.registry import bottleneck as known_bottleneck
from geounet.networks.registry import total_stride

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

BOTTLENECK = "bottleneck"
"""What the deepest map is called in every network."""
TOLD = 24
"""Names that a message lists."""


@dataclass(frozen=True)
class Layer:
    """One map inside a network."""

    name: str
    """Of the module that makes it."""
    channels: int
    """Its values a place."""
    stride: int
    """Pixels of the input that one place stands for, along each axis."""
    calls: int = 1
    """How often a pass runs the module; the last one counts."""


def find_layers(network: nn.Module, bands: int, names: Iterable[str]) -> dict[str, Layer]:
    """Return the layers that some names stand for, in their order.

    Args:
        network: any network.
        bands: of its input.
        names: of modules; `bottleneck` is the deepest map of any network.

    Raises:
        ModelError: there is no such module, or what it gives is no map.
    """
    wanted = list(names)
    if not wanted:
        return {}
    there = {layer.name: layer for layer in list_layers(network, bands)}
    if BOTTLENECK not in there:
        there[BOTTLENECK] = bottleneck(network, bands)
    modules = dict(network.named_modules())
    for name in wanted:
        if name not in there:
            what = "gives no map" if name in modules else "is unknown"
            raise ModelError(f"layer {name!r} {what}; maps are given by: {_told(there)}")
    return {name: there[name] for name in wanted}


def list_layers(network: nn.Module, bands: int) -> list[Layer]:
    """Return the layers that give a map, in the order a pass finishes them.

    A map has one place for each square of so many pixels; what was pooled to a point, several
    tensors at once, or finer than the input is none.
    """
    stride = total_stride(network)
    height, width = 4 * stride, 6 * stride
    found: dict[str, Layer] = {}

    def keep(name: str, made: Tensor) -> None:
        coarser = height // made.shape[2]
        if (made.shape[2] * coarser, made.shape[3] * coarser) == (height, width):
            before = found.pop(name, None)
            calls = 1 if before is None else before.calls + 1
            found[name] = Layer(name, made.shape[1], coarser, calls)

    training = network.training
    hooks = [
        module.register_forward_hook(_told_of(name, keep))
        for name, module in network.named_modules()
        if name
    ]
    with torch.inference_mode():
        like = next(network.parameters(), torch.empty(0))
        network.eval()(like.new_zeros(1, bands, height, width))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return list(found.values())


def bottleneck(network: nn.Module, bands: int) -> Layer:
    """Return the deepest map: what the network says, else the coarsest, last before a finer one."""
    layers = list_layers(network, bands)
    with suppress(ModelError):
        own = known_bottleneck(network)
        return next(layer for layer in layers if network.get_submodule(layer.name) is own)
    deepest = max(layer.stride for layer in layers)
    first = next(at for at, layer in enumerate(layers) if layer.stride == deepest)
    run = layers[first:]
    end = next((at for at, layer in enumerate(run) if layer.stride < deepest), len(run))
    return run[end - 1]


class Enough(Exception):  # noqa: N818 - no error: it ends a pass
    """Every layer that is wanted was seen."""


class Taps:
    """Owner of what the layers of a network give during a pass."""

    def __init__(self, network: nn.Module, layers: Mapping[str, Layer], *, stop: bool) -> None:
        """Give the network hooks that stay.

        Args:
            network: any network.
            layers: by the name that each is to have.
            stop: end each pass by `Enough` as soon as all were seen.
        """
        self._names, self._maps = tuple(layers), dict[str, Tensor]()
        self._left = self._calls = sum(layer.calls for layer in layers.values())
        self._stop = stop
        for name, layer in layers.items():
            network.get_submodule(layer.name).register_forward_hook(_told_of(name, self._keep))

    def begin(self) -> None:
        """Forget what an earlier pass left."""
        self._maps.clear()
        self._left = self._calls

    def maps(self) -> dict[str, NDArray[np.float32]]:
        """Return the maps of a pass, in the order they were asked for, and let go of them."""
        made = {name: self._maps[name].numpy() for name in self._names}
        self.begin()
        return made

    def _keep(self, name: str, made: Tensor) -> None:
        # a copy: the next layer may work in place
        self._maps[name] = torch.empty(made.shape, dtype=torch.float32).copy_(made.detach())
        self._left -= 1
        if self._stop and not self._left:
            raise Enough


def _told_of(name: str, keep: Callable[[str, Tensor], None]) -> Callable[..., None]:
    """A hook that hands on what a module made, if it is a stack of maps."""

    def hook(_module: nn.Module, _given: object, made: object) -> None:
        if isinstance(made, Tensor) and made.ndim == 4 and min(made.shape) > 0:  # noqa: PLR2004
            keep(name, made)

    return hook


def _told(there: Mapping[str, Layer]) -> str:
    """The names nearest to the top, in the order of the network."""
    depth = min(
        (depth for depth in range(9) if sum(n.count(".") <= depth for n in there) > TOLD // 3),
        default=9,
    )
    names = [name for name in there if name.count(".") <= depth and name != BOTTLENECK][:TOLD]
    return ", ".join([BOTTLENECK, *names])
