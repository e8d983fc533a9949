"""Stand-ins with known answers, so that a room is tested without the rooms below it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from affine import Affine

from geounet.card import ModelCard
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions
from geounet.reader import Patch, RasterInfo


class FakeReader:
    """A Reader over an array; remembers the windows it was asked for in `asked`."""

    def __init__(self, array, valid=None, transform=None, crs=None):
        """Wrap `(bands, height, width)` pixels; everything is valid unless told otherwise."""
        self._array = np.asarray(array)
        count, height, width = self._array.shape
        self._valid = np.ones((height, width), bool) if valid is None else np.asarray(valid)
        self.asked = []
        self.closed = False
        self.info = RasterInfo(
            path=Path("fake.tif"),
            height=height,
            width=width,
            count=count,
            dtype=self._array.dtype,
            transform=Affine.identity() if transform is None else transform,
            crs=crs,
            nodata=None,
            block_shape=(min(height, 64), min(width, 64)),
        )

    def read(self, window, into=None):
        """Return a copy of the pixels of a window inside the array, or put it into a patch."""
        rows, cols = window.toslices()
        assert 0 <= rows.start < rows.stop <= self.info.height, window
        assert 0 <= cols.start < cols.stop <= self.info.width, window
        self.asked.append(window)
        data, valid = self._array[:, rows, cols], self._valid[rows, cols]
        if into is None:
            return Patch(data.copy(), valid.copy(), window)
        into.data[:], into.valid[:] = data, valid
        return Patch(into.data, into.valid, window)

    def holds_data(self, window):
        """Return whether the window has data."""
        rows, cols = window.toslices()
        return bool(self._valid[rows, cols].any())

    def close(self):
        """Remember that it was closed."""
        self.closed = True


class PaintModel:
    """A Step that sees one pixel: the probability of class c is band c / 255."""

    device, precision, backend = "cpu", "fp32", "paint"

    def __init__(self, classes=1, bands=None, stride=1, **card):
        """Expect `bands` uint8 bands (as many as classes, unless told otherwise)."""
        bands = bands or classes
        self.classes = classes
        self.shapes = set()
        self.card = ModelCard(
            name="paint",
            network="paint",
            bands=tuple(f"band {band + 1}" for band in range(bands)),
            mean=(0.5,) * bands,
            std=(0.25,) * bands,
            classes=tuple(f"class {index}" for index in range(classes))
            if classes > 1
            else ("building",),
            layers=tuple(f"layer {index}" for index in range(classes))
            if classes > 1
            else ("buildings",),
            stride=stride,
            receptive_field=0,
            **card,
        )

    def __call__(self, pixels, valid):
        """Return the bands as probabilities; remember the shape of the batch."""
        self.shapes.add(pixels.shape)
        return {"probability": pixels[:, : self.classes].astype(np.float32) / np.float32(255)}


STRIDES = {"bottleneck": 8, "fine": 2}
"""Pixels a place of a layer of `SeenModel`."""


class SeenModel(PaintModel):
    """A paint model whose layers are known by hand: block means of the pixels, raw.

    `bottleneck` has a place for each 8 × 8 pixels, `fine` one for each 2 × 2; nodata counts as it
    stands in the raster.
    """

    def __init__(self, bands=1, **card):
        """Expect tiles in multiples of eight pixels."""
        super().__init__(bands=bands, stride=8, **card)

    def __call__(self, pixels, valid):
        """Return the first band as a probability, and the layers."""
        made = super().__call__(pixels, valid)
        count, bands, height, width = pixels.shape
        for name, edge in STRIDES.items():
            blocks = pixels.reshape(count, bands, height // edge, edge, width // edge, edge)
            made[name] = blocks.mean((3, 5), dtype=np.float32)
        return made


class DyingModel(PaintModel):
    """Paints, until a given number of batches is done."""

    def __init__(self, calls, error=KeyboardInterrupt, **words):
        """Die at the call after so many."""
        super().__init__(**words)
        self.left, self.error = calls, error

    def __call__(self, pixels, valid):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().__call__(pixels, valid)


TILE, HALO = 32, 8
STRIDE = TILE - 2 * HALO


def asked(folder, model=None, band_width=10_000, **words):
    """Options with all outputs of pixels, in a folder."""
    folder.mkdir(exist_ok=True)
    words = {"outline": "pixel", "min_area": 0} | words
    plan = PlanOptions(tile=TILE, halo=HALO, blend="hann", band_width=band_width)
    sides = {"probability": folder / "p.tif", "mask": folder / "m.tif", "rle": folder / "r.json"}
    return PredictOptions(model=model or PaintModel(), plan=plan, gsd="native", **sides | words)


def tables(path):
    """All rows of a package, by table, but for the index that SQLite orders as it likes."""
    with closing(sqlite3.connect(path)) as file:
        names = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        found = sorted(name for (name,) in names if not name.startswith("rtree_"))
        return {name: file.execute(f'SELECT * FROM "{name}"').fetchall() for name in found}  # noqa: S608


def contents(folder):
    """What can be compared of a folder: the tables of packages, the bytes of the rest."""
    return {
        path.name: tables(path) if path.suffix == ".gpkg" else path.read_bytes()
        for path in sorted(folder.iterdir())
    }
