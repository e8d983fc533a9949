"""Two images and their buildings → a map of where to look first, with pictures and a page."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet import __version__
from geounet.backends.load import load
from geounet.damage.change import distances, ranks, roughness, scaled, vectors
from geounet.damage.grades import grade, read_grades
from geounet.damage.layers import SAYS, Found, layer
from geounet.damage.places import Places, aligned, check_overlap, read_places, tiles
from geounet.damage.seen import look
from geounet.damage.shift import find_shift
from geounet.damage.told import Told, check_folder, items_of, write_pictures
from geounet.embeddings.clusters import ClusterOptions, Clusters, cluster
from geounet.embeddings.labelled import read_labels
from geounet.errors import GeounetWarning, OptionError, RasterError
from geounet.fit import check_fit, target_gsd
from geounet.footprints.geopackage import write_layers
from geounet.outputs import check_target, staged
from geounet.predict import PredictOptions, predict
from geounet.raster import open_raster
from geounet.ready import InferenceOptions
from geounet.resample import Resampled
from geounet.sources import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.damage.seen import Seen
    from geounet.damage.shift import Shift
    from geounet.raster import Reader

    Progress = Callable[[int, int, str], None]

PREDICT = "predict"
"""Instead of a file of buildings: those the model finds."""

FINEST = 0.5
"""Finest ground sample distance that is looked at unless asked for, metres."""

LEAST = 0.5
"""Share of a place that must have data on each date: less tells of the image's edge."""

KMAX = 6
"""Largest number of clusters that is tried: there are four grades of damage."""


@dataclass(frozen=True, kw_only=True)
class DamageOptions(InferenceOptions):
    """What a user may ask of a damage map; `gsd` None takes that of the coarser image."""

    gsd: float | None = None  # type: ignore[assignment]
    """Ground sample distance that both images are looked at, metres."""
    pre: str | Path | None = None
    """An image from before; None = clusters of the later image alone."""
    buildings: str | Path = PREDICT
    """Vector file in any CRS, or `predict`: those the model finds, on the earlier image."""
    labels: Path | None = None
    """A few graded buildings, by id or by place."""
    label_by: str | None = None
    """Column of the grades; None = the first that is known."""
    cell: float = 50.0
    """Edge of a tile, metres."""
    k: int | None = None
    """Number of clusters of buildings; None = chosen."""
    seed: int = 0
    """Of chance."""
    overwrite: bool = False
    """Replace outputs that exist."""

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not 0 < self.cell < np.inf:
            raise OptionError(f"--cell must be above 0 metres, got {self.cell:g}; try 50")


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
    check_folder(out, overwrite=options.overwrite)
    with _opened(post, options) as scene, TemporaryDirectory(prefix="geounet-") as folder:
        work = _Work(scene, options, Path(folder), progress)
        return work.carry_out(out)


@dataclass(frozen=True)
class _Scene:
    """Both images, on pixels of one ground sample distance."""

    after: Reader
    before: Reader | None
    gsd: float


