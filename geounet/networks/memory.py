"""How much memory a network's activations take: measured on a small tile, a figure a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from geounet.networks.registry import total_stride

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

EDGE = 128
"""Smallest tile that is measured; activations grow with its area, fixed parts hardly count."""


def bytes_per_pixel(network: nn.Module, bands: int) -> int:
    """Return the bytes of activations that live at once, for each pixel of the network's input.

    One float32 tile is run, input included, and what every operation leaves alive is counted.
    A library's own scratch space is not seen.
    """
    stride = total_stride(network)
    edge = -(-EDGE // (4 * stride)) * 4 * stride
    training = network.training
    network.eval()
    with torch.no_grad(), _Living() as living:
        network(torch.zeros(1, bands, edge, edge))
    network.train(training)
    return int(-(-living.most // (edge * edge)))


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the storages that operations give, until nobody holds them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        self._held = {key: one for key, one in self._held.items() if not _is_gone(one[0])}
        for value in tree_leaves(out):
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                seen = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._held[storage._cdata] = seen, storage.nbytes()  # noqa: SLF001
        self.most = max(self.most, sum(size for _, size in self._held.values()))
        return out


def _is_gone(seen: StorageWeakRef) -> bool:
    return bool(seen.expired())  # type: ignore[no-untyped-call]
