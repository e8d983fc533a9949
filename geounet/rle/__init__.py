"""Masks as run lengths, in memory; files and rasters of any size are in the modules.

>>> rle = encode(mask)               # counts down the columns, as in COCO
>>> text = compress(rle)             # COCO's text
>>> pairs = mask_to_pairs(mask)      # Kaggle's start and length
"""

from geounet.rle.compressed import compress, decompress
from geounet.rle.counts import Rle, decode, encode
from geounet.rle.pairs import (
    mask_to_pairs,
    pairs_text,
    pairs_to_mask,
    pairs_to_rle,
    strings_to_masks,
)

__all__ = [
    "Rle", "compress", "decode", "decompress", "encode", "mask_to_pairs", "pairs_text",
    "pairs_to_mask", "pairs_to_rle", "strings_to_masks",
]  # fmt: skip
