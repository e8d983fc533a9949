"""What an output says of where it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from geounet import __version__
from geounet.options import WITHOUT_EFFECT
from geounet.sources import identity

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.backends import Step
    from geounet.options import PredictOptions
    from geounet.plan import Plan


def facts_of(raster: str | Path, step: Step, options: PredictOptions, plan: Plan) -> dict[str, Any]:
    """Return software, input, model and settled options, as plain JSON."""
    names = [entry.name for entry in fields(options) if entry.name not in WITHOUT_EFFECT]
    asked = {name: getattr(options, name) for name in names}
    asked |= {"model": step.card.name, "threshold": plan.level / 254}
    asked |= {"backend": step.backend, "precision": step.precision}
    asked |= {"tile": plan.grid.tile, "halo": plan.grid.halo, "blend": plan.blend}
    facts: dict[str, Any] = {
        "software": f"geounet {__version__}",
        "input": identity(raster),
        "model": asdict(step.card),
        "options": asked,
    }
    if options.aoi is not None:
        facts["area"] = identity(options.aoi)
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return plain
