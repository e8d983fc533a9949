"""Networks of segmentation-models-pytorch, by architecture and encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from geounet.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class SmpOptions:
    """What such a network is made of."""

    architecture: str
    """Its name in the library, such as Unet."""
    encoder: str
    """Name of its encoder, such as resnet34."""
    bands: int = 3
    """Bands of the input."""
    classes: int = 1
    """Maps of the output."""


def build_smp(name: str, options: dict[str, Any], *, fetch: bool) -> nn.Module:
    """Return a network of the library.

    Args:
        name: `ARCHITECTURE/ENCODER`.
        options: as of `registry.build`.
        fetch: get the pretrained weights that the options name.

    Raises:
        ModelError: when it cannot be built, or its weights cannot be had.
    """
    architecture, _, encoder = name.partition("/")
    weights = options.pop("pretrained", options.pop("encoder_weights", None))
    weights = weights if fetch else None
    made = SmpOptions(
        architecture=architecture,
        encoder=options.pop("encoder_name", encoder or "resnet34"),
        bands=options.pop("bands", 3),
        classes=options.pop("classes", 1),
    )
    try:
        module: nn.Module = smp.create_model(
            made.architecture,
            encoder_name=made.encoder,
            encoder_weights=weights,
            in_channels=made.bands,
            classes=made.classes,
            **options,
        )
    except OSError as error:
        if weights is None:
            raise
        raise ModelError(
            f"smp:{name}: pretrained weights {weights!r} are neither here nor to be reached; "
            "connect to the network once, they are kept, or leave pretrained out"
        ) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        told = str(error.args[0] if error.args else error)[:120]
        raise ModelError(
            f"smp:{name} cannot be built ({told}…); see the names of segmentation-models-pytorch"
        ) from error
    module.options = made  # type: ignore[assignment]  # a module takes any attribute
    return module


def last_feature(network: nn.Module) -> nn.Module:
    """Return the layer of the encoder whose output is its last feature, found by watching.

    Raises:
        ModelError: no layer gives it alone.
    """
    encoder, options = network.encoder, network.options
    assert isinstance(encoder, nn.Module)
    assert isinstance(options, SmpOptions)
    calls: list[tuple[nn.Module, Any]] = []
    hooks = [
        module.register_forward_hook(lambda m, _, out: calls.append((m, out)))
        for module in encoder.modules()
        if module is not encoder
    ]
    training = network.training
    network.eval()
    with torch.inference_mode():
        features: list[Tensor] = encoder(torch.zeros(1, options.bands, 64, 64))
    network.train(training)
    for hook in hooks:
        hook.remove()
    found = [module for module, out in calls if out is features[-1]]
    if not found:
        raise ModelError(
            f"the encoder {type(encoder).__name__} has no layer that gives its last feature alone; "
            "name a layer"
        )
    return found[-1]
