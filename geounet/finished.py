"""Outputs that stand there already: whether they are what is asked for again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from geounet.errors import OptionError, TargetError
from geounet.footprints.origin import origin_of
from geounet.kept import INPUT
from geounet.opening import open_imagery
from geounet.provenance import key_of
from geounet.result import Result, peak_memory
from geounet.state import differences
from geounet.walk import STAGES

if TYPE_CHECKING:
    from geounet.opening import Imagery
    from geounet.options import PredictOptions
    from geounet.targets import Targets


def finished_before(raster: Imagery, goals: Targets, options: PredictOptions) -> Result | None:
    """Return the result of an earlier run that asked for the same; nothing is done.

    Args:
        raster: that was predicted.
        goals: all of them exist.
        options: as they are asked for now.

    Returns:
        None of a surface whose sheets are others now: it is to be predicted again.

    Raises:
        OptionError: it was another run, with the difference.
        TargetError: the footprints do not say where they come from.
    """
    origin = origin_of(goals.footprints)
    if origin is None or "asked" not in origin[0]:
        raise TargetError(
            f"{goals.footprints}: exists already and does not say what it was made of, so "
            "--resume cannot tell whether it is finished; pass --overwrite to replace it"
        )
    facts, count = origin
    bands, allow_vrt = options.bands, options.allow_vrt
    with closing(open_imagery(raster, bands=bands, allow_vrt=allow_vrt)) as reader:
        key = key_of(reader.info, options)
    asked, now = facts["asked"], {name: key[name] for name in facts["asked"]}
    if reader.info.sheets is not None and not differences({**asked, INPUT: now[INPUT]}, now):
        return None if differences(asked, now) else _result(goals, facts, count)
    changes = differences(asked, now)
    if changes:
        raise OptionError(
            f"{goals.footprints}: was finished otherwise ({'; '.join(changes)}); pass --overwrite "
            "to predict it again"
        )
    return _result(goals, facts, count)


def _result(goals: Targets, facts: dict[str, Any], count: int) -> Result:
    settled = facts["options"]
    return Result(
        out=goals.paths,
        pixels=0,
        valid_pixels=0,
        tiles=0,
        tiles_skipped=0,
        polygons=count,
        seconds=dict.fromkeys(STAGES, 0.0),
        device=settled["device"],
        precision=settled["precision"],
        backend=settled["backend"],
        tile=settled["tile"],
        halo=settled["halo"],
        receptive_field=facts["model"]["receptive_field"],
        peak_memory_bytes=peak_memory(),
        model=facts["model"]["name"],
        finished_before=True,
    )
