"""What a user may ask of a prediction, and what each room is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from geounet.errors import OptionError
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.table import TableOptions
from geounet.prepare import InferenceOptions
from geounet.targets import Targets

if TYPE_CHECKING:
    from geounet.card import ModelCard
    from geounet.footprints.outlines.outline import Kind
    from geounet.reader import RasterInfo

SIDES = ("probability", "mask", "report", "rle", "project", "embeddings")
"""Options that name further outputs."""

WITHOUT_EFFECT = (
    "plan", *SIDES, "also", "overwrite", "resume", "on_error", "allow_vrt", "rasters",
)  # fmt: skip
"""Options that do not change the footprints; plan and engine are stored as they were settled."""


@dataclass(frozen=True, kw_only=True)
class PredictOptions(InferenceOptions):
    """What a user may ask of a prediction; `None`, `auto` and `model` are settled by the plan."""

    min_area: float | None = None
    """Smaller footprints are dropped, m²; None takes the model's own."""
    min_pixels: int | None = None
    """The same in pixels of the inferred grid, for rasters without a CRS."""
    min_hole: float = 0.0
    """Smaller holes of footprints are filled, m², if nothing stands in them."""
    min_hole_pixels: int = 0
    """The same in pixels of the inferred grid."""
    outline: Kind = "regular"
    """Right-angled, simplified, or exact pixel edges."""
    tolerance: float | None = None
    """How far an outline may stray from its object's contour, m; None: four pixels."""
    split: bool = False
    """Part blobs that are several buildings."""
    crs: str | None = None
    """CRS of the output; None keeps the raster's."""
    probability: Path | None = None
    """Also write the probability raster here."""
    mask: Path | None = None
    """Also write the class raster here."""
    report: Path | None = None
    """Also write a page to look at here."""
    rle: Path | None = None
    """Also write run lengths here, .json (COCO) or .csv (Kaggle)."""
    project: Path | None = None
    """Also write a QGIS project of all outputs and the raster here."""
    embeddings: Path | None = None
    """Also write what the network sees in patches of the ground here, .parquet."""
    also: tuple[Path, ...] = ()
    """Also write the footprints to these files, each of another kind than `out`."""
    overwrite: bool = False
    """Replace outputs that exist, and drop what an unfinished run had done."""
    resume: bool = False
    """Go on with what an unfinished run had done; what is finished is left alone."""
    on_error: Literal["fail", "skip"] = "fail"
    """What becomes of a raster with blocks that cannot be read: skip leaves them out."""

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.resume and self.overwrite:
            raise OptionError(
                "--resume keeps what was done and --overwrite drops it; leave one of them out"
            )


def targets(out: Path, options: PredictOptions) -> Targets:
    """Return where the parts of a result go."""
    named = {side: getattr(options, side) for side in SIDES}
    sides = {side: None if path is None else Path(path) for side, path in named.items()}
    return Targets(out, **sides, also=tuple(map(Path, options.also)))


def table_options(info: RasterInfo, card: ModelCard, options: PredictOptions) -> TableOptions:
    """Return how footprints become rows."""
    area, pixels = options.min_area, options.min_pixels
    if area is None and pixels is None:  # without a CRS pixels are taken to be the model's own
        area = card.min_area_m2 if info.crs is not None else None
        pixels = round(card.min_area_m2 / card.gsd**2) if info.crs is None else None
    return TableOptions(
        classes=card.classes,
        layers=card.layers,
        min_area_m2=area or 0.0,
        min_pixels=pixels or 0,
        min_hole_m2=options.min_hole,
        min_hole_pixels=options.min_hole_pixels,
        crs=options.crs,
        source=info.path.name,
    )


def outline_options(info: RasterInfo, options: PredictOptions) -> OutlineOptions:
    """Return how outlines are drawn."""
    return OutlineOptions(
        kind=options.outline,
        tolerance_m=options.tolerance,
        transform=info.transform,
        crs=info.crs,
        split=options.split,
    )
