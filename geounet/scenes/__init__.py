"""Sample scenes made by code: an aerial town with its truth, and the town after a storm."""

from __future__ import annotations

from geounet.scenes.storm import StormPair, storm
from geounet.scenes.town import Town, town
from geounet.scenes.write import write_samples

__all__ = ["StormPair", "Town", "storm", "town", "write_samples"]
