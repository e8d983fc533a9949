"""Both images of a place, on pixels of one ground sample distance."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geounet.backends.load import load
from geounet.damage.places import check_overlap
from geounet.fit import check_fit, target_gsd
from geounet.raster import open_raster
from geounet.resample import Resampled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.damage.options import DamageOptions
    from geounet.reader import Reader

FINEST = 0.5
"""Finest ground sample distance that is looked at unless asked for, metres."""


@dataclass(frozen=True)
class Scene:
    """Both images, on pixels of one ground sample distance."""

    after: Reader
    before: Reader | None
    gsd: float


@contextmanager
def open_scene(post: str | Path, options: DamageOptions) -> Iterator[Scene]:
    """Open the images on pixels of one size, once they are known to fit each other and the model.

    Raises:
        RasterError: one of them cannot be used, or they share no ground.
    """
    card = load(options.model, options.scale).card
    with ExitStack() as stack:
        readers = []
        for path in (post, *([] if options.pre is None else [options.pre])):
            reader = open_raster(path, bands=options.bands, allow_vrt=options.allow_vrt)
            stack.callback(reader.close)
            check_fit(reader, card, scaled=options.scale != "auto")
            readers.append(reader)
        check_overlap(readers[-1].info, readers[0].info)
        gsd = options.gsd or max(FINEST, *(reader.info.gsd or 0.0 for reader in readers))
        on_grid: list[Reader] = []
        for reader in readers:
            wanted = target_gsd(reader.info, card, gsd)
            on_grid.append(reader if wanted is None else Resampled(reader, wanted))
        yield Scene(on_grid[0], on_grid[1] if options.pre is not None else None, gsd)
