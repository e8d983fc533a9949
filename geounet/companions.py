"""What is made beside finished outputs: a page, a project for QGIS, embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geounet.embeddings.embed import EmbedOptions, batches
from geounet.embeddings.write import facts_of, writing
from geounet.opening import shown_as
from geounet.project import Results, shown, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.assemble import Assembly
    from geounet.embeddings.patches import Patches
    from geounet.opening import Imagery
    from geounet.options import PredictOptions
    from geounet.reader import RasterInfo, Reader


LOOK = EmbedOptions()
"""What is looked at for the embeddings beside the footprints."""


def write_companions(
    assembly: Assembly,
    reader: Reader,
    raster: Imagery,
    options: PredictOptions,
    facts: dict[str, Any],
    summary: dict[str, Any],
) -> None:
    """Write the page and the project, where they are wanted.

    Args:
        assembly: whose footprints and rasters are finished.
        reader: of the grid that was inferred.
        raster: file or URL that it reads, or a surface.
        options: what was asked for.
        facts: provenance.
        summary: of the result, as `--json` prints it.
    """
    targets = assembly.order.targets
    if targets.report is not None:
        _write_report(assembly, targets.report, reader, facts, summary)
    if targets.project is not None:
        source = shown_as(raster, allow_vrt=options.allow_vrt)
        _write_project(assembly, targets.project, source, reader.info, options.bands)


def write_embeddings(
    assembly: Assembly, patches: Patches, reader: Reader, facts: dict[str, Any]
) -> None:
    """Write what was seen in patches of the ground, with their pictures.

    Args:
        assembly: whose targets name the files.
        patches: with all tiles added.
        reader: of the grid that was inferred.
        facts: provenance.
    """
    targets = assembly.order.targets
    assert targets.embeddings is not None
    assert targets.pictures is not None
    words = {"gsd": reader.info.gsd, "pool": LOOK.pool, "patch": LOOK.patch}
    words |= {name: facts["options"][name] for name in ("bands", "scale")}
    about = facts_of(facts["model"]["name"], LOOK.layers, [facts["input"]], **words)
    table, pictures = assembly.staged(targets.embeddings), assembly.staged(targets.pictures)
    with writing(table, pictures, reader.info.crs, about) as writer:
        writer.add(batches(patches, reader.info), reader)


def _write_report(
    assembly: Assembly,
    report: Path,
    reader: Reader,
    facts: dict[str, Any],
    summary: dict[str, Any],
) -> None:
    from geounet.page import write_page  # noqa: PLC0415
    from geounet.preview import preview  # noqa: PLC0415

    write_page(
        assembly.staged(report),
        preview=preview(reader),
        info=reader.info,
        footprints=assembly.package,
        layer=facts["model"]["layers"][0],
        facts=facts,
        summary=summary,
        reader=reader,
    )


def _write_project(
    assembly: Assembly,
    project: Path,
    source: str | None,
    info: RasterInfo,
    bands: tuple[int, ...] | None,
) -> None:
    order = assembly.order
    results = Results(
        raster=source,
        info=info,
        bands=bands,
        footprints=shown(order.targets.vectors),
        crs=order.crs,
        layers=order.table.layers,
        classes=order.table.classes,
        probability=order.targets.probability,
        mask=order.targets.mask,
    )
    write_project(assembly.staged(project), project.parent, results.as_layers(), info)
