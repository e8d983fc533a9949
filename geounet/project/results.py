"""What a run has made, as layers: footprints on top, then coverage, probability, mask, raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geounet.cog import BACKGROUND, CLASS_COLOURS
from geounet.footprints.geojson import LONLAT
from geounet.footprints.style import buildings_rules, coverage_rules, renderer
from geounet.project.layers import Layer, colours, palette, ramp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyproj import CRS

    from geounet.reader import RasterInfo

RGB = 3


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run has made of a raster."""

    raster: str | None
    """The raster's path, or GDAL's name of it; None where there is not one file."""
    info: RasterInfo
    """Of the raster as it was read."""
    bands: tuple[int, ...] | None
    """The bands that were asked for."""
    footprints: Path
    """A vector file that QGIS opens."""
    crs: CRS | None
    """Of the footprints."""
    layers: tuple[str, ...]
    """Layers of footprints, one a class."""
    classes: tuple[str, ...]
    """Name of each class."""
    probability: Path | None = None
    """The raster of probabilities."""
    mask: Path | None = None
    """The raster of classes."""

    def as_layers(self) -> list[Layer]:
        """Return the layers of a project, the topmost first; rasters made here start hidden."""
        return [*self._vectors(), *self._rasters(), *self._scene()]

    def _vectors(self) -> Iterator[Layer]:
        kind = self.footprints.suffix.lower()
        package = kind == ".gpkg"  # which alone holds several layers
        looks = dict.fromkeys(self.layers if package else ("footprints",), buildings_rules())
        looks |= {"coverage": coverage_rules()} if package else {}
        for name, rules in looks.items():
            yield Layer(
                name=name.capitalize(),
                source=str(self.footprints),
                kind="vector",
                crs=LONLAT if kind == ".geojson" else self.crs,
                look=renderer(rules),
                table=name if package else None,
            )

    def _rasters(self) -> Iterator[Layer]:
        made = []
        if self.probability is not None:
            for band, label in enumerate(self.classes, 1):
                made.append((f"Probability of {label}", self.probability, ramp(band)))
        if self.mask is not None:
            entries = {0: ("background", BACKGROUND)}
            for at, label in enumerate(self.classes):
                entries[at + 1] = label, CLASS_COLOURS[at % len(CLASS_COLOURS)]
            made.append(("Mask", self.mask, palette(entries)))
        for name, path, look in made:
            crs = self.info.crs
            yield Layer(
                name=name, source=str(path), kind="raster", crs=crs, look=look, visible=False
            )

    def _scene(self) -> Iterator[Layer]:
        """The raster, if it is one file; bytes QGIS draws by what its bands are, alpha too."""
        bands = self.bands or tuple(range(1, self.info.count + 1))
        plain = self.bands is None and self.info.dtype == "uint8"
        if self.raster is not None:
            yield Layer(
                name=self.info.path.stem,
                source=self.raster,
                kind="raster",
                crs=self.info.crs,
                look=None if plain else colours(bands[:RGB] if len(bands) >= RGB else bands[:1]),
            )
