"""Many sheets, adjacent and overlapping, as one raster that is never made."""

from geounet.surface.surface import Surface, SurfaceOptions

__all__ = ["Surface", "SurfaceOptions"]
