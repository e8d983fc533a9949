"""What all parts of a run have in common: enough to make its outputs without raster and model."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from geounet.area import Area
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.table import TableOptions
from geounet.opening import paths_of
from geounet.order import Order
from geounet.prepare import Settled
from geounet.reader import RasterInfo
from geounet.surface import Anchor, Surface, SurfaceOptions

if TYPE_CHECKING:
    from geounet.opening import Imagery
    from geounet.reader import Sheets
    from geounet.targets import Targets
    from geounet.walk import Walk


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run in plain JSON; two parts are of one run when all of this is the same."""

    raster: dict[str, Any]
    """Paths or URLs of what is read; of a surface, what else makes it."""
    key: dict[str, Any]
    """What makes two runs the same."""
    settled: dict[str, Any]
    """Engine and plan."""
    facts: dict[str, Any]
    """Provenance, as one process would store it."""
    grid: dict[str, Any]
    """The raster, on the grid that is inferred."""
    area: str | None
    """Where a result is wanted, as WKB; None = everywhere."""
    table: dict[str, Any]
    """How footprints become rows."""
    outlines: dict[str, Any]
    """How they are drawn."""
    has_q: bool
    """Whether cells bring their probability: pixels were asked for."""

    @classmethod
    def of(
        cls,
        raster: Imagery,
        walk: Walk,
        order: Order,
        *,
        key: dict[str, Any],
        settled: dict[str, Any],
        facts: dict[str, Any],
    ) -> Self:
        """Return the run of a walk and its order.

        Args:
            raster: file or URL, or a surface.
            walk: that is carried out.
            order: what shall be made of it.
            key: what makes two runs the same.
            settled: engine and plan.
            facts: provenance.
        """
        outlines, area = order.outlines, walk.area
        return cls(
            raster=_told(raster),
            key=key,
            settled=settled,
            facts=facts,
            grid=_words(order.info),
            area=None if area is None else shapely.to_wkb(area.outline, hex=True),
            table=_plain(asdict(order.table)),
            outlines={name: getattr(outlines, name) for name in ("kind", "tolerance_m", "split")},
            has_q=order.wants_q,
        )

    @classmethod
    def of_json(cls, words: dict[str, Any]) -> Self:
        """Return what `as_json` was made of.

        Raises:
            TypeError: something is missing, or not known.
        """
        return cls(**words)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @property
    def imagery(self) -> Imagery:
        """What was read; of a surface, the headers of its sheets are read again.

        Raises:
            RasterError: they cannot be.
        """
        paths, options = self.raster["paths"], self.raster["surface"]
        if options is None:
            return str(paths[0])
        anchor = options["anchor"]
        if anchor is not None:
            anchor = Anchor(Affine(*anchor["transform"]), tuple(anchor["cell"]))
        return Surface.of(paths, SurfaceOptions(**{**options, "anchor": anchor}))

    @property
    def info(self) -> RasterInfo:
        """Of the grid that is inferred."""
        words = dict(self.grid)
        crs, transform = words.pop("crs"), Affine(*words.pop("transform"))
        lists: dict[str, Any] = {name: tuple(words.pop(name)) for name in _LISTS}
        return RasterInfo(
            path=Path(words.pop("path")),
            dtype=np.dtype(words.pop("dtype")),
            crs=None if crs is None else CRS.from_wkt(crs),
            transform=transform,
            **lists,
            **words,
        )

    @property
    def where(self) -> Area | None:
        """Where a result is wanted."""
        return None if self.area is None else Area(shapely.from_wkb(self.area))

    def order(self, targets: Targets, sheets: Sheets | None) -> Order:
        """Return what is to be made of the cells.

        Args:
            targets: where it goes.
            sheets: of a surface, which of them counts where.
        """
        info = replace(self.info, sheets=sheets)
        lists = {name: tuple(self.table[name]) for name in ("classes", "layers")}
        table = TableOptions(**{**self.table, **lists})
        outlines = OutlineOptions(**self.outlines, transform=info.transform, crs=info.crs)
        return Order(info, Settled.of_json(self.settled).plan, targets, table, outlines)


_LISTS = ("block_shape", "files", "bands", "names", "taken")


def _words(info: RasterInfo) -> dict[str, Any]:
    """What a raster is, as plain JSON; its sheets are told elsewhere."""
    words: dict[str, Any] = {entry.name: getattr(info, entry.name) for entry in fields(info)}
    del words["sheets"]
    words |= {name: list(words[name]) for name in _LISTS}
    words |= {"path": str(info.path), "dtype": info.dtype.name, "transform": info.transform[:6]}
    return words | {"crs": None if info.crs is None else info.crs.to_wkt("WKT2_2019")}


def _plain(words: dict[str, Any]) -> dict[str, Any]:
    return {name: list(word) if isinstance(word, tuple) else word for name, word in words.items()}


def _told(imagery: Imagery) -> dict[str, Any]:
    options = asdict(imagery.options) if isinstance(imagery, Surface) else None
    options = json.loads(json.dumps(options, default=lambda place: list(place[:6])))
    return {"paths": [*map(_absolute, paths_of(imagery))], "surface": options}


def _absolute(raster: str | Path) -> str:
    return os.fspath(raster) if "://" in os.fspath(raster) else str(Path(raster).absolute())
