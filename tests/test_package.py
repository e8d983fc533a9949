"""Rules of the package: what is shipped, what it says of itself, that it runs elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import rasterio
from geounet.cli.main import COMMANDS

import geounet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUP = PROJECT["tool"]["setuptools"]
SHIPPED = ("geounet", "cli")
LEAVE = ("__pycache__", ".pyc")


def files(room):
    """All files of a folder that are of the project."""
    found = (path for path in (ROOT / room).rglob("*") if path.is_file())
    return [path for path in found if not any(word in str(path) for word in LEAVE)]


def name_in_wheel(path):
    """Where a file of the repository lies in the package."""
    parts = path.relative_to(ROOT).parts
    return "/".join(("geounet", *parts) if parts[0] == "cli" else parts)


EXPECTED = {name_in_wheel(path) for room in SHIPPED for path in files(room)}


def test_every_room_is_shipped():
    """A folder with modules stands in the list of packages, and the list names no other."""
    rooms = {name_in_wheel(path.parent) for path in (ROOT / "geounet").rglob("__init__.py")}
    listed = {name.replace(".", "/") for name in SETUP["packages"]}
    assert listed == rooms | {"geounet/cli"}


def test_every_file_beside_the_code_is_shipped():
    """Weights, pages and the marker of types are matched by a pattern of their package."""
    for path in files("geounet"):
        patterns = SETUP["package-data"].get(".".join(path.relative_to(ROOT).parts[:-1]), [])
        assert path.suffix == ".py" or any(path.match(each) for each in patterns), path


def test_the_package_says_what_it_is():
    """Version, licence, Python versions and the command agree wherever they stand."""
    project = PROJECT["project"]
    assert project["version"] == geounet.__version__
    assert project["license"] == "Apache-2.0"
    for name in project["license-files"]:
        assert (ROOT / name).exists()
    lowest = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    versions = {each.rsplit(" ", 1)[1] for each in project["classifiers"] if ":: 3." in each}
    assert min(tuple(map(int, each.split("."))) for each in versions) == lowest
    assert project["scripts"] == {"geounet": "geounet.cli.main:main"}


def test_the_citation_is_valid():
    """It has the entries that the format requires, and those of the package."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^([a-z-]+): ?(.*)$", text, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors"} <= set(entries)
    assert entries["cff-version"] == "1.2.0"
    assert entries["type"] == "software"
    assert entries["version"] == geounet.__version__
    assert entries["license"] == PROJECT["project"]["license"]
    names = [each["name"] for each in PROJECT["project"]["authors"]]
    assert re.findall(r'^  - name: "(.*)"$', text, re.MULTILINE) == names


DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")


def test_the_image_is_built_of_what_is_there():
    """Bases are pinned to a release, copied files exist and are let through, nobody is root."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)
    let = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert set(copied) == let
    assert all((ROOT / name).exists() for name in copied)
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] != "root"
    assert "gdal" not in " ".join(re.findall(r"apt-get install(.+)", DOCKERFILE)).lower()
    assert '["geounet"]' in DOCKERFILE


def test_ci_runs_what_the_package_promises():
    """Every version and system that the package names; no index but torch's own."""
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    (line,) = re.findall(r"python: \[(.+)\]", text)
    named = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert re.findall(r"[\d.]+", line) == named
    (systems,) = re.findall(r"os: \[(.+)\]", text)
    assert all(each in systems for each in ("ubuntu", "macos", "windows"))
    urls = set(re.findall(r"https?://\S+", text + DOCKERFILE))
    assert urls <= {"https://download.pytorch.org/whl/cpu"}


def run(*words, folder):
    """What a command prints that succeeds."""
    done = subprocess.run(
        list(map(str, words)), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
def test_the_package_is_built_whole_and_runs_elsewhere(tmp_path):
    """A wheel made of the source package holds the code and its data alone, and works.

    Heavy packages are those of this environment; geounet itself is not.
    """
    run(sys.executable, "-m", "build", "--outdir", tmp_path, ROOT, folder=tmp_path)
    (wheel,), (source,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    names = set(zipfile.ZipFile(wheel).namelist())
    facts = {name for name in names if ".dist-info/" in name}
    assert names - facts == EXPECTED
    assert any(name.endswith("licenses/LICENSE") for name in facts)
    with tarfile.open(source) as packed:
        heads = {name.split("/")[1] for name in packed.getnames() if "/" in name}
    assert not heads & {"tests", "docs", "benchmarks", "sample_data", "demo", ".venv"}
    assert {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "constraints.txt"} <= heads

    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    python = next(scripts.glob("python*"))
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, folder=tmp_path)
    (place,) = (path for path in home.rglob("site-packages"))
    (place / "heavy.pth").write_text(str(Path(rasterio.__file__).parents[1]), encoding="utf-8")
    where = "import geounet, geounet.cli.main; print(geounet.__file__)"
    assert str(home) in run(python, "-c", where, folder=tmp_path)
    command = next(scripts.glob("geounet*"))
    assert geounet.__version__ in run(command, "--version", folder=tmp_path)
    for name in COMMANDS:
        assert "Usage" in run(command, name, "--help", folder=tmp_path)
    run(command, "sample", "scenes", "--size", "256", "--seed", "1", folder=tmp_path)
    for model in ("otsu", "buildings"):
        out = f"{model}.gpkg"
        words = ["scenes/town.tif", "-m", model, "-o", out, "--report", f"{model}.html"]
        assert out in run(command, "predict", *words, folder=tmp_path)
        assert (tmp_path / out).exists()
