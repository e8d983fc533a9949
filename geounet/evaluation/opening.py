"""Find the files of a comparison, and open both sides of each image on one grid."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np
from affine import Affine

from geounet.annotations.vector import SUFFIXES as VECTORS
from geounet.errors import GeounetWarning, OptionError, RasterError
from geounet.evaluation.aligned import Aligned, same_grid
from geounet.evaluation.scan import Pair
from geounet.evaluation.sides import Layer, RasterSide, is_vector, open_layer
from geounet.footprints.place import bounds_in
from geounet.ground import pixel_steps
from geounet.inputs import SUFFIXES as RASTERS
from geounet.raster import open_raster
from geounet.reader import RasterInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geounet.evaluation.sides import Meaning, Side
    from geounet.reader import Reader


@dataclass(frozen=True)
class Files:
    """The files of one image."""

    name: str
    """Of the image."""
    ours: Path
    """The prediction."""
    theirs: Path
    """The truth."""
    image: Path | None
    """The image itself, where it was named."""


def find_files(prediction: Path, truth: Path, image: Path | None) -> list[Files]:
    """Return the images: those of the truth's folder, else the prediction's, else the image's.

    Raises:
        GeounetError: an image lacks a side, or a folder is empty.
    """
    sides = [_listed(prediction), _listed(truth)]
    images = None if image is None else _listed(image)
    many = next((side for side in (sides[1], sides[0], images) if isinstance(side, dict)), None)
    if many is None:
        return [Files(truth.stem, prediction, truth, image)]
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
    return [Files(*each) for each in zip(names, ours, theirs, shown, strict=True)]


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


class Opener:
    """Opens the files of an image; a layer that serves several images is read once."""

    def __init__(
        self,
        meaning: Meaning,
        *,
        layers: tuple[str | None, str | None],
        gsd: float,
        allow_vrt: bool,
    ) -> None:
        """Keep how files are understood.

        Args:
            meaning: of pixels and features.
            layers: of the prediction and of the truth; None takes the first.
            gsd: metres a pixel of the grid of two layers.
            allow_vrt: open a VRT whose sources lie outside its folder.
        """
        self._meaning, self._names, self._gsd, self._allow_vrt = meaning, layers, gsd, allow_vrt
        self._layers: dict[tuple[Path, str | None], Layer] = {}
        self._told: set[str] = set()

    def pair(self, files: Files, stack: ExitStack) -> Pair:
        """Return both sides of an image on one grid; the stack closes them.

        Raises:
            GeounetError: a file cannot be used, or the two have no place in common.
        """
        paths = (files.ours, files.theirs)
        ours, theirs = (
            self._open(path, layer, stack) for path, layer in zip(paths, self._names, strict=True)
        )
        image = None if files.image is None else self._reader(files.image, stack)
        grid = self._grid(ours, theirs, image)
        return Pair(
            name=files.name,
            grid=grid,
            ours=self._on(ours, grid),
            theirs=self._on(theirs, grid),
            image=None if image is None else self._aligned(image, grid),
        )

    def _open(self, path: Path, layer: str | None, stack: ExitStack) -> Reader | Layer:
        if not is_vector(path):
            return self._reader(path, stack)
        if (path, layer) not in self._layers:
            self._layers[path, layer] = open_layer(path, layer, self._meaning)
        return self._layers[path, layer]

    def _reader(self, path: Path, stack: ExitStack) -> Reader:
        reader = open_raster(path, allow_vrt=self._allow_vrt, indexed=True)
        return stack.enter_context(closing(reader))

    def _grid(
        self, ours: Reader | Layer, theirs: Reader | Layer, image: Reader | None
    ) -> RasterInfo:
        """Return the truth's grid, else the prediction's, else the image's, else one of our own."""
        for each in (theirs, ours, image):
            if each is not None and not isinstance(each, Layer):
                return each.info
        assert isinstance(ours, Layer)
        assert isinstance(theirs, Layer)
        return _own_grid(theirs, ours, self._gsd)

    def _on(self, side: Reader | Layer, grid: RasterInfo) -> Side:
        if not isinstance(side, Layer):
            return RasterSide(self._aligned(side, grid), self._meaning)
        if grid.crs is not None and side.table.crs not in (None, grid.crs):
            self._tell(f"{side.path}: is in {side.table.crs.name}, compared in {grid.crs.name}")
        return side.on(grid, self._tell)

    def _aligned(self, reader: Reader, grid: RasterInfo) -> Reader:
        """Return a reader on a grid; say so when its pixels have to be moved."""
        info = reader.info
        if same_grid(info, grid):
            return reader
        if info.crs is None or grid.crs is None:
            if info.shape == grid.shape:
                return reader  # the pixels of one that has no place are those of the other
            raise OptionError(
                f"{info.path}: is {info.shape} (height, width; {grid.path.name}: {grid.shape}), "
                "and without a CRS on both nothing says where it lies; georeference it"
            )
        if info.crs != grid.crs:
            self._tell(f"{info.path}: is in {info.crs.name}, compared in {grid.crs.name}")
        else:
            self._tell(
                f"{info.path}: has another grid than {grid.path.name}, whose pixels are compared"
            )
        return Aligned(reader, grid)

    def _tell(self, what: str) -> None:
        """Warn, but of each thing once."""
        if what not in self._told:
            self._told.add(what)
            warn(what, GeounetWarning, stacklevel=4)


def _own_grid(theirs: Layer, ours: Layer, gsd: float) -> RasterInfo:
    """Return a grid in the truth's CRS that holds both layers."""
    crs = theirs.table.crs
    tables = [layer.table for layer in (theirs, ours) if len(layer.table)]
    boxes = [bounds_in(table.total_bounds, table.crs, crs) for table in tables]
    if not boxes:
        raise OptionError(f"{theirs.path} and {ours.path} hold no feature; nothing to compare")
    bounds = np.array(boxes)
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
