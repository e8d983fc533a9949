"""What a user has labelled → sheets to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geounet.training.listing import Listing
from geounet.training.manifest import Manifest, list_set, read_manifest, towns
from geounet.training.sheet import SPLITS, Labelled, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SPLITS", "Labelled", "Manifest", "Sheet", "load_sheets", "read_manifest"]

OWN_GSD = 0.3
"""Metres a pixel of a model whose recipe says nothing else."""


def load_sheets(
    folder: Path,
    manifest: Manifest,
    weights: Mapping[str, float] | None = None,
    gsd: float = OWN_GSD,
) -> list[Labelled]:
    """Return every sheet of every set.

    Args:
        folder: what the manifest's paths lie below.
        manifest: the sets.
        weights: shares of places, in place of the manifest's. A place of share 0 is not trained
            on; its validation and test sets stay.
        gsd: of the model: pixels of a set that states none, as microscopes do, are the model's.

    Raises:
        TrainingError: with all that is wrong, one a line: images that cannot be read, or have no
            mask of their size.
    """
    listing = Listing(folder, gsd=gsd)
    for table in manifest.tables:
        share = (weights or {}).get(table["name"], table.get("weight", 1.0))
        if table["split"] == "train" and share <= 0:
            continue
        weighed = {"gsd": gsd, **table, "weight": float(share)}
        if "towns" in table:
            listing.listed += towns(weighed)
        else:
            list_set(listing, folder, weighed)
    return listing.sheets(listing.listed)
