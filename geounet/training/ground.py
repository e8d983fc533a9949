"""Rasters and a vector layer over them → labelled images, of any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geounet.annotations.drawn import Drawn
from geounet.annotations.vector import column_values, read_layer, shapes_on
from geounet.errors import GeounetError, TrainingError
from geounet.training.listed import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.training.listing import Listing


def list_ground(listing: Listing, rasters: Sequence[str], labels: Path) -> None:
    """Note rasters with the outlines on them; what has no outline counts as ground.

    Raises:
        AnnotationError: the layer cannot be read.
    """
    features = read_layer(labels)
    by = listing.classes.by
    if by is not None and not listing.classes.names:
        listing.name_classes(column_values(features, by, labels), labels)
    for raster in rasters:
        try:
            shapes = shapes_on(features, opened(raster, None).info, labels)
            if not shapes:
                raise TrainingError(
                    f"{raster}: no outline of {labels} lies on it; leave it out, or check the CRSs"
                )
            listing.check_shapes(shapes)
        except GeounetError as error:
            listing.faults.append(str(error))
            continue
        listing.add(Path(raster), Drawn.of(shapes, listing.classes), place=Path(raster).stem)
