"""A survey: many scenes, one outcome each, whatever becomes of some of them."""
