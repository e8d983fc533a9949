"""Deal labelled images out to train, validation and test; ground of one is in no other."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS
from rasterio.windows import Window

from geounet.errors import TrainingError
from geounet.footprints.place import reproject
from geounet.places import assign
from geounet.training.listed import opened
from geounet.training.sheet import SPLITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shapely.geometry.base import BaseGeometry

    from geounet.places import Block
    from geounet.training.listed import Listed
    from geounet.training.shown import Shown

FEW = 4
"""With fewer places than this, images are cut into blocks of ground."""
BLOCKS = 16
"""Blocks of an image that is cut, at least."""
SMALLEST, LARGEST = 64, 1024
"""Edge of a block, pixels."""
TRIED = 16
"""Pieces of an image that validation and test look at, at most: they are held in memory."""


def deal(listed: Sequence[Listed], shown: Shown) -> list[Listed]:
    """Return the images with their splits, as the recipe says.

    By place unless it says otherwise: images that show the same ground go together; where there
    are few, each is cut into blocks of ground, and the training sees nodata in those held out.

    Raises:
        TrainingError: a split that is wanted would be empty.
    """
    if shown.split in ("random", "sorted"):
        dealt = _one_by_one(listed, shown)
    else:
        groups = _same_ground(listed)
        dealt = _by_group(groups, shown) if len(groups) >= FEW else _by_block(groups, shown)
    for name, share in zip(SPLITS, shown.split_shares, strict=True):
        if share > 0 and not any(one.split == name for one in dealt):
            raise TrainingError(
                f"no image is left for {name} ({len(listed)} in all, split by {shown.split}); "
                "add some, or set its share to 0"
            )
    return [piece for one in dealt for piece in _pieces(one)]


def _one_by_one(listed: Sequence[Listed], shown: Shown) -> list[Listed]:
    """Shares of the images in sorted order, or in an order drawn from the seed."""
    order = np.arange(len(listed))
    if shown.split == "random":
        order = np.random.default_rng(shown.split_seed).permutation(len(listed))
    ends = np.cumsum(shown.split_shares) / sum(shown.split_shares)
    places = (np.arange(len(listed)) + 0.5) / len(listed)
    splits = np.minimum(np.searchsorted(ends, places), 2)
    dealt = zip(order.tolist(), splits.tolist(), strict=True)
    return [replace(listed[at], split=SPLITS[split]) for at, split in dealt]


def _by_group(groups: Sequence[Sequence[Listed]], shown: Shown) -> list[Listed]:
    held = {(number, 0): len(group) for number, group in enumerate(groups)}
    splits = assign(held, shown.split_shares, shown.split_seed)
    return [
        replace(one, split=SPLITS[splits[number, 0]])
        for number, group in enumerate(groups)
        for one in group
    ]


def _by_block(groups: Sequence[Sequence[Listed]], shown: Shown) -> list[Listed]:
    """Each image once to train on, its held-out blocks hidden, and each of those by itself."""
    dealt = []
    for one, *others in groups:
        if others:
            raise TrainingError(
                f"{one.path} and {others[0].path} show the same ground; cut them with geounet "
                "chips, which lays the same blocks over both"
            )
        height, width = one.shape
        edge = int(np.clip(math.isqrt(height * width // BLOCKS), SMALLEST, LARGEST))
        sizes = {
            (row, col): min(edge, height - row * edge) * min(edge, width - col * edge)
            for row in range(math.ceil(height / edge))
            for col in range(math.ceil(width / edge))
        }
        splits = assign(sizes, shown.split_shares, shown.split_seed)
        held = frozenset(block for block, split in splits.items() if split)
        dealt.append(replace(one, split=SPLITS[0], edge=edge, held=held))
        for row, col in _some(splits):
            window = Window(
                one.window.col_off + col * edge,
                one.window.row_off + row * edge,
                min(edge, width - col * edge),
                min(edge, height - row * edge),
            )
            split, name = SPLITS[splits[row, col]], f"{one.name}_{row}_{col}"
            dealt.append(replace(one, split=split, name=name, window=window))
    return dealt


def _some(splits: Mapping[Block, int]) -> list[Block]:
    """The blocks of validation and test that are looked at, spread evenly."""
    each = ([block for block in sorted(splits) if splits[block] == split] for split in (1, 2))
    return [block for blocks in each for block in _few(blocks)]


def _few(pieces: list[Any]) -> list[Any]:
    return pieces[:: max(1, math.ceil(len(pieces) / TRIED))]


def _pieces(one: Listed) -> list[Listed]:
    """An image as it is; of a very large one that is not trained on, some pieces."""
    height, width = one.shape
    if one.split == SPLITS[0] or max(height, width) <= 2 * LARGEST:
        return [one]
    pieces = [
        replace(
            one,
            window=Window(
                one.window.col_off + col,
                one.window.row_off + row,
                min(LARGEST, width - col),
                min(LARGEST, height - row),
            ),
            name=f"{one.name}_{row}_{col}",
        )
        for row in range(0, height, LARGEST)
        for col in range(0, width, LARGEST)
    ]
    return _few(pieces)


def _same_ground(listed: Sequence[Listed]) -> list[list[Listed]]:
    """The images in groups that share no ground; one without a CRS is a group by itself."""
    grounds = [_ground(one) for one in listed]
    tree = shapely.STRtree(grounds)
    leader = list(range(len(listed)))

    def find(at: int) -> int:
        while leader[at] != at:
            at = leader[at]
        return at

    for at, ground in enumerate(grounds):
        for other in tree.query(ground, predicate="intersects").tolist():
            shared = shapely.area(shapely.intersection(ground, grounds[other]))
            if shared > 1e-3 * min(shapely.area(ground), shapely.area(grounds[other])):
                leader[max(find(at), find(other))] = min(find(at), find(other))
    groups: dict[int, list[Listed]] = defaultdict(list)
    for at, one in enumerate(listed):
        groups[find(at)].append(one)
    return list(groups.values())


def _ground(one: Listed) -> BaseGeometry:
    """What an image covers in longitude and latitude, empty when nobody knows."""
    info = opened(one.path, one.bands).info
    if info.crs is None:
        return shapely.Polygon()
    rows, cols = one.window.toslices()
    corners = ((cols.start, rows.start), (cols.stop, rows.start), (cols.stop, rows.stop),
               (cols.start, rows.stop))  # fmt: skip
    there = shapely.Polygon([info.transform @ corner for corner in corners])
    ground: BaseGeometry = reproject(np.array([there]), info.crs, CRS.from_epsg(4326))[0]
    return ground
