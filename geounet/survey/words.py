"""A unit as plain JSON, so that a process which is started with a line of text can do it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from geounet.errors import OptionError
from geounet.options import SIDES, PredictOptions
from geounet.plan import PlanOptions
from geounet.survey.work import Unit

PATHS = (*SIDES, "aoi")
"""Options that are paths."""

TUPLES = ("model", "bands", "scale", "bbox", "also")
"""Options that may be a tuple, for which JSON has lists."""


def unit_as_json(unit: Unit) -> str:
    """Return a unit in one line.

    Raises:
        OptionError: its model is no name and no file.
    """
    named = unit.options.model if isinstance(unit.options.model, tuple) else (unit.options.model,)
    if not all(isinstance(each, str | Path) for each in named):
        raise OptionError("other processes open the model themselves; give its name or its path")
    return json.dumps(asdict(unit), default=str)


def unit_of_json(text: str) -> Unit:
    """Return the unit that `unit_as_json` was given."""
    words: dict[str, Any] = json.loads(text)
    options = words["options"]
    options["plan"] = PlanOptions(**options["plan"])
    options |= {name: _tuple(options[name]) for name in TUPLES}
    options |= {name: None if options[name] is None else Path(options[name]) for name in PATHS}
    options["also"] = tuple(map(Path, options["also"]))
    return Unit(**{**words, "out": Path(words["out"]), "options": PredictOptions(**options)})


def _tuple(value: Any) -> Any:  # noqa: ANN401 - an option is of any kind
    return tuple(value) if isinstance(value, list) else value
