"""Many sheets, adjacent and overlapping, as one raster that is never made."""

from geounet.surface.overlap import Overlap
from geounet.surface.surface import Anchor, Surface, SurfaceOptions

__all__ = ["Anchor", "Overlap", "Surface", "SurfaceOptions"]
