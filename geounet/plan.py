"""Settle what a run will do before it starts, and refuse a raster and a model that do not fit."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geounet.blend import weights_of
from geounet.errors import GeounetWarning, OptionError, RasterError
from geounet.grid import BAND_WIDTH, TileGrid
from geounet.quantise import level
from geounet.raster import RasterInfo, Reader, suggest_scale

if TYPE_CHECKING:
    from geounet.model import ModelCard

TILES = (256, 384, 512, 768, 1024)
TILES_ON_GPU = (*TILES, 1536, 2048)
GLOBAL_HALO = 128
SAME_GSD = 1.1
COARSEST = 4.0


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What a user may ask of a plan; None and `auto` are settled by it."""

    tile: int | Literal["auto"] = "auto"
    """Edge of the network's input, halo included."""
    halo: int | Literal["auto"] = "auto"
    """Context on each side."""
    blend: str | None = None
    """crop, hann, gaussian or average."""
    threshold: float | None = None
    """Probability from which a pixel is building; None takes the model's own."""
    batch_size: int | Literal["auto"] = "auto"
    """Tiles in a batch."""
    band_width: int = BAND_WIDTH
    """Widest band of columns, in pixels, that is inferred in one go."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything settled: no `auto` is left."""

    grid: TileGrid
    """Where tiles lie."""
    blend: str
    """How overlapping tiles are joined."""
    level: int
    """Smallest quantised probability that is foreground."""
    classes: int
    """Probability maps."""
    batch_size: int
    """Tiles in a batch."""

    @property
    def reach(self) -> int:
        """How many tiles beyond a cell touch it: none when cores alone are kept."""
        return self.grid.reach if weights_of(self.blend) else 0


def make_plan(shape: tuple[int, int], card: ModelCard, options: PlanOptions, device: str) -> Plan:
    """Return the plan of a run.

    Args:
        shape: height and width of the grid that is inferred.
        card: of the model.
        options: what was asked for.
        device: the settled device.

    Raises:
        GridError: tile and halo do not fit the network.
        OptionError: another option is out of range.
    """
    threshold = card.threshold if options.threshold is None else options.threshold
    if not 0 < threshold <= 1:
        raise OptionError(f"threshold must lie above 0 and up to 1, got {threshold}")
    halo = _halo(card) if options.halo == "auto" else options.halo
    enough = card.receptive_field is not None and halo >= card.receptive_field
    blend = options.blend or ("crop" if enough else "hann")
    weights_of(blend)
    if not enough:
        _warn_of_seams(card, halo, blend)
    tile = _tile(shape, card.stride, halo, device) if options.tile == "auto" else options.tile
    grid = TileGrid.cover(
        shape, tile=tile, halo=halo, align=card.stride, band_width=options.band_width
    )
    batch = _batch(tile, device) if options.batch_size == "auto" else options.batch_size
    if batch < 1:
        raise OptionError(f"batch size must be at least 1, got {batch}")
    return Plan(
        grid=grid, blend=blend, level=level(threshold), classes=len(card.classes), batch_size=batch
    )


def check_fit(reader: Reader, card: ModelCard, *, scaled: bool) -> None:
    """Refuse a raster whose bands or pixel type the model does not know.

    Args:
        reader: of the bands that were chosen.
        card: of the model.
        scaled: the user said how raw values are to be scaled.

    Raises:
        RasterError: with the option that cures it.
    """
    info = reader.info
    if info.count != len(card.bands):
        ready = ",".join(str(band + 1) for band in range(min(info.count, len(card.bands))))
        cure = f"choose them with --bands, such as --bands {ready}"
        if info.count < len(card.bands):
            cure = "a model for such imagery is needed"
        if info.count == 1:
            same = ",".join("1" * len(card.bands))
            cure += f"; to try it all the same, pass --bands {same}"
        raise RasterError(
            f"{info.path}: has {info.count} {_bands(info.count)}, model {card.name} expects "
            f"{len(card.bands)} ({', '.join(card.bands)}); {cure}"
        )
    if not scaled and str(info.dtype) != card.dtype:
        low, high = suggest_scale(reader)
        raise RasterError(
            f"{info.path}: pixels are {info.dtype}, model {card.name} expects {card.dtype}; "
            f"say which values are black and white, such as --scale {low:.15g},{high:.15g}"
        )


