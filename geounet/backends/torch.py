"""Run a segmenter with torch, eager or compiled; tensors are born and die in here."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from geounet.backends import NOWHERE, Look
from geounet.backends.fold import KINDS, folded
from geounet.backends.scaling import Scaling
from geounet.errors import DeviceMemoryError, GeounetError, ModelError
from geounet.networks.layers import Enough, Taps, find_layers
from geounet.networks.registry import excludes, probability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geounet.model import Segmenter

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NO_ROOM = ("out of memory", "can't allocate memory", "CUDNN_STATUS_NOT_SUPPORTED")


class TorchStep:
    """A segmenter on a device: scaling, network and sigmoid; see `Step` for the call."""

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        compiled: bool = False,
        look: Look = NOWHERE,
    ) -> None:
        """Move a copy of the network to the device, its batch normalisation folded.

        Args:
            segmenter: what to run.
            device: auto, cpu, cuda, cuda:N or mps.
            precision: of weights and activations: auto (fp32 on a CPU, bf16 on CUDA), fp32, bf16
                or fp16.
            threads: of a CPU, for the whole process; None leaves them.
            compiled: with torch.compile; the first batch of a shape takes a minute.
            look: layers whose maps are given beside the probability, or alone.

        Raises:
            ModelError: when the device is not there, or a layer is not.
        """
        keep_large_buffers()
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = best_device(device)
        self.precision = best_precision(precision, self.device)
        self.backend = "compile" if compiled else "torch"
        self.card = segmenter.card
        self._dtype = PRECISIONS[self.precision]
        self._excludes = excludes(segmenter.network)
        shown = find_layers(segmenter.network, len(self.card.bands), look.layers)
        network = _prepared(segmenter, [layer.name for layer in shown.values()])
        self._taps = Taps(network, shown, stop=look.alone)
        network = network.to(self.device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network: Callable[[Tensor], Tensor] = network
        if compiled:
            self._network = _compiled(network, self.device)
        self._scaling = Scaling(self.card)
        gain_shift = (self._scaling.gain, self._scaling.shift)
        self._gain, self._shift = (torch.from_numpy(each).to(self.device) for each in gain_shift)

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        try:
            with torch.inference_mode():
                x = self._input(pixels, valid)
                return self._probability(x) | self._taps.maps()
        except RuntimeError as error:  # torch's OutOfMemoryError is one, the CPU allocator's too
            told = self._told(error, len(pixels))
            if told is None:
                raise
            raise told from error

    def _probability(self, x: Tensor) -> dict[str, NDArray[np.float32]]:
        """The maps of one batch; none where the pass ended with the layers."""
        self._taps.begin()
        try:
            logits = self._network(x)
        except Enough:
            return {}
        p = probability(logits.float(), excludes=self._excludes).cpu().contiguous()
        return {"probability": p.numpy()}

    def _told(self, error: RuntimeError, batch: int) -> GeounetError | None:
        """The error in our words, where a user can do something about it."""
        if any(words in str(error) for words in NO_ROOM):
            return DeviceMemoryError(f"{self.device} has no room for a batch of {batch}")
        broken = torch._dynamo.exc.TorchDynamoException if self.backend == "compile" else ()  # noqa: SLF001 - it has no public name
        if isinstance(error, broken):
            first = str(error).splitlines()[0]
            return ModelError(f"torch.compile does not work here ({first}); try --backend torch")
        return None

    def _input(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Tensor:
        """The batch on the device, scaled and filled; CUDA gets it raw and scales it itself."""
        if not self.device.startswith("cuda"):
            x = torch.from_numpy(self._scaling(pixels, valid)).to(self.device)
        else:
            x = self._sent(pixels).to(torch.float32).mul_(self._gain).add_(self._shift)
            if not valid.all():
                x.masked_fill_(~self._sent(valid)[:, None], 0)  # 0 is the card's mean
        return x.to(self._dtype, memory_format=torch.channels_last)

    def _sent(self, array: NDArray[Any]) -> Tensor:
        """The array on the device, from pinned memory: the copy runs beside what is computed."""
        return torch.from_numpy(array).pin_memory().to(self.device, non_blocking=True)


def _prepared(segmenter: Segmenter, names: list[str]) -> nn.Module:
    """A copy to run: folded, unless what is to be seen is a convolution that folding changes."""
    own = dict(segmenter.network.named_modules())
    if any(isinstance(own[name], KINDS) for name in names):
        return copy.deepcopy(segmenter.network).cpu().float().eval()
    return folded(segmenter.network, len(segmenter.card.bands))


def _compiled(network: nn.Module, device: str) -> Callable[[Tensor], Tensor]:
    """One shape is compiled, as all batches have it; on CUDA with CUDA graphs."""
    mode = "reduce-overhead" if device.startswith("cuda") else "default"
    whole: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False, mode=mode)
    return whole


def best_device(device: str) -> str:
    """Return the device to use; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        ModelError: when the device asked for is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    there = {"cpu", *(["mps"] if mps else []), *(["cuda"] if cuda else [])}
    there |= {f"cuda:{number}" for number in range(torch.cuda.device_count() if cuda else 0)}
    if device not in there:
        raise ModelError(f"device {device!r} is not available here; try --device cpu")
    return device


def gpus() -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES would say of each GPU that is there."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return named[:count] if len(named) >= count > 0 and all(named) else list(map(str, range(count)))


def free_memory(device: str) -> int:
    """Return the free bytes of a CUDA device."""
    return int(torch.cuda.mem_get_info(device)[0])


def best_precision(precision: str, device: str) -> str:
    """Return the precision to use; `auto` is bf16 on CUDA and fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "bf16" if device.startswith("cuda") else "fp32"


def keep_large_buffers() -> None:
    """Tell glibc to keep freed activations instead of handing them back to the kernel each time.

    By default every activation over 32 MB is mapped, zeroed and unmapped anew, which costs a
    third of the time of a U-Net on a CPU. Works for the main thread; elsewhere than on glibc it
    does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
