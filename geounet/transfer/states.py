"""Weights that torch saved: only numbers are read, whatever else a file holds is refused."""

from __future__ import annotations

import struct
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from geounet.errors import ModelError
from geounet.model import Segmenter, check_network, save_model
from geounet.modelfile import SUFFIX
from geounet.networks.catalogue import is_exclusive
from geounet.networks.field import sight
from geounet.networks.memory import bytes_per_pixel
from geounet.networks.registry import build
from geounet.outputs import check_target, staged
from geounet.transfer.card import BANDS, Words, make_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geounet.card import ModelCard

SUFFIXES = (".pt", ".pth")
HOLDERS = ("state_dict", "model_state_dict", "model")
"""Where a checkpoint keeps its weights beside other things."""
UNREADABLE = (
    *(RuntimeError, EOFError, ValueError, LookupError, OSError, TypeError, AttributeError),
    *(AssertionError, ImportError, struct.error, MemoryError, OverflowError),
)
"""What torch's reader of numbers stumbles with over a damaged file."""
NEEDED = ("gsd", "classes", "bands", "mean", "std")


def import_state(
    file: Path,
    out: Path,
    words: Words,
    network: str | None,
    options: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> ModelCard:
    """Write the weights of a `.pt` file as a model of ours.

    Args:
        file: a state dict, or a checkpoint that holds one; nothing in it is run.
        out: `.safetensors` to write.
        words: from the user.
        network: name in the registry.
        options: of the network.
        overwrite: replace what is there.

    Raises:
        ModelError: it holds more than numbers, does not fit the network, or something is not said.
    """
    check_target(out, inputs=[file], overwrite=overwrite, suffixes=(SUFFIX,))
    if network is None:
        raise ModelError(
            f"{file}: a state dict does not say its network; pass --network NAME, and --option "
            "KEY=VALUE where it differs from the usual"
        )
    state = _state(file)
    found: dict[str, Any] = {}
    bands = options.get("bands", len(words.bands or ()) or 3)
    if bands in [*BANDS]:  # which a user may give as anything
        found["bands"] = BANDS[bands]
    maps = len(words.classes or ()) + is_exclusive(network, options)  # the background has one, too
    card = make_card(
        words, found, file, NEEDED, network=network,
        network_options={"bands": bands, "classes": maps, **options},
    )  # fmt: skip
    module = build(network, card.network_options, fetch=False).eval()
    check_network(card, module, file)
    try:
        module.load_state_dict(_named(state, set(module.state_dict())))
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"{file}: weights do not fit network {network} ({first[:160]}); say what is "
            "other with --option"
        ) from error
    seen = sight(module, bands)
    segmenter = Segmenter(card, module).with_card(
        stride=seen.stride, receptive_field=seen.field,
        bytes_per_pixel=bytes_per_pixel(module, bands),
    )  # fmt: skip
    with staged(out) as path:
        save_model(path, segmenter)
    return segmenter.card


def _state(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, read by an unpickler that knows numbers alone."""
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ModelError(
            f"{file}: holds more than numbers, which is never opened (it could run code); save "
            "its state_dict() alone"
        ) from error
    except UNREADABLE as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "empty"
        raise ModelError(
            f"{file}: not a readable file of torch ({first[:120]}); save its state_dict() again"
        ) from error
    for holder in HOLDERS:
        if isinstance(held, dict) and isinstance(held.get(holder), dict):
            held = held[holder]
            break
    if not (isinstance(held, dict) and held and all(isinstance(v, Tensor) for v in held.values())):
        raise ModelError(f"{file}: holds no state dict (names and tensors); save state_dict()")
    return {str(name): value for name, value in held.items()}


def _named(state: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """The tensors without a first part that all names share and the network's do not have."""
    firsts = {name.partition(".")[0] for name in state}
    if len(firsts) == 1 and not wanted & set(state):
        return {name.partition(".")[2]: value for name, value in state.items()}
    return state
