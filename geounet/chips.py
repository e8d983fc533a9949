"""Rasters and the outlines on them → a dataset to train on, split by place."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np
import shapely
from rasterio.windows import Window

from geounet.annotations.shapes import draw, fault
from geounet.annotations.vector import read_layer, shapes_on
from geounet.contact import write_sheet
from geounet.errors import GeounetWarning, OptionError, OutputError, TargetError
from geounet.outputs import check_target
from geounet.places import Blocks, assign
from geounet.raster import Patch, open_raster
from geounet.tiff import write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from geounet.places import Block
    from geounet.raster import RasterInfo, Reader

SPLITS = ("train", "validation", "test")
MANIFEST, TABLE = "dataset.toml", "chips.csv"

_NOTE = """\
# Written by geounet chips. Train with: geounet train FOLDER -o model.safetensors
"""


@dataclass(frozen=True, kw_only=True)
class ChipsOptions:
    """What a user may ask of a dataset."""

    tile: int = 512
    """Edge of a chip, pixels."""
    block: int = 4
    """Edge of a block of ground in tiles of the first raster; a block is of one split."""
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of train, validation and test."""
    seed: int = 0
    """Of the dealing out of blocks."""
    min_valid: float = 0.5
    """Chips with a smaller share of data are left out."""
    bands: tuple[int, ...] | None = None
    """1-based bands; None takes all but alpha."""
    scale: tuple[float, float] | None = None
    """Raw values that become 0 and 255 of 8 bits; None keeps pixels as they are."""
    layer: str | None = None
    """Layer of the labels; None takes the first."""
    sheet: Path | None = None
    """Contact sheet to write, .png."""
    overwrite: bool = False
    """Replace a dataset that exists."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""


@dataclass(frozen=True)
class ChipsResult:
    """What was made, and what was not."""

    chips: dict[str, int]
    """Chips of each split."""
    blocks: dict[str, int]
    """Blocks of ground of each split."""
    left_out: dict[str, int]
    """Tiles that became no chip, by cause."""


@dataclass(frozen=True)
class _Sheet:
    """One raster with its tiles."""

    path: str
    name: str
    info: RasterInfo
    tiles: NDArray[np.int64]
    blocks: list[set[Block]]


def make_chips(
    rasters: Sequence[str],
    labels: Path,
    out: Path,
    options: ChipsOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> ChipsResult:
    """Cut rasters into chips with their masks, split by place; ground of one split is in no other.

    Args:
        rasters: with a CRS; where they show the same ground, it is of one split.
        labels: vector file with the outlines, of any CRS.
        out: folder of the dataset: `SPLIT/images`, `SPLIT/masks`, the manifest that
            `geounet train` reads, and a table of all chips.
        options: everything else.
        progress: called with tiles done and tiles in total.

    Raises:
        GeounetError: a file cannot be used; the folder is not there then.
    """
    options = options or ChipsOptions()
    _check(options, out, [*rasters, labels])
    sheets = _sheets(rasters, options)
    splits = _splits(sheets, options)
    features = read_layer(labels, options.layer)
    features = features[[features.geometry.name]]
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    total = sum(len(sheet.tiles) for sheet in sheets)
    done = 0
    with _folder(out, overwrite=options.overwrite) as folder:
        for name, part in product(SPLITS, ("images", "masks")):
            (folder / name / part).mkdir(parents=True)
        for sheet in sheets:
            with open_raster(
                sheet.path, bands=options.bands, allow_vrt=options.allow_vrt
            ) as reader:
                cutter = _Cutter(reader, shapes_on(features, sheet.info, labels), options)
                for tile, blocks in zip(sheet.tiles.tolist(), sheet.blocks, strict=True):
                    made = _cut(cutter, sheet, tile, {splits[b] for b in blocks}, folder)
                    if isinstance(made, str):
                        left_out[made] += 1
                    else:
                        rows.append(made | {"block": _block_name(min(blocks))})
                    done += 1
                    progress(done, total)
                cutter.warn_of_faults(labels)
        _check_made(rows, options)
        _write_table(folder / TABLE, rows)
        _write_manifest(folder / MANIFEST, rows, sheets)
        if options.sheet is not None:
            shown = [
                (str(folder / row["split"] / "images" / row["chip"]),
                 folder / row["split"] / "masks" / row["chip"]) for row in rows
            ]  # fmt: skip
            write_sheet(options.sheet, shown)
    chips = Counter(row["split"] for row in rows)
    named = Counter(SPLITS[split] for split in splits.values())
    return ChipsResult(
        {name: chips[name] for name in SPLITS}, {name: named[name] for name in SPLITS},
        dict(left_out),
    )  # fmt: skip


class _Cutter:
    """Cuts chips and masks out of one raster."""

    def __init__(self, reader: Reader, shapes: Sequence[Any], options: ChipsOptions) -> None:
        self.reader, self._options = reader, options
        faults = [fault(shape.geometry) for shape in shapes]
        self._faulty = sum(each is not None for each in faults)
        good = [s.geometry for s, each in zip(shapes, faults, strict=True) if each is None]
        self._shapes = np.array(good, object)
        self._tree = shapely.STRtree(self._shapes)

    def patch(self, row: int, col: int) -> Patch:
        """Return a tile; what lies beyond the raster is not valid."""
        info, edge = self.reader.info, self._options.tile
        height, width = min(edge, info.height - row), min(edge, info.width - col)
        found = self.reader.read(Window(col, row, width, height))
        data = self._scaled(found.data)
        data[:, ~found.valid] = 0
        beyond = ((0, edge - height), (0, edge - width))
        return Patch(
            np.pad(data, ((0, 0), *beyond)),
            np.pad(found.valid, beyond),
            Window(col, row, edge, edge),
        )

    def mask(self, patch: Patch) -> tuple[NDArray[np.uint8], int]:
        """Return the mask of a tile, 1 = building, and how many outlines reach into it."""
        rows, cols = patch.window.toslices()
        here = shapely.box(cols.start, rows.start, cols.stop, rows.stop)
        near = self._tree.query(here, predicate="intersects")
        labels = draw([(shape, 1) for shape in self._shapes[near]], patch.window)
        return np.where(patch.valid, labels, 0).astype(np.uint8), len(near)

    def enough(self, valid: float) -> bool:
        """Return whether a share of data makes a chip; none at all never does."""
        return 0 < valid >= self._options.min_valid

    def warn_of_faults(self, labels: Path) -> None:
        if self._faulty:
            warn(
                f"{labels}: {self._faulty:,} features have no area on "
                f"{self.reader.info.path.name} and were not drawn", GeounetWarning, stacklevel=3,
            )  # fmt: skip

    def _scaled(self, data: NDArray[Any]) -> NDArray[Any]:
        if self._options.scale is None:
            return np.array(data)
        low, high = self._options.scale
        scaled = (np.nan_to_num(data.astype(np.float32)) - low) * (255 / (high - low))
        return np.asarray(np.clip(scaled + 0.5, 0, 255).astype(np.uint8))


def _cut(
    cutter: _Cutter, sheet: _Sheet, tile: list[int], splits: set[int], folder: Path
) -> dict[str, Any] | str:
    """Write a chip and its mask; return its row, or why there is none."""
    if len(splits) > 1:
        return "reach into blocks of several splits"
    row, col = tile
    patch = cutter.patch(row, col)
    valid = float(patch.valid.mean())
    if not cutter.enough(valid):
        return "hold too little data"
    mask, buildings = cutter.mask(patch)
    split, chip = SPLITS[splits.pop()], f"{sheet.name}_{row:06d}_{col:06d}.tif"
    truth = Patch(mask[None], np.ones_like(patch.valid), patch.window)
    for part, made in (("images", patch), ("masks", truth)):
        write_tiff(folder / split / part / chip, made, replace(sheet.info, dtype=made.data.dtype))
    return {
        "chip": chip, "split": split, "raster": sheet.name, "row": row, "col": col,
        "valid": round(valid, 4), "built": round(float(mask.mean()), 4), "buildings": buildings,
    }  # fmt: skip


def _check(options: ChipsOptions, out: Path, inputs: Sequence[str | Path]) -> None:
    if min(options.split) < 0 or options.split[0] <= 0:
        raise OptionError(f"shares must be 0 or more, train's above, got {options.split}")
    if options.scale is not None and not options.scale[0] < options.scale[1]:
        raise OptionError(f"scale runs from black up to white, got {options.scale}")
    if out.exists() and not options.overwrite:
        raise TargetError(f"{out}: exists already; pass --overwrite to replace it")
    if out.exists() and not (out / TABLE).is_file():
        raise TargetError(f"{out}: is no dataset of chips, so it is not replaced; choose another")
    if options.sheet is not None:
        check_target(options.sheet, inputs=inputs, overwrite=options.overwrite, suffixes=(".png",))


def _sheets(rasters: Sequence[str], options: ChipsOptions) -> list[_Sheet]:
    infos = []
    for path in rasters:
        with open_raster(path, bands=options.bands, allow_vrt=options.allow_vrt) as reader:
            infos.append(reader.info)
    names = [Path(path).stem for path in rasters]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise OptionError(f"several rasters are called {twice[0]}; rename one of them")
    blocks = Blocks(infos[0], options.block * options.tile)
    sheets = []
    for path, name, info in zip(rasters, names, infos, strict=True):
        rows, cols = (np.arange(0, size, options.tile) for size in info.shape)
        tiles = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=2).reshape(-1, 2)
        sheets.append(_Sheet(path, name, info, tiles, blocks.touched(info, tiles, options.tile)))
    return sheets


def _splits(sheets: Sequence[_Sheet], options: ChipsOptions) -> dict[Block, int]:
    held: Counter[Block] = Counter()
    for sheet in sheets:
        for blocks in sheet.blocks:
            held.update(blocks)
    return assign(held, options.split, options.seed)


def _check_made(rows: Sequence[dict[str, Any]], options: ChipsOptions) -> None:
    made = {row["split"] for row in rows}
    lacking = [
        name
        for name, share in zip(SPLITS, options.split, strict=True)
        if share > 0 and name not in made
    ]
    if lacking:
        raise OptionError(
            f"no chip is left for {lacking[0]} ({len(rows)} chips in all); make blocks smaller "
            "with --block or --tile, or set its share to 0 with --split"
        )


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_manifest(path: Path, rows: Sequence[dict[str, Any]], sheets: Sequence[_Sheet]) -> None:
    """Write a set a raster and split; each chip is drawn from as often as any other."""
    counts = Counter((row["raster"], row["split"]) for row in rows)
    lines = [_NOTE]
    for sheet in sheets:
        for split in SPLITS:
            if not counts[sheet.name, split]:
                continue
            entries = {
                "name": sheet.name,
                "split": split,
                "images": f"{split}/images/*.tif",
                "only": [f"{_literal(sheet.name)}_??????_??????"],
                "labels": f"{split}/masks",
                "gsd": sheet.info.gsd,
                "weight": float(counts[sheet.name, split]),
            }
            lines.append("[[set]]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in entries.items()))
    path.write_text("\n".join(lines), encoding="utf-8")


def _literal(name: str) -> str:
    """Return a name as a glob that only it matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # text, lists and numbers are written alike


def _block_name(block: Block) -> str:
    return f"{block[0]},{block[1]}"


@contextmanager
def _folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder that becomes `out` when all is written, and is gone after an error."""
    try:
        home = Path(mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise OutputError(f"{out}: its folder cannot be written to ({error.strerror})") from error
    try:
        (home / "new").mkdir()
        yield home / "new"
        if overwrite and out.exists():
            out.rename(home / "old")
        (home / "new").rename(out)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); free some space"
        ) from error
    finally:
        shutil.rmtree(home, ignore_errors=True)
