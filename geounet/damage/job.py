"""Two images and their buildings → a map of where to look first, with pictures and a page."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet import __version__
from geounet.backends.load import load
from geounet.cluster import check_installed
from geounet.damage.grades import read_grades
from geounet.damage.judge import Judged, judge, judge_ground
from geounet.damage.layers import SAYS, Found, layer
from geounet.damage.options import PREDICT, DamageOptions
from geounet.damage.places import Places, aligned, read_places, tiles
from geounet.damage.scene import Scene, open_scene
from geounet.damage.seen import Seen, look
from geounet.damage.shift import find_shift
from geounet.damage.told import Told, check_folder, items_of, write_pictures
from geounet.embeddings.labelled import read_labels
from geounet.errors import GeounetWarning, RasterError
from geounet.footprints.geopackage import write_layers
from geounet.outputs import check_target, staged
from geounet.predict import PredictOptions, predict
from geounet.sources import identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geounet.damage.shift import Shift
    from geounet.reader import Reader

    Rows = NDArray[np.int64]
    Progress = Callable[[int, int, str], None]

LEAST = 0.5
"""Share of a place that must have data on each date: less tells of the image's edge."""


@dataclass(frozen=True, kw_only=True)
class Assessed:
    """What was found."""

    out: tuple[Path, ...]
    """Files that were written, the map first."""
    buildings: int
    """Rows of the layer."""
    k: int
    """Clusters of buildings."""
    silhouette: float
    """Mean of all buildings."""
    gsd: float
    """That both images were looked at, metres."""
    shift: Shift | None
    """Of the later image; None without an earlier one."""
    graded: int
    """Buildings that came with a grade."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found = asdict(self) | {"note": SAYS, "out": [str(path) for path in self.out]}
        if self.shift is not None:
            local = len(self.shift.places)
            found["shift"] = {
                "east_m": round(self.shift.east, 3),
                "south_m": round(self.shift.south, 3),
                "windows": self.shift.windows,
                "sure": self.shift.sure,
                "local": local,
            }
        return found


def assess(
    post: str | Path,
    out: str | Path,
    options: DamageOptions | None = None,
    progress: Progress = lambda *_: None,
) -> Assessed:
    """Write a map of how much buildings and ground changed, and which of them look alike.

    Args:
        post: image of the place after.
        out: GeoPackage; pictures go to a folder beside it.
        options: everything else.
        progress: called with tiles done, tiles in total, and what is done.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output path.
    """
    options = options or DamageOptions()
    out = Path(out)
    read = [post, *(each for each in (options.pre, options.labels) if each is not None)]
    if options.buildings != PREDICT:
        read.append(options.buildings)
    check_target(out, inputs=read, overwrite=options.overwrite, suffixes=[".gpkg"])
    check_installed("damage")
    check_folder(out, overwrite=options.overwrite)
    with (
        open_scene(post, options) as scene,
        TemporaryDirectory(prefix="geounet-", ignore_cleanup_errors=True) as folder,
    ):
        work = _Work(scene, options, Path(folder), progress)
        return work.carry_out(out)


@dataclass(frozen=True)
class _Work:
    """One map in the making."""

    scene: Scene
    options: DamageOptions
    folder: Path
    progress: Progress

    def carry_out(self, out: Path) -> Assessed:
        """Find everything, then write it."""
        info, seed = self.scene.after.info, self.options.seed
        shift, houses, squares = self._places()
        before, after, rows = self._seen(houses, squares)
        split = len(houses.ids)
        near, far = np.flatnonzero(rows < split), np.flatnonzero(rows >= split)
        if not len(near):
            raise RasterError(f"{info.path}: no building lies where the images have data")
        if len(near) < split:
            _warn(f"{split - len(near):,} of {split:,} buildings lie where an image has no data")
        judged = judge(
            houses.take(rows[near]), *_both(before, after, near), k=self.options.k, seed=seed
        )
        ground = judge_ground(
            squares.take(rows[far] - split), *_both(before, after, far), seed=seed
        )
        pictures = self.folder / "pictures.zip"
        items = items_of(judged.found, pictures, self.scene.after)
        told = Told(
            items=items, pictures=pictures, found=judged.clusters, seed=seed, title=info.path.name
        )
        judged, graded = self._graded(judged, told)
        return Assessed(
            out=self._write(out, told, judged.found, ground, shift),
            buildings=len(items.ids),
            k=judged.clusters.k,
            silhouette=float(np.nan_to_num(judged.clusters.silhouette).mean()),
            gsd=self.scene.gsd,
            shift=shift,
            graded=graded,
        )

    def _places(self) -> tuple[Shift | None, Places, Places]:
        """The shift between the images, buildings and tiles with where they lie on each."""
        info, pre = self.scene.after.info, self.scene.before
        houses, squares = read_places(self._buildings(), info), tiles(info, self.options.cell)
        if pre is None:
            return None, houses, squares
        shift = find_shift(pre, self.scene.after)
        if not shift.sure:
            _warn(f"{info.path}: no shift against {self.options.pre} stands out; none is corrected")
        return (
            shift,
            aligned(houses, shift, info, on="before"),
            aligned(squares, shift, info, on="after"),
        )

    def _graded(self, judged: Judged, told: Told) -> tuple[Judged, int]:
        """The buildings with grades, and how many came with one."""
        path = self.options.labels
        if path is None:
            return judged, 0
        grades = read_grades(path, read_labels(path, told.items, self.options.label_by))
        return judged.graded(grades, self.options.seed), int(np.count_nonzero(grades))

    def _buildings(self) -> Path:
        """The file of buildings; predicted first where it was asked for."""
        if self.options.buildings != PREDICT:
            return Path(self.options.buildings)
        image = self.options.pre or self.scene.after.info.path
        found = self.folder / "predicted.gpkg"
        names = ("model", "plan", "bands", "scale", "device", "precision", "backend", "threads")
        asked = {name: getattr(self.options, name) for name in (*names, "allow_vrt")}
        if not predict(image, found, PredictOptions(**asked), self._told("buildings")).polygons:
            raise RasterError(
                f"{image}: the model finds no buildings; name a file of them with --buildings"
            )
        return found

    def _seen(self, houses: Places, squares: Places) -> tuple[Seen | None, Seen, NDArray[np.int64]]:
        """What is seen on each date at buildings and tiles that have data on all of them."""
        chosen = replace(self.options, gsd=self.scene.gsd)
        after = self._look(self.scene.after, houses, squares, chosen, "after")
        before = None
        known = after.valid >= LEAST
        if self.scene.before is not None:
            before = self._look(self.scene.before, houses, squares, chosen, "before")
            known &= before.valid >= LEAST
        rows = np.flatnonzero(known)
        return None if before is None else before.take(rows), after.take(rows), rows

    def _look(
        self, reader: Reader, houses: Places, squares: Places, chosen: DamageOptions, date: str
    ) -> Seen:
        shapes = np.concatenate([getattr(each, date) for each in (houses, squares)])
        image = reader.info.path
        return look(image, houses.series(shapes), chosen, self._told(image.name))

    def _told(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(done, total, what)

    def _write(
        self, out: Path, told: Told, house: Found, square: Found, shift: Shift | None
    ) -> tuple[Path, ...]:
        """Write the map and its pictures; the map appears last."""
        facts = self._facts(shift)
        with ExitStack() as stack:
            map_ = stack.enter_context(staged(out))
            layers = [
                layer("buildings", "Buildings by change", house),
                layer("tiles", "Tiles by change", square),
            ]
            write_layers(map_, layers, facts)
            pictures = write_pictures(out, told, house, square, self.scene.after, facts)
        return (out, *pictures)

    def _facts(self, shift: Shift | None) -> dict[str, Any]:
        options = self.options
        images = [self.scene.after, *([] if self.scene.before is None else [self.scene.before])]
        return {
            "software": f"geounet {__version__}",
            "note": SAYS,
            "inputs": [identity(each.info.path) for each in images],
            "model": load(options.model, options.scale).card.name,
            "options": {"gsd": self.scene.gsd, "cell": options.cell, "seed": options.seed},
            "shift_m": None if shift is None else [shift.east, shift.south],
        }


def _both(before: Seen | None, after: Seen, rows: NDArray[np.int64]) -> tuple[Seen | None, Seen]:
    return None if before is None else before.take(rows), after.take(rows)


def _warn(words: str) -> None:
    warnings.warn(words, GeounetWarning, stacklevel=4)
