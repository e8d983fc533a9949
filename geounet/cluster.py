"""Embeddings → clusters, and a folder of what there is to look at."""

from __future__ import annotations

import shutil
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet import __version__
from geounet.embeddings.clusters import ClusterOptions, cluster
from geounet.embeddings.items import SUFFIXES, VECTORS, read_items
from geounet.embeddings.labelled import read_labels
from geounet.embeddings.names import name_clusters
from geounet.embeddings.pictures import beside
from geounet.embeddings.publish import write_report
from geounet.embeddings.report import OUTPUTS, Report, mean_of
from geounet.embeddings.thumbnails import open_thumbnails
from geounet.errors import GeounetWarning, OptionError
from geounet.outputs import check_target, make_folder, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geounet.embeddings.clusters import Clusters
    from geounet.embeddings.items import Items
    from geounet.embeddings.names import Names
    from geounet.embeddings.report import Maps

_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class ClusterJob:
    """What a user may ask of clusters."""

    how: ClusterOptions = field(default_factory=ClusterOptions)
    """How vectors are grouped."""
    columns: tuple[str, ...] = (VECTORS,)
    """Columns of vectors, laid side by side."""
    labels: Path | None = None
    """A few labelled items, by id or by place, that clusters are named after."""
    label_by: str | None = None
    """Column of the labels; None = the first that is known."""
    activations: bool = False
    """Also show where the network looked in the items nearest each centre."""
    images: Path | None = None
    """Folder that has the rasters of the embeddings; None = where they were."""
    model: Path | None = None
    """File of the model of the embeddings; None = the bundled one of that name."""
    overwrite: bool = False
    """Replace outputs that exist."""


def cluster_embeddings(
    embeddings: Path,
    out: Path,
    job: ClusterJob | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> dict[str, Any]:
    """Cluster the items of a file and write the report; return what was found.

    Args:
        embeddings: GeoParquet of `geounet embed`, or `.npy` of vectors alone.
        out: folder of the report.
        job: everything else.
        progress: called with steps done, steps in total, and what comes next.

    Raises:
        GeounetError: a file cannot be used; nothing was written then.
    """
    job = job or ClusterJob()
    _check(embeddings)
    with _folder(out), ExitStack() as stack:
        for target in (out / name for name in OUTPUTS):
            check_target(
                target, inputs=[embeddings], overwrite=job.overwrite, suffixes=[target.suffix]
            )
        progress(0, _STEPS, "reading")
        spool = Path(
            stack.enter_context(
                TemporaryDirectory(prefix=".cluster-", dir=out, ignore_cleanup_errors=True)
            )
        )
        items = read_items(embeddings, job.columns, spool)
        maps = _maps(items, job, embeddings)
        labels = None if job.labels is None else read_labels(job.labels, items, job.label_by)
        progress(1, _STEPS, "clusters")
        found = cluster(items.vectors, job.how)
        report = Report(
            title=embeddings.name,
            items=items,
            found=found,
            named=None if labels is None else name_clusters(found.labels, labels),
            thumbnails=stack.enter_context(open_thumbnails(beside(embeddings))),
            seed=job.how.seed,
            maps=maps,
        )
        _warn(report, embeddings)
        progress(2, _STEPS, "pictures")
        said = _write(report, out, _facts(embeddings, job, items))
        progress(_STEPS, _STEPS, "")
    return said


def _check(embeddings: Path) -> None:
    if embeddings.suffix.lower() not in SUFFIXES:
        raise OptionError(
            f"{embeddings}: unknown kind of embeddings (got {embeddings.suffix or 'no suffix'}, "
            f"expected {' or '.join(SUFFIXES)})"
        )
    check_installed("cluster")


def check_installed(command: str) -> None:
    """Refuse a command whose packages are missing.

    Raises:
        OptionError: which, and how to get them.
    """
    needed = {
        "bokeh": "bokeh",
        "matplotlib": "matplotlib",
        "pyarrow": "pyarrow",
        "umap": "umap-learn",
    }
    missing = [package for name, package in needed.items() if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"{command} needs {', '.join(missing)}, which is not installed; "
            "run: pip install 'geounet[embeddings]'"
        )


def _maps(items: Items, job: ClusterJob, embeddings: Path) -> Maps | None:
    """What shows where the network looked, when it was asked for."""
    if not job.activations:
        if job.images is not None or job.model is not None:
            raise OptionError("--images and --model serve --activations, which was not asked for")
        return None
    from geounet.activations import Activations  # noqa: PLC0415 - brings torch

    return Activations.of(items, job.model, job.images, str(embeddings))


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """Make a folder; one that was made for nothing goes again."""
    fresh = not out.exists()
    make_folder(out)
    try:
        yield
    except BaseException:
        if fresh:
            shutil.rmtree(out, ignore_errors=True)
        raise


def _warn(report: Report, embeddings: Path) -> None:
    """Say what a user should know of the result."""
    if report.items.thumbnails is not None and not report.pictured().any():
        warnings.warn(
            f"{beside(embeddings)}: is not there or holds none of the pictures named; "
            "the page has none",
            GeounetWarning,
            stacklevel=3,
        )
    if doubts := report.doubts():
        warnings.warn(
            f"do not read much into these clusters: {'; and '.join(doubts)}",
            GeounetWarning,
            stacklevel=3,
        )


def _write(report: Report, out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write all files, then let them appear; those of an earlier run that have no match go."""
    wanted = report.wanted()
    with ExitStack() as stack:
        paths = {name: stack.enter_context(staged(out / name)) for name in wanted}
        projections = write_report(report, paths, facts)
    for name in set(OUTPUTS) - set(wanted):
        (out / name).unlink(missing_ok=True)
    found = report.found
    trust = {each.name: each.trustworthiness for each in projections}
    return _said(found, report.named) | {
        "out": [str(out / name) for name in OUTPUTS if name in wanted],
        "trustworthiness": trust,
    }


def _said(found: Clusters, named: Names | None) -> dict[str, Any]:
    mean, choice = mean_of(found.silhouette), asdict(found.choice)
    choice["silhouette"] = [None, *choice["silhouette"][1:]]  # one cluster has none
    return {
        "items": len(found.labels),
        "k": found.k,
        "sizes": np.bincount(found.labels + 1, minlength=found.k + 1)[1:].tolist(),
        "noise": int(np.count_nonzero(found.labels < 0)),
        "silhouette": None if np.isnan(mean) else mean,
        "choice": choice,
        "variance_kept": found.space.explained,
        "names": None if named is None else asdict(named),
    }


def _facts(embeddings: Path, job: ClusterJob, items: Items) -> dict[str, Any]:
    return {
        "software": f"geounet {__version__}",
        "embeddings": {"name": embeddings.name, "made": items.facts},
        "options": asdict(job.how)
        | {"columns": job.columns, "labels": None if job.labels is None else job.labels.name},
    }
