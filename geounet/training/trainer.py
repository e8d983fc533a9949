"""The trainer: Lightning Fabric on a device, in a precision, in one process or several."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import torch

from geounet.backends.machine import cpu_flags
from geounet.backends.torch import best_device
from geounet.errors import OptionError

if TYPE_CHECKING:
    from lightning.fabric import Fabric

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Instructions without which bfloat16 is slower than float32 on a CPU."""


def open_trainer(device: str, precision: str, processes: int = 1) -> Fabric:
    """Return the trainer, its processes started.

    Args:
        device: auto, cpu, mps, cuda or cuda:N.
        precision: fp32, bf16 or fp16.
        processes: that share each batch, one a GPU.

    Raises:
        OptionError: when the package is not installed, or there are not so many GPUs.
    """
    try:
        from lightning.fabric import Fabric  # noqa: PLC0415 - seconds, and only training needs it
        from lightning.fabric.plugins.environments.lightning import (  # noqa: PLC0415
            LightningEnvironment,
        )
    except ImportError as error:
        raise OptionError("training needs lightning; run: pip install 'geounet[train]'") from error
    for name in ("lightning.fabric", "lightning.pytorch"):  # the latter speaks for both
        logging.getLogger(name).setLevel(logging.ERROR)
    kind, _, number = best_device(device).partition(":")
    count = torch.cuda.device_count()
    if kind == "cuda" and processes > (1 if number else count):
        raise OptionError(f"processes is {processes}, but device {device} has {count} GPU(s)")
    trainer = Fabric(
        accelerator=kind,
        devices=[int(number)] if number else processes,
        strategy="auto" if processes == 1 else "ddp",
        precision=PRECISIONS[precision],
        plugins=LightningEnvironment(),  # no guesses from a cluster's variables
    )
    trainer.launch()
    return trainer


def training_precision(precision: str, device: str) -> str:
    """Return the precision to train in; `auto` is 16 bits where that is faster.

    Raises:
        OptionError: fp16 without CUDA, which alone scales the loss for it.
    """
    kind = best_device(device).partition(":")[0]
    if precision == "fp16" and kind != "cuda":
        raise OptionError(f"precision fp16 needs CUDA, the device is {kind}; try bf16")
    if precision != "auto":
        return precision
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if kind == "cpu" and BF16_FLAGS & {*cpu_flags()} else "fp32"
