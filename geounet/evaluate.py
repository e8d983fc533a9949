"""A prediction against the truth: every score, and one report."""

from __future__ import annotations

import csv
import json
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np
import shapely
from affine import Affine

from geounet import __version__
from geounet.annotations.vector import SUFFIXES as VECTORS
from geounet.errors import GeounetWarning, OptionError, RasterError
from geounet.evaluation.aligned import Aligned, same_grid
from geounet.evaluation.examples import choose, drawn
from geounet.evaluation.layers import write_objects
from geounet.evaluation.report import charts, page
from geounet.evaluation.scan import Pair, scan
from geounet.evaluation.scores import score_image
from geounet.evaluation.sides import Layer, Meaning, RasterSide, is_vector, open_layer
from geounet.evaluation.summary import image_row, pooled, summary
from geounet.footprints.place import reproject
from geounet.ground import pixel_steps
from geounet.inputs import SUFFIXES as RASTERS
from geounet.outputs import check_target, make_folder, staged
from geounet.raster import RasterInfo, open_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geounet.evaluation.scores import ImageScore
    from geounet.evaluation.sides import Side, Values
    from geounet.raster import Reader

OUTPUTS = (
    "metrics.json", "metrics.csv", "confusion.svg", "precision_recall.svg", "report.html",
    "objects.gpkg",
)  # fmt: skip
"""Files of a report."""

_LEVELS = ("no building", "no damage", "minor", "major", "destroyed")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What a user may ask of a comparison."""

    values: Values = "mask"
    """What pixels but 0 are: set, the number of a class, or a level of damage from 1 to 4."""
    class_by: str | None = None
    """Column of a vector layer with the class; None: `class`, or `damage` for damage."""
    threshold: float = 0.5
    """Probability from which a pixel is foreground."""
    images: Path | None = None
    """The image, or a folder of them: the grid of vector layers, valid pixels, pictures."""
    layer: str | None = None
    """Layer of a predicted vector file; None takes the first."""
    truth_layer: str | None = None
    """Layer of a true one."""
    gsd: float = 0.5
    """Metres a pixel of the grid that two vector layers are drawn on without an image."""
    boundary: int = 2
    """Pixels from an edge that count for the boundary IoU."""
    boundary_m: float | None = None
    """The same in metres."""
    stride: int | None = None
    """Pixels from seam to seam of the tiles of the prediction; None when they are not known."""
    overwrite: bool = False
    """Replace outputs that exist."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""


@dataclass(frozen=True)
class _Files:
    """The files of one image."""

    name: str
    ours: Path
    theirs: Path
    image: Path | None


