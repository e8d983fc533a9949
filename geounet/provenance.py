"""What an output says of where it comes from, and what makes two runs the same."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geounet import __version__
from geounet.model import BASELINES, OnnxModel, Segmenter, find_model
from geounet.opening import identity_of
from geounet.options import SIDES, WITHOUT_EFFECT
from geounet.sources import identities, identity
from geounet.state import FORMAT

if TYPE_CHECKING:
    from geounet.backends import Model
    from geounet.opening import Imagery
    from geounet.options import PredictOptions
    from geounet.reader import RasterInfo
    from geounet.walk import Walk

SOFTWARE = f"geounet {__version__}"

FURTHER = "further outputs"
"""Name in a key of what does not change the footprints."""


def facts_of(
    raster: Imagery, walk: Walk, options: PredictOptions, key: dict[str, Any]
) -> dict[str, Any]:
    """Return software, input, model and settled options, as plain JSON, with the key beside."""
    step, plan = walk.step, walk.plan
    settled = {"model": step.card.name, "threshold": plan.level / 254}
    settled |= {"backend": step.backend, "precision": step.precision}
    settled |= {"tile": plan.grid.tile, "halo": plan.grid.halo, "blend": plan.blend}
    return _plain(
        {
            "software": SOFTWARE,
            "input": identity_of(raster),
            "model": asdict(step.card),
            "options": _asked(options) | settled,
            "asked": {name: value for name, value in key.items() if name != FURTHER},
        }
    )


def key_of(info: RasterInfo, options: PredictOptions) -> dict[str, Any]:
    """Return what makes two runs the same, by name, as plain JSON.

    Args:
        info: of the raster, with the files it is read from.
        options: as they were asked for.

    Raises:
        ModelError: a model is not there.
    """
    asked = asked_of(options)
    return {"version": asked["version"], "input": files_read(info), **asked}


def asked_of(options: PredictOptions) -> dict[str, Any]:
    """Return the key of a run without its input: what several rasters may have in common.

    Raises:
        ModelError: a model is not there.
    """
    kinds = [path.suffix for path in options.also]
    kinds += [side for side in SIDES if getattr(options, side) is not None]
    named = options.model if isinstance(options.model, tuple) else (options.model,)
    found = {
        "version": f"{SOFTWARE} ({FORMAT})",
        **_asked(options),
        **asdict(options.plan),
        "model": ", ".join(map(_identity_of, named)),
        FURTHER: sorted(kinds),
    }
    return _plain(found)


def _asked(options: PredictOptions) -> dict[str, Any]:
    names = [entry.name for entry in fields(options) if entry.name not in WITHOUT_EFFECT]
    asked = {name: getattr(options, name) for name in names}
    return asked | ({} if options.aoi is None else {"aoi": identity(options.aoi)})


def _plain(words: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(words, default=str))
    return plain


def files_read(info: RasterInfo) -> str:
    """Return the files whose pixels are read, each with what changes when it does."""
    if info.sheets is not None:
        return info.sheets.identity
    return ", ".join(identities(info.files) or [str(info.path)])


def _identity_of(model: str | Path | Model) -> str:
    """A model's name with a hash of all that it is; of a step that was handed in, of its card."""
    if isinstance(model, str) and model in BASELINES:
        return model
    if isinstance(model, str | Path):
        path = find_model(model)
        return f"{path.stem} {sha256(path.read_bytes()).hexdigest()[:16]}"
    found = sha256(model.card.to_json().encode())
    if isinstance(model, OnnxModel):
        found.update(model.path.read_bytes())
    if isinstance(model, Segmenter):
        for name, value in model.network.state_dict().items():
            found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return f"{model.card.name} {found.hexdigest()[:16]}"
