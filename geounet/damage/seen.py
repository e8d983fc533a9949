"""What is seen at places on one date: the network's bottleneck, and the marks of damage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geounet.backends import Look
from geounet.backends.choose import Wanted, settle
from geounet.backends.engine import make_step
from geounet.backends.load import load
from geounet.damage.marks import COLOURS, EDGES, MarkedStep, shares, spread
from geounet.embeddings.embed import EmbedOptions, buildings
from geounet.raster import open_raster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from geounet.prepare import InferenceOptions

    Floats = NDArray[np.float32]

BOTTLENECK = "bottleneck"

RING_M = 6.0
"""Width of the ground looked at around each place, metres: as far as debris mostly lies."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Three parts of a vector, a row a place; the dates need no alike light to be compared."""

    around: Floats
    """`(n, d)` mean of the bottleneck over the ring around the place, of length 1: a place of that
    map is as large as a house. Of the place itself where its ring has no data."""
    edges: Floats
    """`(n, STEPS)` square roots of the shares of each straightness, of length 1."""
    colours: Floats
    """`(n, bands - 1)` spread of each ratio of bands."""
    valid: NDArray[np.float32]
    """`(n,)` share of the place with data."""

    @property
    def parts(self) -> dict[str, Floats]:
        """Its parts by name."""
        return {name: getattr(self, name) for name in ("around", "edges", "colours")}

    def take(self, rows: NDArray[np.int64]) -> Seen:
        """Return some of the places."""
        return Seen(
            **{name: part[rows] for name, part in self.parts.items()}, valid=self.valid[rows]
        )


def look(
    raster: str | Path,
    places: gpd.GeoSeries,
    options: InferenceOptions,
    progress: Callable[[int, int], None],
) -> Seen:
    """Return what is seen at places of an image, in one walk over it.

    Args:
        raster: file or URL.
        places: polygons in any CRS; some may lie off the image.
        options: of inference, `gsd` in metres.
        progress: called with tiles done and tiles in total.

    Raises:
        GeounetError: see `geounet.embeddings.embed.buildings`.
    """
    chosen = EmbedOptions(
        model=_marked(raster, options),
        plan=options.plan,
        bands=options.bands,
        gsd=options.gsd,
        allow_vrt=options.allow_vrt,
        layers=(BOTTLENECK, EDGES, COLOURS),
        ring=RING_M,
    )
    pooled = buildings(raster, places, chosen, progress)
    graded = pooled.vectors[EDGES]
    own, ring = pooled.vectors[BOTTLENECK], pooled.rings[BOTTLENECK]
    return Seen(
        around=_unit(np.where(np.isfinite(ring), ring, own)),
        edges=np.sqrt(np.nan_to_num(shares(graded))),
        colours=spread(pooled.vectors[COLOURS]),
        valid=np.where(graded.sum(axis=1) > 0, pooled.valid, np.float32(0)),
    )


def _marked(raster: str | Path, options: InferenceOptions) -> MarkedStep:
    """The model with the marks of damage beside its layers."""
    model = load(options.model, options.scale)
    words = ("backend", "precision", "device", "threads", "tta")
    asked = {word: getattr(options, word) for word in words}
    step = make_step(model, settle(model, Wanted(**asked, look=Look((BOTTLENECK,), alone=True)), 0))
    card = step.card
    if options.scale != "auto":  # the user has said how these pixels are to be understood
        with open_raster(raster, bands=options.bands, allow_vrt=options.allow_vrt) as reader:
            card = replace(card, dtype=str(reader.info.dtype))
    return MarkedStep(step, card)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), np.float32)
