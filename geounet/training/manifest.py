"""The manifest of a dataset: a TOML file of `[[set]]` tables.

classes = ["house", "road"]            # optional: what 1, 2 … of masks stand for
class_by = "kind"                      # optional: the attribute of outlines that says so

[[set]]
name = "kampala"                       # the place
split = "train"                        # train, validation or test
images = "kampala/mosaic.tif"          # a glob below the dataset's folder
labels = "kampala/buildings.geojson"   # a vector file, or a folder of masks with the same stems
window = [0, 0, 2048, 2048]            # optional: col, row, width, height
gsd = 0.075                            # metres a pixel; left out: the image's own, or the model's
weight = 0.2                           # share of the chips, train only
only = ["a*"]                          # optional: stems that count
without = ["*_old"]                    # optional: stems that do not
names = "validation.txt"               # optional: a file of stems or file names that count
without_names = "bad.txt"              # optional: the same of those that do not
instances = true                       # masks number their objects: what is not 0 counts

[[set]]
name = "town"
split = "train"
towns = { first_seed = 100, count = 20, size = 768 }   # sample scenes, drawn on the fly
weight = 0.1

[data]                                 # what the model's card says of each place
kampala = "© … contributors, CC BY 4.0"
"""

from __future__ import annotations

import fnmatch
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from geounet.annotations.drawn import Drawn
from geounet.annotations.vector import read_layer, shapes_on
from geounet.errors import GeounetError, TrainingError
from geounet.kinds import is_of, kind_words
from geounet.scenes import town
from geounet.training.listed import MaskFile, opened
from geounet.training.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from geounet.training.listing import Listing

TOWN_GSD = 0.3
MASK_SUFFIXES = (".png", ".tif", ".tiff", ".jpg")

_ENTRIES: dict[str, Any] = {
    **dict.fromkeys(("name", "images", "labels", "scene", "names", "without_names"), str),
    **dict.fromkeys(("gsd", "weight"), float),
    **dict.fromkeys(("only", "without"), tuple[str, ...]),
    "split": Literal["train", "validation", "test"],
    "towns": Mapping[str, int],
    "window": tuple[int, int, int, int],
    "instances": bool,
}
"""What a set may say, and of what kind it is."""
_TOWNS = {"first_seed", "count", "size"}


@dataclass(frozen=True)
class Manifest:
    """Which images make a dataset."""

    name: str
    """File name of the manifest."""
    tables: list[dict[str, Any]]
    """The sets."""
    data: dict[str, str]
    """Origin, licence and attribution of each place."""
    classes: tuple[str, ...] = ()
    """Names of class 1, 2 and so on; none: all that is labelled is one."""
    class_by: str | None = None
    """Attribute of outlines that names their class."""


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest lists.

    Raises:
        TrainingError: when the file is missing, no TOML, or a table lacks what it needs.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not a TOML manifest ({error})") from error
    tables = content.get("set", [])
    if not tables or not is_of(tuple(tables), tuple[dict[str, Any], ...]):
        raise TrainingError(f"{path}: lists no [[set]]")
    for number, table in enumerate(tables, 1):
        _check(table, f"{path}: set {number}")
    classes, by = content.get("classes", []), content.get("class_by")
    if not is_of(classes, list) or not is_of(tuple(classes), tuple[str, ...]):
        raise TrainingError(f"{path}: classes is {classes!r} (expected a list of names)")
    if not is_of(by, str | None):
        raise TrainingError(f"{path}: class_by is {by!r} (expected the name of an attribute)")
    return Manifest(path.name, tables, content.get("data", {}), tuple(classes), by)


def towns(table: dict[str, Any]) -> Iterator[Sheet]:
    """Yield the sample scenes of a set."""
    plan = table["towns"]
    for seed in range(plan["first_seed"], plan["first_seed"] + plan["count"]):
        scene = town(plan["size"], seed)
        yield Sheet(
            name=f"town-{seed}",
            place=table["name"],
            split=table["split"],
            image=scene.image,
            mask=scene.mask,
            valid=scene.valid,
            gsd=TOWN_GSD,
            weight=table["weight"],
        )


