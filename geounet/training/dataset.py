"""What a user has labelled → sheets to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.errors import TrainingError
from geounet.inputs import SUFFIXES, find_rasters
from geounet.training.drawn import list_drawn, list_runs
from geounet.training.folder import list_folder
from geounet.training.ground import list_ground
from geounet.training.listed import Listed
from geounet.training.listing import Listing
from geounet.training.manifest import Manifest, list_set, read_manifest, towns
from geounet.training.sheet import SPLITS, Labelled, Sheet
from geounet.training.shown import Shown
from geounet.training.split import deal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geounet.annotations.classes import Classes

__all__ = ["SPLITS", "Dataset", "Labelled", "Manifest", "Sheet", "load_sheets", "open_dataset",
           "read_manifest"]  # fmt: skip

MANIFEST = "dataset.toml"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled images to learn from, with what the model's card says of them."""

    name: str
    """Of the manifest, or of what the user named."""
    sheets: list[Labelled]
    """Of all splits; those of validation and test are in memory."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Origin, licence and attribution of each place, as a manifest says."""
    classes: tuple[str, ...] = ()
    """Names of class 1, 2 and so on; none where nobody named them: all that is labelled is one."""


def open_dataset(
    path: Path,
    shown: Shown | None = None,
    *,
    labels: Path | None = None,
    manifest: Path | None = None,
    weights: Mapping[str, float] | None = None,
    class_by: str | None = None,
) -> Dataset:
    """Return the sheets of whatever was labelled.

    Args:
        path: a folder with a manifest, of images and masks, or, with labels, of rasters; a COCO or
            VIA file; a Kaggle file of run lengths; with labels, a raster of any size.
        shown: what the recipe says of the images.
        labels: vector file with the outlines on rasters that have a CRS.
        manifest: sets and splits, TOML; None looks for `dataset.toml` in the folder.
        weights: shares of a manifest's places, see `load_sheets`.
        class_by: attribute of outlines that names their class; None takes the manifest's, a COCO
            file's categories where the recipe names several classes, else all are of one.

    Raises:
        GeounetError: it is none of these; or with all that is wrong, one a line.
    """
    shown = shown or Shown()
    if manifest is None and (path / MANIFEST).is_file() and labels is None:
        manifest = path / MANIFEST
    if manifest is not None:
        found = read_manifest(manifest)
        found = replace(found, class_by=class_by or found.class_by)
        sheets = load_sheets(path, found, weights, shown)
        classes = found.classes or shown.classes
        return Dataset(name=found.name, sheets=sheets, data=found.data, classes=classes)
    if weights:
        raise TrainingError(f"{path}: has no sets to weigh; --weight needs a manifest")
    listing = Listing(path, shown, class_by)
    _list(listing, path, labels)
    if listing.faults:
        listing.sheets(listing.listed)  # which tells them all
    images = [one for one in listing.listed if isinstance(one, Listed)]
    dealt = deal(images, shown)
    sheets, classes = listing.sheets(dealt), listing.classes.names
    return Dataset(name=path.name, sheets=sheets, classes=classes)


def load_sheets(
    folder: Path,
    manifest: Manifest,
    weights: Mapping[str, float] | None = None,
    shown: Shown | None = None,
) -> list[Labelled]:
    """Return every sheet of every set.

    Args:
        folder: what the manifest's paths lie below.
        manifest: the sets.
        weights: shares of places, in place of the manifest's. A place of share 0 is not trained
            on; its validation and test sets stay.
        shown: what the recipe says of the images. Where a set states no gsd and its images have
            no CRS, as under a microscope, their pixels are the model's.

    Raises:
        TrainingError: with all that is wrong, one a line: images that cannot be read, or have no
            mask of their size.
    """
    shown = shown or Shown()
    listing = Listing(folder, shown, manifest.class_by)
    listing.name_classes(manifest.classes, Path(manifest.name))
    _check_classes(manifest, listing.classes)
    strange = sorted(set(weights or ()) - {table["name"] for table in manifest.tables})
    if strange:
        raise TrainingError(
            f"{manifest.name}: has no set {strange[0]!r} to weigh; look at --weight"
        )
    for table in manifest.tables:
        share = (weights or {}).get(table["name"], table.get("weight", 1.0))
        if table["split"] == "train" and share <= 0:
            continue
        weighed = {**table, "weight": float(share)}
        if "towns" in table:
            listing.listed += towns(weighed)
        else:
            list_set(listing, folder, weighed)
    return listing.sheets(listing.listed)


def _check_classes(manifest: Manifest, classes: Classes) -> None:
    """Refuse sets that cannot tell classes."""
    if manifest.class_by is not None and not classes.names:
        raise TrainingError(
            f"{manifest.name}: names no classes beside class_by; add classes = ['…', '…']"
        )
    for number, table in enumerate(manifest.tables, 1):
        for word in ("instances", "towns"):
            if classes.several and table.get(word):
                raise TrainingError(
                    f"{manifest.name}: set {number}: {word} knows one class (expected "
                    f"{', '.join(classes.names)}); leave the set out"
                )


def _list(listing: Listing, path: Path, labels: Path | None) -> None:
    """Note the images of what is no manifest."""
    suffix = path.suffix.lower()
    if labels is not None:
        list_ground(listing, find_rasters([str(path)]), labels)
    elif path.is_dir():
        list_folder(listing, path)
    elif not path.exists():
        raise TrainingError(f"{path}: is not there; check the path")
    elif suffix == ".json":
        list_drawn(listing, path)
    elif suffix == ".csv":
        list_runs(listing, path)
    elif suffix in SUFFIXES:
        raise TrainingError(f"{path}: is a raster alone; name its outlines with --labels FILE")
    else:
        raise TrainingError(
            f"{path}: is no dataset (expected a folder, .json of COCO or VIA, .csv of run "
            "lengths, or a raster with --labels); see docs/own-labels.md"
        )
