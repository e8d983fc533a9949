"""Gather labelled images and everything that is wrong with them, before anything is learnt."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.annotations.classes import Classes
from geounet.errors import GeounetError, GeounetWarning, TrainingError
from geounet.spans import Statistic, scene_statistic
from geounet.training.listed import Listed, MaskFile, opened, opened_mask, shown_bands
from geounet.training.maskvalues import check_mask
from geounet.training.sheet import held

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from geounet.annotations.shapes import Shape
    from geounet.training.listed import Truth
    from geounet.training.sheet import Labelled, Sheet
    from geounet.training.shown import Shown

HELD = 2**28
"""Pixels of training sheets that are held in memory; of more, each crop is read from its file."""


class FaultyError(TrainingError):
    """A dataset that cannot be learnt from; the text has every fault on a line of its own."""

    def __init__(self, source: Path, faults: Iterable[str]) -> None:
        """Tell each fault once."""
        self.faults = tuple(dict.fromkeys(faults))
        what = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        self.head = f"{source}: {what}, nothing was trained"
        super().__init__("\n  ".join([self.head, *self.faults]))


class Listing:
    """Labelled images as they are found; a bad one is noted, not raised."""

    def __init__(self, source: Path, shown: Shown, class_by: str | None = None) -> None:
        """Begin with nothing.

        Args:
            source: what the user named, for messages.
            shown: what the recipe says of the images; its gsd counts where nobody knows an
                image's own, and pixels of more than 8 bits are welcome where each scene has its
                own scale.
            class_by: attribute of shapes that names their class.
        """
        self.classes = Classes(names=shown.classes, by=class_by)
        opened.cache_clear()
        opened_mask.cache_clear()
        self.listed: list[Listed | Sheet] = []
        self.faults: list[str] = []
        self.globs: dict[str, list[Path]] = {}
        self._source, self._shown = source, shown
        self._scenes: dict[str, Statistic] = {}

    def add(  # noqa: PLR0913 - what a manifest says of a set
        self,
        path: Path,
        truth: Truth,
        *,
        place: str,
        split: str = "train",
        gsd: float | None = None,
        weight: float = 1.0,
        window: Sequence[int] | None = None,
        instances: bool = False,
        scene: str | None = None,
    ) -> None:
        """Note an image with its mask, or what is wrong with them.

        Args:
            path: of the image.
            truth: its mask.
            place: name of its set.
            split: train, validation or test.
            gsd: metres a pixel; None takes the image's own, else the model's.
            weight: of its set.
            window: column, row, width and height of the part that counts.
            instances: a mask numbers its objects, so it may hold any value.
            scene: images of the same scene share its statistic; None: each image is one.
        """
        try:
            bands = shown_bands(str(path), self._shown.bands)
            info = opened(str(path), bands).info
            if info.dtype != np.uint8 and not self._shown.scene:
                raise TrainingError(
                    f"{path}: has pixels of {info.dtype} (expected 8 bits); "
                    "cut it with geounet chips --scale MIN,MAX"
                )
            if isinstance(truth, MaskFile):
                check_mask(truth.path, path, info.shape, None if instances else self.classes)
            part = _window(path, info.shape, window)
            own = gsd if gsd is not None else info.gsd
            chip = self._shown.chip * self._shown.gsd_range[0]
            if self._shown.size is None and (own or 0) > chip:
                raise TrainingError(
                    f"{path}: a pixel is {own:g} m, more than a chip of {chip:g} m; the recipe is "
                    "not for such images"
                )
            if self._shown.scene:
                found = scene_statistic(opened(str(path), bands))
                self._scenes.setdefault(scene or str(path), Statistic()).merge(found)
            self.listed.append(
                Listed(
                    path=str(path), truth=truth, name=path.stem, place=place, split=split,
                    gsd=self._shown.gsd if own is None else float(own), window=part, bands=bands,
                    weight=weight, scene=scene or str(path),
                )
            )  # fmt: skip
        except GeounetError as error:
            self.faults.append(str(error))

    def name_classes(self, names: Sequence[str], source: Path) -> None:
        """Take over the names that a dataset gives to its classes, if it does.

        Raises:
            TrainingError: others were asked for.
        """
        asked = self.classes.names
        if asked and names and tuple(names) != asked:
            raise TrainingError(
                f"{source}: its classes are {', '.join(names)} (expected {', '.join(asked)}); "
                "leave --classes out, or change them there"
            )
        self.classes = replace(self.classes, names=tuple(names) or asked)

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        """Note shapes that are of no class as faults.

        Raises:
            TrainingError: nobody says which attribute tells their classes.
        """
        if self.classes.several and self.classes.by is None:
            raise TrainingError(
                f"{self._source}: outlines do not tell their classes by themselves; name the "
                "attribute that does with --class-by"
            )
        self.faults += self.classes.strangers(shapes)

    def mask_file(self, path: Path) -> MaskFile:
        """Return the truth of a raster.

        Raises:
            TrainingError: an attribute is to tell classes, which a raster does not have.
        """
        if self.classes.by is not None:
            raise TrainingError(
                f"{self._source}: masks have no attribute {self.classes.by}; name what their "
                "numbers stand for with --classes instead of --class-by"
            )
        return MaskFile(str(path), self.classes.several)

    def sheets(self, listed: Iterable[Listed | Sheet]) -> list[Labelled]:
        """Return listed images, held in memory but where training sheets are too many.

        A class that no image in memory trains is told with a warning.

        Raises:
            FaultyError: with every fault that was found.
        """
        listed = list(listed)
        pixels = sum(one.pixels for one in listed if one.split == "train")
        found = [self._ready(one, hold=one.split != "train" or pixels <= HELD) for one in listed]
        if self.faults:
            raise FaultyError(self._source, self.faults)
        sheets: list[Labelled] = [one for one in found if one is not None]
        self._tell_absent(held(sheets, "train"), sheets)
        return sheets

    def _tell_absent(self, train: Sequence[Sheet], sheets: Sequence[Labelled]) -> None:
        """Warn of classes that nothing is learnt of."""
        if not self.classes.several or any(isinstance(one, Listed) for one in sheets):
            return
        there = set().union(*(np.unique(one.mask[one.valid]).tolist() for one in train))
        for number, name in enumerate(self.classes.names, 1):
            if number not in there:
                warnings.warn(
                    f"{self._source}: no training image shows class {number} ({name}); it will "
                    "not be found",
                    GeounetWarning,
                    stacklevel=3,
                )

    def _ready(self, one: Listed | Sheet, *, hold: bool) -> Sheet | Listed | None:
        try:
            if isinstance(one, Listed):
                one = self._spanned(one)
                if hold:
                    return one.loaded()
                _probe(one)
        except GeounetError as error:
            self.faults.append(str(error))
            return None
        return one

    def _spanned(self, one: Listed) -> Listed:
        """The image with the black and white of its scene."""
        if not self._shown.scene:
            return one
        return replace(one, span=self._scenes[one.scene].span(self._shown.scene))


def _probe(one: Listed) -> None:
    """Read the first row and the last, which a file that is cut off lacks.

    Raises:
        RasterError: the file is damaged.
    """
    height = one.shape[0]
    for row in (0, height - 1):
        one.crop(slice(row, row + 1), slice(None))


def _window(path: Path, shape: tuple[int, int], window: Sequence[int] | None) -> Window:
    if window is None:
        return Window(0, 0, shape[1], shape[0])
    col, row, width, height = window
    inside = 0 <= col < col + width <= shape[1] and 0 <= row < row + height <= shape[0]
    if not inside:
        raise TrainingError(
            f"{path}: window {list(window)} (column, row, width, height) leaves it; "
            f"it is {shape[1]} wide and {shape[0]} high"
        )
    return Window(col, row, width, height)