def list_set(listing: Listing, folder: Path, table: dict[str, Any]) -> None:
    """Note the images of a set, and what is wrong with them."""
    paths = [path for path in _matching(listing, folder, table) if _included(path, table)]
    named, left_out = (_names(folder, table, key) for key in ("names", "without_names"))
    if named is not None:
        there = {name for path in paths for name in (path.stem, path.name)}
        listing.faults += [
            f"{folder / table['names']}: {name} is no image of set {table['name']!r}; correct it"
            for name in sorted(named - there)
        ]
        paths = [path for path in paths if {path.stem, path.name} & named]
    if left_out is not None:
        paths = [path for path in paths if not {path.stem, path.name} & left_out]
    if not paths:
        listing.faults.append(
            f"{folder / table['images']}: no image matches (set {table['name']!r})"
        )
    labels = folder / table["labels"]
    said: dict[str, Any] = {
        key: table[key] for key in ("split", "gsd", "weight", "window", "scene") if key in table
    }
    if labels.is_dir():
        _list_masks(listing, paths, labels, table, said)
    elif paths:
        features = read_layer(labels)
        for path in paths:
            try:
                shapes = shapes_on(features, opened(str(path), None).info, labels)
                listing.check_shapes(shapes)
            except GeounetError as error:
                listing.faults.append(str(error))
                continue
            listing.add(path, Drawn.of(shapes, listing.classes), place=table["name"], **said)


def _list_masks(
    listing: Listing,
    paths: Sequence[Path],
    labels: Path,
    table: dict[str, Any],
    said: dict[str, Any],
) -> None:
    for path in paths:
        candidates = [labels / (path.stem + suffix) for suffix in MASK_SUFFIXES]
        found = next((mask for mask in candidates if mask.exists()), None)
        if found is None:
            listing.faults.append(f"{path}: no mask {path.stem}.png in {labels}")
            continue
        instances = table.get("instances", False)
        truth = MaskFile(str(found)) if instances else listing.mask_file(found)
        listing.add(path, truth, place=table["name"], instances=instances, **said)


def _check(table: dict[str, Any], where: str) -> None:
    needed = {"name", "split"} | ({"towns"} if "towns" in table else {"images", "labels"})
    missing = sorted(needed - set(table))
    if missing:
        raise TrainingError(f"{where}: lacks {', '.join(missing)}")
    for name, value in table.items():
        if name not in _ENTRIES:
            near = get_close_matches(name, _ENTRIES, 1) or sorted(_ENTRIES)
            raise TrainingError(f"{where}: unknown entry {name!r}; known: {', '.join(near)}")
        if not is_of(tuple(value) if isinstance(value, list) else value, _ENTRIES[name]):
            expected = kind_words(_ENTRIES[name])
            raise TrainingError(f"{where}: {name} is {value!r} (expected {expected})")
    for name, least in (("gsd", 1e-9), ("weight", 0)):
        if not least <= table.get(name, 1) < math.inf:
            raise TrainingError(f"{where}: {name} is {table[name]} (expected more than 0)")
    towns = table.get("towns", {})
    if "towns" in table and (set(towns) != _TOWNS or min(towns.values()) < 0):
        raise TrainingError(f"{where}: towns is {towns} (expected {', '.join(sorted(_TOWNS))})")


def _matching(listing: Listing, folder: Path, table: dict[str, Any]) -> list[Path]:
    """The images of a set, from a look at the folder that all sets of one glob share."""
    glob: str = table["images"]
    try:
        if glob not in listing.globs:
            listing.globs[glob] = sorted(folder.glob(glob))
        return listing.globs[glob]
    except (NotImplementedError, ValueError) as error:
        raise TrainingError(
            f"{folder}: images is {glob!r} (expected a glob below the folder)"
        ) from error


def _included(path: Path, table: dict[str, Any]) -> bool:
    only, without = table.get("only", ["*"]), table.get("without", [])
    return any(fnmatch.fnmatch(path.stem, glob) for glob in only) and not any(
        fnmatch.fnmatch(path.stem, glob) for glob in without
    )


def _names(folder: Path, table: dict[str, Any], key: str) -> set[str] | None:
    """The stems or file names that a file of a set lists, None without such a file."""
    if key not in table:
        return None
    path = folder / table[key]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: cannot be read as a list of names ({error})") from error
    return {line.strip() for line in lines if line.strip()}
