"""Rasters and the outlines on them → a dataset to train on, split by place."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np

from geounet.annotations.classes import MOST, Classes
from geounet.annotations.vector import column_values, read_layer, shapes_on
from geounet.chipset import MANIFEST, SPLITS, TABLE, new_folder, write_manifest, write_table
from geounet.contact import write_sheet
from geounet.cutter import PARTS, Cutter
from geounet.errors import AnnotationError, GeounetWarning, OptionError, TargetError
from geounet.outputs import check_target
from geounet.places import Blocks, assign
from geounet.raster import open_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from geounet.annotations.shapes import Shape
    from geounet.places import Block
    from geounet.reader import RasterInfo


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
    class_by: str | None = None
    """Column whose values are classes; None: all outlines are of one."""
    classes: tuple[str, ...] = ()
    """Names of class 1, 2 and so on; none takes the column's values in alphabetical order."""
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
    classes = _classes(features, labels, options)
    wanted = [options.class_by] if options.class_by else []
    features = features[[*wanted, features.geometry.name]]
    outlines = 0
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    with new_folder(out, overwrite=options.overwrite) as folder:
        for sheet in sheets:
            shapes = shapes_on(features, sheet.info, labels)
            outlines += sum(shape.geometry.area > 0 for shape in shapes)
            _check_classes(shapes, classes)
            for made in _cut(sheet, (shapes, classes), splits, folder, options):
                if isinstance(made, str):
                    left_out[made] += 1
                else:
                    rows.append(made)
                progress(len(rows) + left_out.total(), sum(len(each.tiles) for each in sheets))
        _check_made(rows, options)
        if not outlines:
            _warn_of_none(labels, len(features))
        write_table(folder / TABLE, rows)
        gsds = {each.name: each.info.gsd for each in sheets}
        write_manifest(folder / MANIFEST, rows, gsds, classes.names)
        if options.sheet is not None:
            _write_sheet(options.sheet, folder, rows)
    chips = Counter(row["split"] for row in rows)
    blocks = Counter(SPLITS[split] for split in splits.values())
    return ChipsResult(
        {name: chips[name] for name in SPLITS},
        {name: blocks[name] for name in SPLITS},
        dict(left_out),
    )


def _warn_of_none(labels: Path, features: int) -> None:
    warn(
        f"{labels}: none of its {features:,} features is an outline on these rasters, so every "
        "chip shows background alone",
        GeounetWarning,
        stacklevel=3,
    )


def _classes(features: gpd.GeoDataFrame, labels: Path, options: ChipsOptions) -> Classes:
    """The classes of the outlines, as asked for or as their column has them."""
    by, names = options.class_by, options.classes
    if by is None:
        if len(names) > 1:
            raise OptionError(
                f"{labels}: outlines do not tell which of {', '.join(names)} they are; name the "
                "column that does with --class-by"
            )
        return Classes(names=names)
    found = column_values(features, by, labels)
    if len(names or found) > MOST:
        raise OptionError(f"{labels}: {by} has {len(found)} values (at most {MOST} classes)")
    return Classes(names=names or found, by=by)


def _check_classes(shapes: Sequence[Shape], classes: Classes) -> None:
    strangers = classes.strangers(shapes)
    if strangers:
        more = f" (and {len(strangers) - 1} other values)" if strangers[1:] else ""
        raise AnnotationError(strangers[0] + more)


def _cut(
    sheet: _Sheet,
    labelled: tuple[Sequence[Shape], Classes],
    splits: Mapping[Block, int],
    folder: Path,
    options: ChipsOptions,
) -> Iterator[dict[str, Any] | str]:
    """Write the chips of a raster; yield for each tile its row, or why there is none."""
    with open_raster(sheet.path, bands=options.bands, allow_vrt=options.allow_vrt) as reader:
        cutter = Cutter(reader, *labelled, options.tile, options.scale)
        for (row, col), blocks in zip(sheet.tiles.tolist(), sheet.blocks, strict=True):
            split, *others = {SPLITS[splits[block]] for block in blocks}
            if others:
                yield "reach into blocks of several splits"
                continue
            patch = cutter.patch(row, col)
            valid = float(patch.valid.mean())
            if not 0 < valid >= options.min_valid:
                yield "hold too little data"
                continue
            chip = f"{sheet.name}_{row:06d}_{col:06d}.tif"
            made = cutter.write(patch, folder / split, chip)
            named = {"chip": chip, "split": split, "raster": sheet.name, "row": row, "col": col}
            yield named | made | {"valid": round(valid, 4), "block": _named(min(blocks))}
    if cutter.faulty:
        warn(
            f"{sheet.path}: {cutter.faulty:,} features have no area on it and were not drawn",
            GeounetWarning,
            stacklevel=4,
        )


def _check(options: ChipsOptions, out: Path, inputs: Sequence[str | Path]) -> None:
    if not (options.split[0] > 0 <= min(options.split[1:]) and sum(options.split) < math.inf):
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


def _write_sheet(path: Path, folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    shown = []
    for row in rows:
        image, mask = (folder / row["split"] / part / row["chip"] for part in PARTS)
        shown.append((str(image), mask))
    write_sheet(path, shown)


def _named(block: Block) -> str:
    return f"{block[0]},{block[1]}"
