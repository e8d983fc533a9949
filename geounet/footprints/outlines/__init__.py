"""Pixel-exact polygons → outlines worth putting on a map, each from itself and its neighbours."""
