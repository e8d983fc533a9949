"""Hands that work on a cluster: scenes as they are, huge ones in shares, each task by its name."""

from __future__ import annotations

import math
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from geounet.errors import GeounetError, OutputError, TargetError
from geounet.fleet.tasks import infer_share, merge_shares, predict_scene
from geounet.opening import open_imagery, paths_of
from geounet.options import targets
from geounet.shards.infer import Task
from geounet.shards.share import Share
from geounet.shards.shelf import shelf_of
from geounet.survey.scene import failed, reason
from geounet.survey.work import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from distributed import Client, Future

    from geounet.fleet.tasks import Told
    from geounet.opening import Imagery
    from geounet.options import PredictOptions
    from geounet.predict import Result
    from geounet.survey.work import Progress, Unit
