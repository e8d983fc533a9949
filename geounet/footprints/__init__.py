"""Labels → outlines → footprints: trace, collect, measure, write."""
