"""A folder of images and masks → labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geounet.annotations.classes import NAMES, read_names
from geounet.errors import TrainingError
from geounet.inputs import find_rasters

if TYPE_CHECKING:
    from geounet.training.listing import Listing

MASKS = ("masks", "labels")
"""Folders of masks beside `images`."""
ENDINGS = ("_mask", "_label")
"""What a mask's stem has more than its image's, where both lie in one folder."""


def list_folder(listing: Listing, folder: Path) -> None:
    """Note every image with its mask; an image or a mask that is alone is a fault.

    Images lie in `images` and their masks, of the same stems, in `masks` or `labels`; or both lie
    in one folder as `NAME.tif` and `NAME_mask.png`. A file `classes.json` beside the masks says
    what their numbers stand for, as `geounet masks` writes it.

    Raises:
        TrainingError: it is no such folder.
    """
    images = folder / "images"
    beside = next((folder / name for name in MASKS if (folder / name).is_dir()), None)
    if images.is_dir() and beside is not None:
        pictures, masks = _stems(listing, images), _stems(listing, beside)
        listing.name_classes(read_names(beside / NAMES), beside / NAMES)
    else:
        every = _stems(listing, folder)
        masks = {_bare(stem): path for stem, path in every.items() if _bare(stem) != stem}
        pictures = {stem: path for stem, path in every.items() if _bare(stem) == stem}
        if not masks:
            raise TrainingError(
                f"{folder}: is no dataset (expected images/ with masks/ or labels/, NAME.tif with "
                "NAME_mask.png, or a dataset.toml); see docs/own-labels.md"
            )
    for stem in sorted(set(pictures) | set(masks)):
        if stem not in masks:
            listing.faults.append(f"{pictures[stem]}: has no mask; draw it, or take the image away")
        elif stem not in pictures:
            listing.faults.append(f"{masks[stem]}: has no image; add it, or take the mask away")
        else:
            truth = listing.mask_file(masks[stem])
            listing.add(pictures[stem], truth, place=folder.resolve().name)


def _stems(listing: Listing, folder: Path) -> dict[str, Path]:
    """The rasters of a folder by stem; two of one stem are a fault."""
    found: dict[str, Path] = {}
    for path in map(Path, find_rasters([str(folder)])):
        other = found.setdefault(path.stem, path)
        if other != path:
            listing.faults.append(f"{path}: is called as {other.name} is; keep one of the two")
    return found


def _bare(stem: str) -> str:
    ending = next((end for end in ENDINGS if stem.endswith(end)), "")
    return stem.removesuffix(ending)
