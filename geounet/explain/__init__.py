"""Where a network looks: Grad-CAM and activation maps of a raster of any size."""
