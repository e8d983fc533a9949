"""Raster Vision: its learner over its sliding windows, its labels, its vector output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from finish import DEFLATE_LEVEL, threshold
from job import Outcome
from networks import TwoClasses, network_of
from rastervision.core.data import (
    ClassConfig,
    PolygonVectorOutputConfig,
    SemanticSegmentationLabels,
)
from rastervision.core.utils import calculate_required_padding
from rastervision.pytorch_learner import (
    SemanticSegmentationGeoDataConfig,
    SemanticSegmentationLearner,
    SemanticSegmentationLearnerConfig,
    SemanticSegmentationSlidingWindowGeoDataset,
    SolverConfig,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from job import Job

NAMES = ("building", "background")
PACKAGES = ("rastervision_core", "rastervision_pytorch_learner", "rastervision_pytorch_backend")


def load(job: Job) -> Callable[[], Outcome]:
    """Return the work."""
    classes = ClassConfig(names=list(NAMES), null_class="background")
    data = SemanticSegmentationGeoDataConfig(class_config=classes, num_workers=0)
    config = SemanticSegmentationLearnerConfig(data=data, solver=SolverConfig(batch_sz=job.batch))
    network = network_of(job, kind=TwoClasses, white=1.0)
    learner = SemanticSegmentationLearner(config, model=network, training=False)
    polygons = job.mode == "polygons"
    vector = PolygonVectorOutputConfig(class_id=0, denoise=0, threshold=threshold(job))

    @torch.inference_mode()
    def work() -> Outcome:
        dataset = windows_of(job)
        labels = SemanticSegmentationLabels.from_predictions(
            dataset.windows,
            learner.predict_dataset(dataset, numpy_out=True, progress_bar=False),
            smooth=True,
            extent=dataset.scene.extent,
            num_classes=len(NAMES),
            crop_sz=None if job.blends else job.halo,
        )
        labels.save(
            job.folder,
            crs_transformer=dataset.scene.raster_source.crs_transformer,
            class_config=classes,
            discrete_output=False,
            smooth_output=not polygons,
            smooth_as_uint8=True,
            vector_outputs=[vector] if polygons else None,
            profile_overrides={"compress": "deflate", "zlevel": DEFLATE_LEVEL, "tiled": True},
        )
        note = f"no workers, {'average' if job.blends else 'crop_sz'}, float16 scores"
        if polygons:
            result = job.file("vector_output") / "class-0-building.json"
            return Outcome(result=result, note=f"{note}, GeoJSON", packages=PACKAGES)
        return Outcome(result=job.file("scores.tif"), note=note, packages=PACKAGES, step=1 / 255)

    return work


def windows_of(job: Job) -> SemanticSegmentationSlidingWindowGeoDataset:
    """Return the dataset, padded as Raster Vision pads it when edges are cropped."""
    size, stride = job.tile, job.tile - job.overlap
    around = {}
    if not job.blends:
        plain = SemanticSegmentationSlidingWindowGeoDataset.from_uris(
            job.raster, size=size, stride=stride
        )
        around["pad_direction"] = "both"
        around["padding"] = calculate_required_padding(
            extent_sz=plain.scene.extent.size, chip_sz=(size, size), stride=(stride, stride),
            pad_direction="both", crop_sz=job.halo,
        )  # fmt: skip
    return SemanticSegmentationSlidingWindowGeoDataset.from_uris(
        job.raster, size=size, stride=stride, **around
    )
