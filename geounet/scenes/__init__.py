"""Sample scenes made by code: an aerial town with its truth, and the town after a storm."""

from __future__ import annotations

from geounet.scenes.town import Town, town

__all__ = ["Town", "town"]
