"""Masks from one form to another: raster or vector → run lengths → raster or footprints."""
