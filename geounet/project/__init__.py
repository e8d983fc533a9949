"""A QGIS project: the raster and everything made of it, loaded, styled, by relative paths."""

from __future__ import annotations

from geounet.project.file import check_place, shown, write_project
from geounet.project.results import Results

__all__ = ["Results", "check_place", "shown", "write_project"]
