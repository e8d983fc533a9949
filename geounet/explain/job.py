"""Explain a raster: weights over the whole scene first, then the map, its COG and its picture."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from geounet.explain.drawn import overlay, write_map
from geounet.explain.task import ExplainOptions, Task
from geounet.options import PredictOptions
from geounet.outputs import check_target, staged
from geounet.prepare import opened

if TYPE_CHECKING:
    from collections.abc import Callable

SUFFIXES, PICTURES = (".tif", ".tiff"), (".png",)


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What was explained, and by which numbers."""

    out: tuple[Path, ...]
    """Files that were written: the raster, the picture."""
    method: str
    """`grad-cam` or `activation`."""
    layer: str
    """Name of the layer."""
    channels: int
    """Maps the layer gives."""
    stride: int
    """Pixels along an edge of one of its cells."""
    low: float
    """The smallest value of the scene: 0 of Grad-CAM."""
    high: float
    """The largest value of the scene, which Grad-CAM's raster calls 1."""
    model: str
    """Name of the model."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {**asdict(self), "out": [str(path) for path in self.out]}


def explain(
    raster: str | Path,
    out: str | Path,
    options: ExplainOptions | None = None,
    inference: PredictOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Explained:
    """Write where a network looks in a raster, as a COG and as a picture.

    Grad-CAM weighs the channels of a layer by the gradient of a class's logits, summed over the
    pixels found, and averaged over the whole scene; then it sums them and keeps what is positive
    (Selvaraju et al. 2017, arXiv:1610.02391; for segmentation Vinogradova, Dibrov and Myers 2020,
    arXiv:2002.11434).

    Args:
        raster: file or URL of an image.
        out: `.tif` to write.
        options: of the explanation.
        inference: model, bands, scale, GSD, tile, halo, threshold and device as for a prediction.
        progress: called with tiles done and tiles in total.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output paths.
    """
    options, inference = options or ExplainOptions(), inference or PredictOptions()
    target = Path(out)
    shown = options.overlay or target.with_suffix(".png")
    for path, suffixes in ((target, SUFFIXES), (shown, PICTURES)):
        check_target(path, inputs=[raster], overwrite=inference.overwrite, suffixes=suffixes)
    task = Task.of(options, inference)
    with ExitStack() as stack:
        reader = stack.enter_context(opened(raster, task.segmenter, inference))
        tile, png = (stack.enter_context(staged(path)) for path in (target, shown))
        folder = TemporaryDirectory(
            prefix=f"{target.name}.", suffix=".state", dir=target.parent, ignore_cleanup_errors=True
        )
        kept = Path(stack.enter_context(folder)) / "cells"
        cells = task.cells(reader, inference, kept, progress)
        write_map(tile, reader, cells, task)
        png.write_bytes(overlay(reader, cells))
    return Explained(
        out=(target, shown),
        method="activation" if task.number is None else "grad-cam",
        layer=task.layer.name,
        channels=task.layer.channels,
        stride=task.layer.stride,
        low=cells.low,
        high=cells.high,
        model=task.segmenter.card.name,
    )
