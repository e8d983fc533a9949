"""Footprints without a trained network: a threshold, edges, a watershed behind the same step.

What a learned model must beat. Each takes its one statistic from the whole scene, before the
first tile, and looks no farther than it says: its result does not depend on the tiles.
"""
