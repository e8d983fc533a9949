"""Run a segmenter with torch; tensors are born and die in here."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from geounet.errors import DeviceMemoryError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geounet.model import Segmenter

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NO_ROOM = ("out of memory", "can't allocate memory", "CUDNN_STATUS_NOT_SUPPORTED")


class TorchStep:
    """A segmenter on a device: scaling, network and sigmoid; see `Step` for the call."""

    backend = "torch"

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        """Move the network to the device.

        Args:
            segmenter: what to run.
            device: auto, cpu, cuda, cuda:N or mps.
            precision: auto (fp32 on a CPU, bf16 on CUDA), fp32, bf16 or fp16.
            threads: of a CPU, for the whole process; None leaves them.

        Raises:
            ModelError: when the device is not there.
        """
        keep_large_buffers()
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = best_device(device)
        self.precision = best_precision(precision, self.device)
        self._dtype = PRECISIONS[self.precision]
        network: nn.Module = segmenter.network.eval()
        self._network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.card = card = segmenter.card
        low, high = card.input_range
        # (x − low) / (high − low) − mean) / std as one multiplication and one addition
        gain = 1 / (np.asarray(card.std) * (high - low))
        shift = -low * gain - np.asarray(card.mean) / np.asarray(card.std)
        self._gain, self._shift = (self._column(values) for values in (gain, shift))

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        try:
            with torch.inference_mode():
                return {"probability": self._run(pixels, valid)}
        except RuntimeError as error:  # torch's OutOfMemoryError is one, the CPU allocator's too
            if not any(words in str(error) for words in NO_ROOM):
                raise
            raise DeviceMemoryError(
                f"{self.device} has no room for a batch of {len(pixels)}"
            ) from error

    def _run(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        raw = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        x = raw.to(torch.float32).mul_(self._gain).add_(self._shift)
        if not valid.all():
            nothing = ~torch.from_numpy(valid).to(self.device)
            x.masked_fill_(nothing[:, None], 0)  # 0 is the card's mean
        x = x.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            logits: Tensor = self._network(x)
        p: NDArray[np.float32] = torch.sigmoid(logits.float()).cpu().contiguous().numpy()
        return p

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, self._dtype)

    def _column(self, values: NDArray[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device).view(1, -1, 1, 1)


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