@dataclass(frozen=True)
class _Work:
    """One map in the making."""

    scene: _Scene
    options: DamageOptions
    folder: Path
    progress: Progress

    def carry_out(self, out: Path) -> Assessed:
        """Find everything, then write it."""
        info, pre = self.scene.after.info, self.scene.before
        houses = read_places(self._buildings(), info)
        shift = None if pre is None else find_shift(pre, self.scene.after)
        if shift is not None and not shift.sure:
            _warn(f"{info.path}: no shift against {self.options.pre} stands out; none is corrected")
        squares = tiles(info, self.options.cell)
        if shift is not None:
            houses = aligned(houses, shift, info, on="before")
            squares = aligned(squares, shift, info, on="after")
        before, after, rows = self._seen(houses, squares)
        split = len(houses.ids)
        near, far = rows[rows < split], rows[rows >= split] - split
        if not len(near):
            raise RasterError(f"{info.path}: no building lies where the images have data")
        if len(near) < split:
            _warn(f"{split - len(near):,} of {split:,} buildings lie where an image has no data")
        mine = np.flatnonzero(rows < split), np.flatnonzero(rows >= split)
        house, kinds = self._found(
            houses.take(near), *_both(before, after, mine[0]), self.options.k
        )
        square, _ = self._found(squares.take(far), *_both(before, after, mine[1]), None)
        pictures = self.folder / "pictures.zip"
        told = Told(
            items=items_of(house, pictures, self.scene.after),
            pictures=pictures,
            found=kinds[0],
            seed=self.options.seed,
            title=info.path.name,
        )
        graded = 0
        if self.options.labels is not None:
            labels = read_labels(self.options.labels, told.items, self.options.label_by)
            grades = read_grades(self.options.labels, labels)
            named, probability = grade(kinds[1], grades, seed=self.options.seed)
            house = replace(house, damage=named, probability=probability)
            graded = int(np.count_nonzero(grades))
        paths = self._write(out, told, house, square, shift)
        return Assessed(
            out=paths,
            buildings=len(house.ids),
            k=kinds[0].k,
            silhouette=float(np.nan_to_num(kinds[0].silhouette).mean()),
            gsd=self.scene.gsd,
            shift=shift,
            graded=graded,
        )

    def _buildings(self) -> Path:
        """The file of buildings; predicted first where it was asked for."""
        if self.options.buildings != PREDICT:
            return Path(self.options.buildings)
        image = self.options.pre or self.scene.after.info.path
        found = self.folder / "predicted.gpkg"
        names = ("model", "plan", "bands", "scale", "device", "precision", "backend", "threads")
        asked = {name: getattr(self.options, name) for name in (*names, "allow_vrt")}
        predict(image, found, PredictOptions(**asked), self._told("buildings"))
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

    def _found(
        self, places: Places, before: Seen | None, after: Seen, k: int | None
    ) -> tuple[Found, tuple[Clusters, NDArray[np.float32]]]:
        """Change, rank and clusters of some places."""
        made = vectors(before, after)
        how = ClusterOptions(k=k, kmax=max(KMAX, k or 0), seed=self.options.seed, standardise=False)
        kinds = cluster(made, how)
        far = roughness(after) if before is None else distances(before, after)
        found = Found(
            ids=places.ids,
            shapes=places.shapes,
            crs=places.crs,
            cluster=kinds.labels,
            silhouette=kinds.silhouette,
            change=None if before is None else scaled(far),
            rank=ranks(far),
        )
        return found, (kinds, made)

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


@contextmanager
def _opened(post: str | Path, options: DamageOptions) -> Iterator[_Scene]:
    """Open the images on pixels of one size, once they are known to fit each other and the model.

    Raises:
        RasterError: one of them cannot be used, or they share no ground.
    """
    card = load(options.model, options.scale).card
    with ExitStack() as stack:
        readers = []
        for path in (post, *([] if options.pre is None else [options.pre])):
            reader = open_raster(path, bands=options.bands, allow_vrt=options.allow_vrt)
            stack.callback(reader.close)
            check_fit(reader, card, scaled=options.scale != "auto")
            readers.append(reader)
        check_overlap(readers[-1].info, readers[0].info)
        gsd = options.gsd or max(FINEST, *(reader.info.gsd or 0.0 for reader in readers))
        on_grid: list[Reader] = []
        for reader in readers:
            wanted = target_gsd(reader.info, card, gsd)
            on_grid.append(reader if wanted is None else Resampled(reader, wanted))
        yield _Scene(on_grid[0], on_grid[1] if options.pre is not None else None, gsd)


def _both(before: Seen | None, after: Seen, rows: NDArray[np.int64]) -> tuple[Seen | None, Seen]:
    return None if before is None else before.take(rows), after.take(rows)


def _warn(words: str) -> None:
    warnings.warn(words, GeounetWarning, stacklevel=4)
