"""Cells of a surface that stay beside it, so that the next run infers only what has changed.

`OUT.cells/` holds the records of the last run, the q if that was wanted, and which sheets there
were. A cell is carried over when no pixel that its tiles read can have changed: no sheet that was
added, removed or written again lies there, nor an edge of the surface that moved.
"""

from __future__ import annotations

import json
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from affine import Affine

from geounet.footprints.parts.store import Store
from geounet.outputs import make_folder
from geounet.records import Record, Records
from geounet.state import CELLS, RUN, Q

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rasterio.windows import Window

    from geounet.grid import Cell, TileGrid
    from geounet.plan import Plan
    from geounet.reader import RasterInfo

SUFFIX = ".cells"
INPUT = "input"
"""Name in a key of what may have changed."""

NEAR = 1e-5
"""Pixels by which one grid may lie off another that is the same."""


def folder_of(out: Path) -> Path:
    """Return where the cells of an output are kept."""
    return out.with_name(out.name + SUFFIX)


@dataclass(frozen=True)
class Kept:
    """What an earlier run has left."""

    folder: Path
    """Where it stands."""
    run: dict[str, Any]
    """Key, engine and plan as they were settled, place of the grid, sheets."""

    @classmethod
    def beside(cls, out: Path) -> Kept | None:
        """Return what is kept beside an output; None where nothing of use is."""
        folder = folder_of(out)
        try:
            run = json.loads((folder / RUN).read_text(encoding="utf-8"))
            kept = cls(folder, run)
            _ = kept.transform, kept.cell, run["key"], run["parts"], run["crs"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return kept

    @property
    def transform(self) -> Affine:
        """Of the grid that was inferred."""
        return Affine(*self.run["transform"])

    @property
    def cell(self) -> tuple[int, int]:
        """Rows and columns of a cell that no edge cuts."""
        grid = self.run["settled"]["plan"]["grid"]
        stride = grid["tile"] - 2 * grid["halo"]
        return stride, max(grid["band_width"] // stride, 1) * stride

    def settled(self, key: Mapping[str, Any], info: RasterInfo) -> dict[str, Any] | None:
        """Return engine and plan for a surface of which cells can be carried over; or None.

        Args:
            key: of the run; all but the input must be the same.
            info: of the grid that is to be inferred.
        """
        same = {**self.run["key"], INPUT: None} == {**key, INPUT: None}
        if not same or self.run["crs"] != _crs(info) or self._shift(info) is None:
            return None
        settled: dict[str, Any] = json.loads(json.dumps(self.run["settled"]))
        settled["plan"]["grid"]["shape"] = list(info.shape)
        return settled

    def carry(self, into: Path, plan: Plan, info: RasterInfo, *, with_q: bool) -> None:
        """Copy the cells that cannot have changed into a state that has just begun.

        Args:
            into: folder of the state.
            plan: made of what `settled` gave.
            info: of the grid that is to be inferred.
            with_q: it is wanted too.
        """
        shift, old = self._shift(info), tuple(self.run["settled"]["plan"]["grid"]["shape"])
        assert shift is not None
        if not (self.folder / CELLS).exists() or (with_q and not (self.folder / Q).exists()):
            return
        before = replace(plan.grid, shape=old)
        change = _Change(plan, before, shift, _changed(self.run["parts"], shift, info))
        with ExitStack() as stack:
            records = stack.enter_context(Records(self.folder / CELLS))
            done = stack.enter_context(Records(into / CELLS))
            stores = None
            if with_q:
                there = Store(self.folder / Q, plan.classes, before.shape)
                here = Store(into / Q, plan.classes, plan.grid.shape)
                stores = stack.enter_context(there), stack.enter_context(here)
            for record in records.recover():
                cell = change.cell(record)
                if cell is None or record.failed_pixels:
                    continue
                q_sum = record.q_sum if with_q else 0
                if stores is not None and record.size:
                    core = before.cell(record.row, record.band).core
                    q_sum = _copy(stores[0], core, stores[1], cell.core, plan.classes)
                moved = replace(record, row=cell.row, band=cell.band, q_sum=q_sum)
                done.append(moved, records.arrays(record))

    def _shift(self, info: RasterInfo) -> tuple[int, int] | None:
        """Return how many rows and columns the old grid's origin lies from that of a new one.

        None unless it is a whole number of cells.
        """
        way = ~info.transform @ self.transform
        col, row, far = round(way.c), round(way.f), max(info.shape)
        off = np.abs(np.array([way @ at for at in ((0, 0), (far, far))]) - ((0, 0), (far, far)))
        off = np.abs(off - (abs(col), abs(row))).max()
        high, wide = self.cell
        return (row, col) if off <= NEAR and not (row % high or col % wide) else None


def keep(out: Path, state: Path, info: RasterInfo) -> None:
    """Keep the cells of a run that is over, instead of those that were kept before.

    Args:
        out: whose cells they are.
        state: folder of the run's state.
        info: of the grid that was inferred.
    """
    folder = folder_of(out)
    make_folder(folder)
    (folder / RUN).unlink(missing_ok=True)  # what it says is not so from here on
    for name in (CELLS, Q):
        (folder / name).unlink(missing_ok=True)
        if (state / name).exists():
            (state / name).replace(folder / name)
    assert info.sheets is not None
    run = json.loads((state / RUN).read_text(encoding="utf-8"))
    run |= {
        "transform": list(info.transform)[:6],
        "crs": _crs(info),
        "parts": info.sheets.parts(info),
    }
    fresh = folder / f"{RUN}.new"
    fresh.write_text(json.dumps(run, indent=1, ensure_ascii=False), encoding="utf-8")
    fresh.replace(folder / RUN)


@dataclass(frozen=True)
class _Change:
    """From the cells of one grid to those of another."""

    plan: Plan
    """Of the new one."""
    before: TileGrid
    """The old one."""
    shift: tuple[int, int]
    """Row and column of the old one's origin on the new one."""
    changed: shapely.STRtree
    """Boxes of the new grid where pixels may have changed."""

    def cell(self, record: Record) -> Cell | None:
        """Return the new cell that is what an old one was; None where there is none."""
        grid = self.plan.grid
        down, right = (size // step for size, step in zip(self.shift, self._steps, strict=True))
        row, band = record.row + down, record.band + right
        if not (0 <= row < grid.rows and 0 <= band < len(grid.bands)):
            return None
        old, new = self.before.cell(record.row, record.band), grid.cell(row, band)
        if (old.core.height, old.core.width) != (new.core.height, new.core.width):
            return None
        reach = self.plan.reach * grid.stride + grid.halo
        rows = row * grid.stride - reach, (row + 1) * grid.stride + reach
        cols = new.cols.start * grid.stride - reach, new.cols.stop * grid.stride + reach
        axes = zip((rows, cols), self.shift, self.before.shape, grid.shape, strict=True)
        if any(_meets_moved_edge(*axis) for axis in axes):
            return None
        (left, right), (top, bottom) = map(_with_mirrored, (cols, rows), grid.shape[::-1])
        seen = shapely.box(left, top, right, bottom)
        return None if len(self.changed.query(seen)) else new

    @property
    def _steps(self) -> tuple[int, int]:
        stride = self.plan.grid.stride
        return stride, max(self.plan.grid.band_width // stride, 1) * stride


def _with_mirrored(seen: tuple[int, int], size: int) -> tuple[int, int]:
    """Return what is seen along an axis with what the last edge mirrors: a last tile is narrow."""
    return min(seen[0], 2 * size - seen[1]), seen[1]


def _meets_moved_edge(seen: tuple[int, int], shift: int, old: int, new: int) -> bool:
    """Whether what is seen along an axis reaches over an edge that is not where it was."""
    first = shift != 0 and seen[0] < max(shift, 0)
    last = shift + old != new and seen[1] > min(shift + old, new)
    return first or last


def _changed(
    before: Mapping[str, Any], shift: tuple[int, int], info: RasterInfo
) -> shapely.STRtree:
    """Return the boxes of sheets that are not as they were."""
    assert info.sheets is not None
    now, (down, right) = info.sheets.parts(info), shift
    old = {
        name: [identity, top + down, bottom + down, left + right, until + right]
        for name, (identity, top, bottom, left, until) in before.items()
    }
    names = (name for name in {*old, *now} if old.get(name) != now.get(name))
    boxes = (each[1:] for name in names for each in (old.get(name), now.get(name)) if each)
    return shapely.STRtree([shapely.box(left, top, until, low) for top, low, left, until in boxes])


def _copy(there: Store, old: Window, here: Store, new: Window, classes: int) -> int:
    """Copy the q of a cell from one store to another; return its checksum."""
    shape = int(old.height), int(old.width)
    at = int(old.row_off), int(old.col_off), shape
    q = np.stack([there.read(plane, *at) for plane in range(classes)])
    here.write(q, new)
    return zlib.crc32(q.data)


def _crs(info: RasterInfo) -> str:
    return "" if info.crs is None else info.crs.to_wkt()
