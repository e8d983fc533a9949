"""What is to be made of the cells of a raster, settled and checked."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from geounet.footprints.formats import check_formats
from geounet.footprints.parts.part import Parter
from geounet.footprints.parts.store import Store
from geounet.footprints.table import output_crs
from geounet.options import outline_options, table_options
from geounet.project import check_place
from geounet.state import Q

if TYPE_CHECKING:
    from pathlib import Path

    from pyproj import CRS

    from geounet.card import ModelCard
    from geounet.footprints.outlines.outline import OutlineOptions
    from geounet.footprints.table import TableOptions
    from geounet.options import PredictOptions
    from geounet.plan import Plan
    from geounet.reader import RasterInfo
    from geounet.targets import Targets


@dataclass(frozen=True)
class Order:
    """The outputs of a run, and all they follow from but the cells."""

    info: RasterInfo
    """Of the grid that is inferred."""
    plan: Plan
    """Of the run."""
    targets: Targets
    """Where outputs go."""
    table: TableOptions
    """How footprints become rows."""
    outlines: OutlineOptions
    """How they are drawn."""

    @classmethod
    def of(
        cls,
        info: RasterInfo,
        plan: Plan,
        card: ModelCard,
        targets: Targets,
        options: PredictOptions,
    ) -> Self:
        """Return what is asked for, checked.

        Args:
            info: of the grid that is inferred.
            plan: of the run.
            card: of the model.
            targets: where outputs go.
            options: how footprints become rows, and how they are drawn.

        Raises:
            OptionError: it could not be written in the end.
        """
        table, outlines = table_options(info, card, options), outline_options(info, options)
        order = cls(info, plan, targets, table, outlines)
        order.check()
        return order

    def check(self) -> None:
        """Refuse what could not be written in the end, once the raster is known.

        Raises:
            OptionError: the CRS asked for is not known, or holds no map; an output is read; a
                project wants a place.
        """
        if self.targets.project is not None:
            check_place(self.info)
        check_formats(self.targets.vectors, self.crs, asked=self.table.crs is not None)
        self.targets.spare(self.info.files)

    @cached_property
    def crs(self) -> CRS | None:
        """Of the rows."""
        return output_crs(self.info, self.table)

    @property
    def wants_q(self) -> bool:
        """Whether cells are to bring their q."""
        return self.targets.rasters or self.outlines.split

    def store(self, folder: Path) -> AbstractContextManager[Store | None]:
        """Return where q waits in a folder, None when nobody wants it."""
        if not self.wants_q:
            return nullcontext()
        return Store(folder / Q, self.plan.classes, self.info.shape)

    def parter(self, store: Store | None) -> Parter | None:
        """Return what parts blobs, if they are to be parted."""
        if store is None or not self.outlines.split:
            return None
        return Parter(
            store=store,
            transform=self.info.transform,
            crs=self.info.crs,
            least_m2=self.table.min_area_m2,
            least_pixels=self.table.min_pixels,
        )
