"""Many sheets, adjacent and overlapping, as one raster that is never made."""

from geounet.surface.overlap import Overlap
from geounet.surface.surface import Surface, SurfaceOptions

__all__ = ["Overlap", "Surface", "SurfaceOptions"]
