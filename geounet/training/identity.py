"""What a training is: the same recipe, data and options give the same model."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from geounet import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.model import Segmenter
    from geounet.training.fit import FitOptions
    from geounet.training.lengths import Lengths
    from geounet.training.recipe import Recipe
    from geounet.training.sheet import Labelled

DIGITS = 12


def identity(
    sheets: Sequence[Labelled], recipe: Recipe, options: FitOptions, lengths: Lengths
) -> dict[str, Any]:
    """Return all that the weights depend on, but the machine: JSON values, in words of the user.

    Device and threads are left out: on others a training goes on, with other last digits.
    """
    return {
        "geounet": __version__,
        "recipe": asdict(recipe),
        "name": options.name,
        "seed": options.seed,
        "precision": options.precision,
        "processes": options.processes,
        "start": _weights(options.start) if options.start else "fresh weights",
        "validate_every": lengths.validate_every,
        "data": _data(sheets),
    }


def _data(sheets: Sequence[Labelled]) -> dict[str, str]:
    """A digest of each place's sheets of each split."""
    found: dict[str, Any] = {}
    for sheet in sheets:
        digest = found.setdefault(f"{sheet.place} {sheet.split}", hashlib.blake2b())
        digest.update(sheet.fingerprint().encode())
    return {name: digest.hexdigest()[:DIGITS] for name, digest in found.items()}


def _weights(segmenter: Segmenter) -> str:
    digest = hashlib.blake2b()
    for name, value in segmenter.network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return f"{segmenter.card.name} {digest.hexdigest()[:DIGITS]}"