def target_gsd(
    info: RasterInfo, card: ModelCard, gsd: float | Literal["native", "model"]
) -> float | None:
    """Return the ground sample distance to infer at, None for the raster's own grid.

    Args:
        info: of the raster.
        card: of the model.
        gsd: metres, `native`, or `model`: the card's when it differs by more than 10 %.

    Raises:
        OptionError: metres were asked for, but the raster has no CRS, or a value is not positive.
        RasterError: the raster is far too coarse for the model.
    """
    if isinstance(gsd, int | float) and not 0 < gsd < math.inf:
        raise OptionError(f"gsd must be above 0 metres, got {gsd}; try {card.gsd:g}")
    own = info.gsd
    if own is None:
        if isinstance(gsd, int | float):
            raise OptionError(
                f"{info.path}: has no CRS, so --gsd {gsd:g} means nothing; use --gsd native"
            )
        return None
    if gsd == "native":
        return None
    wanted = card.gsd if gsd == "model" else float(gsd)
    if gsd == "model" and own > COARSEST * wanted:
        raise RasterError(
            f"{info.path}: {own:.3g} m a pixel is too coarse for model {card.name} "
            f"({wanted:g} m); to try it all the same, use --gsd native"
        )
    square = info.gsd_xy is None or max(info.gsd_xy) / min(info.gsd_xy) < SAME_GSD
    return None if square and 1 / SAME_GSD <= own / wanted <= SAME_GSD else wanted


def check_bands(bands: tuple[int, ...] | None, card: ModelCard) -> None:
    """Refuse a choice of bands that is not as long as the model's.

    Raises:
        OptionError: with how many it should name.
    """
    if bands is not None and len(bands) != len(card.bands):
        raise OptionError(
            f"--bands names {len(bands)} {_bands(len(bands))}, model {card.name} expects "
            f"{len(card.bands)} ({', '.join(card.bands)}); name one for each, in that order"
        )


def _bands(count: int) -> str:
    return "band" if count == 1 else "bands"


def _halo(card: ModelCard) -> int:
    reach = GLOBAL_HALO if card.receptive_field is None else card.receptive_field
    return -(-reach // card.stride) * card.stride


def _warn_of_seams(card: ModelCard, halo: int, blend: str) -> None:
    field = "the whole tile" if card.receptive_field is None else f"{card.receptive_field} pixels"
    warnings.warn(
        f"model {card.name} looks {field} around, halo {halo} covers less: "
        f"tiles are blended ({blend}), the result depends a little on the tiles",
        GeounetWarning,
        stacklevel=3,
    )


def _tile(shape: tuple[int, int], stride: int, halo: int, device: str) -> int:
    """The tile with the fewest pixels to compute, the smaller of equals."""
    sizes = TILES_ON_GPU if device.startswith("cuda") else TILES
    candidates = [size for size in sizes if size % stride == 0 and size >= 4 * halo + stride]
    smallest = -(-(4 * halo + stride) // stride) * stride
    return min(candidates or [smallest], key=lambda size: (_cost(shape, size, halo), size))


def _cost(shape: tuple[int, int], tile: int, halo: int) -> int:
    grid = TileGrid.cover(shape, tile=tile, halo=halo)
    return len(grid) * tile * tile


def _batch(tile: int, device: str) -> int:
    if device.startswith("cuda"):
        return max(8 * 1024 * 1024 // (tile * tile), 1)
    return max(512 * 512 // (tile * tile), 1)