def evaluate(
    prediction: Path,
    truth: Path,
    out: Path,
    options: EvaluateOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Compare a prediction with the truth; return the scores, as `metrics.json` has them.

    Args:
        prediction: a raster, a folder of rasters or layers, or a vector layer.
        truth: the same, of any kind and CRS.
        out: folder of the report.
        options: everything else.
        progress: called with rows done and rows in total, image by image.

    Raises:
        GeounetError: a file cannot be used; nothing was written then.
    """
    options = options or EvaluateOptions()
    _check(options)
    files = _files(prediction, truth, options)
    make_folder(out)
    targets = [out / name for name in OUTPUTS]
    inputs = [path for each in files for path in (each.ours, each.theirs)]
    for target in targets:
        check_target(target, inputs=inputs, overwrite=options.overwrite, suffixes=[target.suffix])
    opener = _Opener(options)
    images = [_scored(opener, each, options, progress) for each in files]
    said = _said(prediction, truth, images, options)
    pictures = charts(images, _class_names(images, options))
    chosen = choose(images)
    with ExitStack() as stack:
        paths = {each.name: stack.enter_context(staged(each)) for each in targets}
        examples = (
            (each, files[each.image].name, jpeg) for each, jpeg in _pictures(opener, files, chosen)
        )
        write_objects(paths["objects.gpkg"], images, _facts(said))
        texts = {**pictures, "report.html": page(said, pictures, examples)}
        texts["metrics.json"] = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
        for name, text in texts.items():
            paths[name].write_text(text, encoding="utf-8")
        _write_rows(paths["metrics.csv"], images)
    return said


def _check(options: EvaluateOptions) -> None:
    if not 0 < options.threshold <= 1:
        raise OptionError(f"threshold must lie above 0 and up to 1, got {options.threshold}")
    if options.boundary < 1 or (options.boundary_m or 1) <= 0:
        raise OptionError(f"a boundary reaches 1 pixel at least, got {options.boundary}; try 2")
    if options.gsd <= 0:
        raise OptionError(f"gsd must be above 0, got {options.gsd}")
    if options.stride is not None and options.stride < 1:
        raise OptionError(f"a stride is 1 pixel at least, got {options.stride}")
    if options.class_by is not None and options.values == "mask":
        raise OptionError("--class-by means nothing for a mask; add --values classes")


def _files(prediction: Path, truth: Path, options: EvaluateOptions) -> list[_Files]:
    """Return the images: the rasters of the truth, else of the prediction, else the image's."""
    sides = [_listed(prediction), _listed(truth)]
    images = None if options.images is None else _listed(options.images)
    many = next((side for side in (sides[1], sides[0], images) if isinstance(side, dict)), None)
    if many is None:
        image = images if isinstance(images, Path) else None
        return [_Files(truth.stem, prediction, truth, image)]
    if isinstance(sides[0], dict) and isinstance(sides[1], dict):
        spare = sorted(set(sides[0]) - set(sides[1]))
        if spare:
            warn(
                f"{prediction}: {len(spare):,} files such as {spare[0]} have no truth and do not "
                "count", GeounetWarning, stacklevel=3,
            )  # fmt: skip
    names = sorted(many)
    ours, theirs = (
        _found(side, names, words)
        for side, words in zip(sides, ("prediction", "truth"), strict=True)
    )
    shown = [None] * len(names) if images is None else _found(images, names, "image")
    return [_Files(*each) for each in zip(names, ours, theirs, shown, strict=True)]


def _listed(path: Path) -> Path | dict[str, Path]:
    """Return a file, or the files of a folder by their stem."""
    if not path.is_dir():
        return path
    known = (*RASTERS, *VECTORS)
    found = [
        each
        for each in sorted(path.iterdir())
        if each.is_file() and each.suffix.lower() in known and not each.name.startswith(".")
    ]
    if not found:
        raise RasterError(f"{path}: no raster or layer there (looked for {', '.join(known)})")
    twice = [stem for stem, times in Counter(each.stem for each in found).items() if times > 1]
    if twice:
        raise OptionError(f"{path}: several files are called {twice[0]}; keep one of them")
    return {each.stem: each for each in found}


def _found(side: Path | dict[str, Path], names: Sequence[str], words: str) -> list[Path]:
    """Return the file of each image: its own, or the layer that serves all."""
    if not isinstance(side, dict):
        if not is_vector(side):
            raise OptionError(f"{side}: is one raster, the other side a folder; name its folder")
        return [side] * len(names)
    missing = [name for name in names if name not in side]
    if missing:
        raise OptionError(
            f"{len(missing):,} images have no {words}, such as {missing[0]}; add it, an empty one "
            "where nothing was found"
        )
    return [side[name] for name in names]


class _Opener:
    """Opens the files of an image; a layer that serves several images is read once."""

    def __init__(self, options: EvaluateOptions) -> None:
        self._options = options
        self._layers: dict[Path, Layer] = {}

    def pair(self, files: _Files, stack: ExitStack) -> Pair:
        """Return both sides of an image on one grid; the stack closes them."""
        options = self._options
        named = ((files.ours, options.layer), (files.theirs, options.truth_layer))
        sides = [self._open(path, layer, stack) for path, layer in named]
        image = None if files.image is None else self._reader(files.image, stack)
        grid = self._grid(sides, image)
        ours, theirs = (self._on(side, grid) for side in sides)
        if image is not None:
            image = _aligned(image, grid)
        return Pair(name=files.name, grid=grid, ours=ours, theirs=theirs, image=image)

    def _open(self, path: Path, layer: str | None, stack: ExitStack) -> Reader | Layer:
        if not is_vector(path):
            return self._reader(path, stack)
        if path not in self._layers:
            self._layers[path] = open_layer(path, layer, self._meaning)
        return self._layers[path]

    def _reader(self, path: Path, stack: ExitStack) -> Reader:
        reader = open_raster(path, allow_vrt=self._options.allow_vrt, indexed=True)
        return stack.enter_context(closing(reader))

    def _on(self, side: Reader | Layer, grid: RasterInfo) -> Side:
        if isinstance(side, Layer):
            return side.on(grid)
        return RasterSide(_aligned(side, grid), self._meaning)

    @property
    def _meaning(self) -> Meaning:
        options = self._options
        return Meaning(
            values=options.values, threshold=options.threshold, class_by=options.class_by
        )

    def _grid(self, sides: Sequence[Reader | Layer], image: Reader | None) -> RasterInfo:
        """Return the truth's grid, else the prediction's, else the image's, else one of our own."""
        ours, theirs = sides
        for each in (theirs, ours, image):
            if each is not None and not isinstance(each, Layer):
                return each.info
        assert isinstance(ours, Layer)
        assert isinstance(theirs, Layer)
        return _own_grid(theirs, ours, self._options.gsd)


def _aligned(reader: Reader, grid: RasterInfo) -> Reader:
    """Return a reader on a grid; say so when its pixels have to be moved."""
    info = reader.info
    if same_grid(info, grid):
        return reader
    if info.crs is None or grid.crs is None:
        if info.shape == grid.shape:
            return reader  # the pixels of one that has no place are those of the other
        raise OptionError(
            f"{info.path}: is {info.shape} (height, width; {grid.path.name}: {grid.shape}), and "
            "without a CRS on both nothing says where it lies; georeference it"
        )
    if info.crs != grid.crs:
        _say_moved(info.path, info.crs.name, grid)
    else:
        warn(
            f"{info.path}: has another grid than {grid.path.name}; compared there, by the nearest "
            "pixel", GeounetWarning, stacklevel=2,
        )  # fmt: skip
    return Aligned(reader, grid)


def _say_moved(path: Path, name: str, grid: RasterInfo) -> None:
    assert grid.crs is not None
    warn(f"{path}: is in {name}, compared in {grid.crs.name}", GeounetWarning, stacklevel=3)


def _own_grid(theirs: Layer, ours: Layer, gsd: float) -> RasterInfo:
    """Return a grid in the truth's CRS that holds both layers."""
    crs = theirs.table.crs
    shapes = [shapely.box(*theirs.table.total_bounds)]
    moved = reproject(np.array([shapely.box(*ours.table.total_bounds)]), ours.table.crs, crs)
    bounds = np.array([each.bounds for each in (*shapes, *moved) if not each.is_empty])
    if not len(bounds) or not np.isfinite(bounds).all():
        raise OptionError(f"{theirs.path} and {ours.path} hold no feature; nothing to compare")
    (left, bottom), (right, top) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    step = _steps(crs, gsd, ((left + right) / 2, (bottom + top) / 2))
    width, height = (
        max(int(np.ceil(size / at)), 1)
        for size, at in zip((right - left, top - bottom), step, strict=True)
    )
    return RasterInfo(
        path=theirs.path, height=height, width=width, count=1, dtype=np.dtype(np.uint8),
        transform=Affine(step[0], 0, left, 0, -step[1], top), crs=crs, nodata=None,
        block_shape=(1, width),
    )  # fmt: skip


def _steps(crs: Any, gsd: float, middle: tuple[float, float]) -> tuple[float, float]:  # noqa: ANN401 - pyproj's
    """Return how far a pixel of some metres reaches in units of a CRS."""
    unit = 1e-5 if crs is not None and crs.is_geographic else 1.0
    around = Affine(unit, 0, middle[0] - 8 * unit, 0, -unit, middle[1] + 8 * unit)
    steps = pixel_steps(crs, around, (16, 16)) or (1.0, 1.0, 0.0)
    return gsd * unit / steps[0], gsd * unit / steps[1]


def _scored(
    opener: _Opener, files: _Files, options: EvaluateOptions, progress: Callable[[int, int], None]
) -> ImageScore:
    with ExitStack() as stack:
        pair = opener.pair(files, stack)
        found = scan(pair, _distance(pair.grid, options), options.values, progress)
    return score_image(files.name, pair.grid, found, options.stride)


def _distance(grid: RasterInfo, options: EvaluateOptions) -> int:
    if options.boundary_m is None:
        return options.boundary
    if grid.gsd is None:
        raise OptionError(f"{grid.path}: has no CRS, so metres mean nothing; use --boundary")
    return max(round(options.boundary_m / grid.gsd), 1)


def _pictures(
    opener: _Opener, files: Sequence[_Files], chosen: Sequence[Any]
) -> Iterator[tuple[Any, bytes]]:
    for example in chosen:
        with ExitStack() as stack:
            yield example, drawn(example, opener.pair(files[example.image], stack))


def _said(
    prediction: Path, truth: Path, images: Sequence[ImageScore], options: EvaluateOptions
) -> dict[str, Any]:
    named = {"software": f"geounet {__version__}", "prediction": prediction.name}
    asked = {key: value for key, value in asdict(options).items() if key != "overwrite"}
    said = summary(images, options.values)
    reach = {_distance(each.grid, options) for each in images}
    said["boundary"]["distance_px"] = max(reach)
    told = {**named, "truth": truth.name, "options": asked, **said}
    plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return plain


def _class_names(images: Sequence[ImageScore], options: EvaluateOptions) -> list[str]:
    count = len(pooled(images).matrix)
    if options.values == "damage":
        return list(_LEVELS[:count])
    if options.values == "mask":
        return ["background", "building"]
    return ["background", *(f"class {at}" for at in range(1, count))]


def _facts(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in ("software", "prediction", "truth", "options")}


def _write_rows(path: Path, images: Sequence[ImageScore]) -> None:
    rows = [image_row(each) for each in images]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
