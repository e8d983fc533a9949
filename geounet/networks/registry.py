"""Every network by name: our own, and the architectures of segmentation-models-pytorch."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from geounet.errors import ModelError
from geounet.networks.pointwise import Pointwise, PointwiseOptions
from geounet.networks.unet import UNet, UNetOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

SMP_PREFIX = "smp:"
SMP_STRIDE = 32


def build(network: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network with fresh weights.

    Args:
        network: `unet`, `pointwise`, or `smp:ARCHITECTURE/ENCODER` such as `smp:Unet/resnet34`.
        options: the fields of the network's options class; for `smp:` the keyword arguments of
            the architecture, with `bands` and `classes` in our words.

    Raises:
        ModelError: when the network or one of its options is unknown.
    """
    if network.startswith(SMP_PREFIX):
        return _build_smp(network.removeprefix(SMP_PREFIX), dict(options))
    if network == "unet":
        return UNet(UNetOptions(**_known(UNetOptions, options)))
    if network == "pointwise":
        return Pointwise(PointwiseOptions(**_known(PointwiseOptions, options)))
    raise ModelError(
        f"unknown network {network!r}; known: unet, pointwise, smp:ARCHITECTURE/ENCODER"
    )


def total_stride(network: nn.Module) -> int:
    """Return the number that heights, widths and tile origins must be multiples of."""
    stride = getattr(network, "stride", SMP_STRIDE)
    return int(stride)


def parameter_count(network: nn.Module) -> int:
    """Return the number of stored values, batch-norm statistics included (as Keras counts)."""
    counters = ("num_batches_tracked",)
    state = network.state_dict()
    return sum(value.numel() for name, value in state.items() if not name.endswith(counters))


def _known(options_class: type, options: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(options_class)}
    unknown = sorted(set(options) - names)
    if unknown:
        raise ModelError(
            f"unknown network option {unknown[0]!r}; known: {', '.join(sorted(names))}"
        )
    return {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}


def _build_smp(name: str, options: dict[str, Any]) -> nn.Module:
    # Imported here: it brings torchvision and timm, which no other network needs.
    import segmentation_models_pytorch as smp  # noqa: PLC0415

    architecture, _, encoder = name.partition("/")
    options["in_channels"] = options.pop("bands", 3)
    options.setdefault("encoder_name", encoder or "resnet34")
    options.setdefault("encoder_weights", None)
    try:
        module: nn.Module = smp.create_model(architecture, **options)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"smp:{name} cannot be built: {error}") from error
    return module
