"""Whether a raster and a model fit each other; what does not is refused with its cure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from geounet.card import FIXED
from geounet.errors import OptionError, RasterError
from geounet.scale import suggest_scale

if TYPE_CHECKING:
    from geounet.card import ModelCard
    from geounet.reader import RasterInfo, Reader

SAME_GSD = 1.1
COARSEST = 4.0
FARTHEST = 100.0
"""A grid so many times finer or coarser than the raster is a slip of the pen."""
BYTE = 8
"""Bits; with fewer a raster is all but black to a model of bytes."""


def check_fit(reader: Reader, card: ModelCard, *, scaled: bool) -> None:
    """Refuse a raster whose bands or pixel type the model does not know.

    Args:
        reader: of the bands that were chosen.
        card: of the model.
        scaled: the user said how raw values are to be scaled.

    Raises:
        RasterError: with the option that cures it.
    """
    check_count(reader.info, card)
    check_dtype(reader, card, scaled=scaled)


def check_count(info: RasterInfo, card: ModelCard) -> None:
    """Refuse a raster with other bands than the model's.

    Raises:
        RasterError: with the option that cures it.
    """
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


def check_dtype(reader: Reader, card: ModelCard, *, scaled: bool) -> None:
    """Refuse pixels of another type than the model's, unless it is said how to scale them.

    Raises:
        RasterError: with the option that cures it.
    """
    info = reader.info
    few = info.bits is not None and info.bits < BYTE and 2**info.bits <= card.input_range[1]
    if not scaled and card.scaling == FIXED and (few or str(info.dtype) != card.dtype):
        low, high = suggest_scale(reader)
        kind = f"of {info.bits} bit{'s' * (info.bits != 1)}" if few else info.dtype
        raise RasterError(
            f"{info.path}: pixels are {kind}, model {card.name} expects {card.dtype}; "
            f"say which values are black and white, such as --scale {low:.15g},{high:.15g}"
        )


def named_bands(info: RasterInfo, card: ModelCard) -> tuple[int, ...] | None:
    """Return the bands that a raster calls as the model does, in the model's order.

    Args:
        info: of all bands of the raster.
        card: of the model.

    Returns:
        Their 1-based numbers; None unless each of the model's is named, and by one band alone.

    Raises:
        RasterError: there are as many bands as the model has, but others by their names.
    """
    called = [_called(info, wanted) for wanted in card.bands]
    if all(len(bands) == 1 for bands in called):
        return tuple(bands[0] for bands in called)
    astray = any(
        info.bands.index(band) != place for place, bands in enumerate(called) for band in bands
    )
    if astray and info.count == len(card.bands):
        numbers = ",".join(map(str, info.bands))
        raise RasterError(
            f"{info.path}: calls its bands {', '.join(info.names)}, model {card.name} expects "
            f"{', '.join(card.bands)}; to take them for these all the same, pass --bands {numbers}"
        )
    return None


def _called(info: RasterInfo, wanted: str) -> list[int]:
    """The bands that are called as one of the model's."""
    words = {wanted, wanted[:1], f"{wanted} band", f"band {wanted}"}
    return [band for band, name in zip(info.bands, info.names, strict=True) if name in words]


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
    if not own / FARTHEST <= wanted <= own * FARTHEST:
        raise OptionError(
            f"{info.path}: --gsd {wanted:g} is far from the raster's own {own:.3g} m (expected "
            f"{own / FARTHEST:.3g} to {own * FARTHEST:.3g}); try --gsd native"
        )
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
