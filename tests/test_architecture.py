"""The plan of the house: which room may import which, and what never happens."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"errors", "kinds", "quantise", "relay", "onnxfile"},
    {"grid", "gdal", "ground", "valid", "blocks", "networks", "modelfile"},
    {"card"},
    {"drivers", "header", "model"},
    {"vrt", "outputs", "inputs", "blend", "backends", "documents", "lock"},
    {"sources", "halo", "memory", "state", "records"},
    {"reader"},
    {"raster", "tiling", "scale"},
    {
        "area",
        "forgiving",
        "maps",
        "places",
        "tiff",
        "cog",
        "resample",
        "rows",
        "preview",
        "scenes",
        "fit",
        "spans",
        "plan",
        "imagery",
        "rle",
    },
    {"surface"},
    {"opening"},
    {"footprints", "infer", "seams", "contact", "stitch", "baselines"},
    {"page", "project", "walk", "annotations"},
    {"prepare"},
    {"embeddings"},
    {"journal", "kept", "evaluation", "cutter", "targets", "result"},
    {"options", "training", "transfer", "chipset"},
    {"order"},
    {"pixels", "provenance", "space"},
    {"assemble", "finished"},
    {"companions"},
    {"predict", "vectorize", "masks", "evaluate", "chips"},
    {"explain"},
    {"activations"},
    {"cluster"},
    {"verify", "exchange", "damage", "shards"},
    {"survey"},
    {"fleet", "forecast"},
    {"__init__"},
)
"""Rooms from the ground up; a room imports rooms below it, and its own."""

NEVERS = {
    "torch": {
        "networks",
        "backends.torch",
        "backends.fold",
        "backends.export",
        "explain.layers",
        "explain.steps",
        "training",
        "transfer.states",
        "model",
    },
    "torchvision": {"training"},
    "PIL": {"training", "embeddings.thumbnails"},
    "onnxruntime": {"backends.onnx"},
    "openvino": {"backends.openvino"},
    "nncf": {"backends.openvino"},
    "pyarrow": {"footprints.geoparquet", "embeddings", "damage.told"},
    "lightning": {"training.trainer"},
    "segmentation_models_pytorch": {"networks.smp"},
    "bokeh": {"embeddings"},
    "matplotlib": {"embeddings", "training.pictures", "damage.picture"},
    "umap": {"embeddings"},
    "sklearn": {"embeddings", "damage.grades"},
    "tqdm": set(),
    "click": set(),
    "requests": set(),
    "fsspec": {"shards.shelf"},
    "dask": {"fleet"},
    "distributed": {"fleet"},
    "pickle": {"transfer.states"},  # the name of its error
}
"""Packages and the only rooms that import them."""

RASTER_IO = {"raster", "cog", "tiff", "gdal", "header", "scenes", "preview", "page"}
"""Rooms that open or write rasters; `windows`, `features` and `enums` are common words."""

COMMON_WORDS = {"rasterio.windows", "rasterio.features", "rasterio.enums", "rasterio.errors"}


def modules():
    """Every module of the library with its tree."""
    for path in sorted((ROOT / "geounet").rglob("*.py")):
        parts = path.relative_to(ROOT / "geounet").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


def imports(tree):
    """Full names of what a module imports, inside functions too, but not for types alone."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(room):
    """The floor of a room."""
    found = [at for at, rooms in enumerate(FLOORS) if room in rooms]
    assert found, f"{room} has no floor: give it one in test_architecture.py and docs"
    return found[0]


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_rooms_below_it(name):
    """No import runs up, and none runs sideways but within a room."""
    room = name.split(".")[0]
    for full in imports(MODULES[name]):
        parts = full.split(".")
        if parts[0] != "geounet" or len(parts) < 2 or parts[1].startswith("__"):
            continue
        assert parts[1] != "cli", f"{name} imports the command line"
        if parts[1] != room:
            assert floor(parts[1]) < floor(room), f"{name} imports {full}, which is not below it"


@pytest.mark.parametrize("name", MODULES)
def test_heavy_packages_stay_in_their_rooms(name):
    """torch, sklearn, tqdm and the like are imported only where the plan says."""
    found = {full.split(".")[0] for full in imports(MODULES[name])}
    for package, rooms in NEVERS.items():
        allowed = any(name == room or name.startswith(f"{room}.") for room in rooms)
        assert allowed or package not in found, f"{name} imports {package}"


@pytest.mark.parametrize("name", MODULES)
def test_rasters_are_opened_in_few_rooms(name):
    """Rasterio's I/O stands in the rooms that are for it."""
    if name.split(".")[0] in RASTER_IO:
        return
    for full in imports(MODULES[name]):
        if full.split(".")[0] == "rasterio":
            assert ".".join(full.split(".")[:2]) in COMMON_WORDS, f"{name} imports {full}"


def test_no_room_has_a_name_that_says_nothing():
    """A name lives in the room that means it."""
    vague = {"utils", "helpers", "common", "core", "types", "config", "constants"}
    assert not {name.rsplit(".", 1)[-1] for name in MODULES} & vague


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_swallowed_and_nothing_unpickled(name):
    """No `except Exception`, no torch.load but of numbers alone, no boundless read."""
    text = ast.unparse(MODULES[name])
    if name == "transfer.states":
        text = text.replace("torch.load(file, map_location='cpu', weights_only=True)", "")
    for never in ("except Exception", "torch.load", "boundless=True", "except:"):
        assert never not in text, f"{name}: {never}"


@pytest.mark.parametrize(
    "statement", ["import geounet", "import geounet.grid, geounet.cli.main", "import geounet.rle"]
)
def test_the_face_is_light(statement):
    """Importing the package or the command line costs no torch and no geopandas."""
    code = (
        f"import sys; {statement}; print([m for m in ('torch', 'geopandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
