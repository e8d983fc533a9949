"""A baseline as a model: named before the raster is known, fitted to it, then a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.baselines.methods import METHODS, USUAL_GSD
from geounet.card import ModelCard
from geounet.errors import ModelError, OptionError
from geounet.model import BASELINES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.backends import Model
    from geounet.baselines.methods import Fitted
    from geounet.reader import RasterInfo, Reader

MIN_AREA_M2 = 8.0
"""Smaller footprints are dropped, as the bundled model drops them."""


@dataclass(frozen=True)
class Baseline:
    """A method that has not seen a raster yet."""

    card: ModelCard
    """That of a raster with one band; `for_raster` has the real one."""

    def for_raster(self, info: RasterInfo) -> ModelCard:
        """Return the card that fits a raster: its bands, pixel type and GSD."""
        bands = tuple(f"band {number + 1}" for number in range(info.count))
        return replace(
            self.card,
            bands=bands,
            mean=(0.5,) * len(bands),
            std=(0.25,) * len(bands),
            dtype=str(info.dtype),
            gsd=info.gsd or USUAL_GSD,
        )

    def fitted(self, reader: Reader) -> BaselineStep:
        """Return the step for a scene, whose pixels are read once or twice for it."""
        found = METHODS[self.card.name](reader)
        card = replace(
            self.for_raster(reader.info),
            receptive_field=found.reach,
            bytes_per_pixel=found.bytes_per_pixel,
            training={"data": "none", "scene": found.scene},
        )
        return BaselineStep(card, found)


class BaselineStep:
    """A method on a batch; see `Step` for the call."""

    device, precision, backend = "cpu", "fp32", "scipy"

    def __init__(self, card: ModelCard, fitted: Fitted) -> None:
        """Take what the scene told."""
        self.card, self._fitted = card, fitted

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        pairs = zip(pixels, valid, strict=True)
        maps = [np.where(seen, self._fitted.paint(tile, seen), 0) for tile, seen in pairs]
        return {"probability": np.stack(maps)[:, None].astype(np.float32)}


def baseline(
    named: str | Path | Model | tuple[str | Path | Model, ...], scale: object = "auto"
) -> Baseline | None:
    """Return the baseline a user named; None when it is a model of another kind.

    Args:
        named: as of `backends.load.load`.
        scale: what was asked for; the scene tells what is black and white.

    Raises:
        ModelError: it is asked together with others.
        OptionError: a scale was named.
    """
    several = named if isinstance(named, tuple) else (named,)
    names = [each for each in several if isinstance(each, str) and each in BASELINES]
    if not names:
        return None
    if len(several) > 1:
        raise ModelError(f"{names[0]} is asked alone; leave the other models out")
    if scale != "auto":
        raise OptionError(f"{names[0]} takes its scale from the scene; leave --scale out")
    return Baseline(_card(names[0]))


def _card(name: str) -> ModelCard:
    return ModelCard(
        name=name,
        network=f"baseline:{name}",
        bands=("any",),
        mean=(0.5,),
        std=(0.25,),
        min_area_m2=MIN_AREA_M2,
        training={"data": "none"},
    )
