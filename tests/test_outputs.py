"""Results appear whole or not at all, and as what they claim to be."""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from fakes import FakeReader
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from geounet.cog import CogWriter, class_writer, probability_writer
from geounet.errors import OptionError, OutputError
from geounet.gdal import cause
from geounet.outputs import check_target, staged
from geounet.raster import open_raster

KNOWN = (".gpkg", ".tif")

PLACES = {
    "utm": (Affine(0.5, 0, 5e5, 0, -0.5, 5e6), CRS.from_epsg(32633)),
    "degrees": (Affine(1e-6, 0, 10, 0, -1e-6, 50), CRS.from_epsg(4326)),
    "rotated": (Affine.rotation(30) @ Affine.scale(0.2, -0.2), CRS.from_epsg(2056)),
    "custom": (
        Affine(30, 0, -673425, 0, -30, 2130165),
        CRS.from_proj4("+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +datum=WGS84"),
    ),
    "none": (Affine.identity(), None),
}


def grid(shape, place="utm"):
    """Return the info of a raster of that shape at a place."""
    return FakeReader(np.zeros((3, *shape), "uint8"), None, *PLACES[place]).info


def described(path):
    """Return what GDAL says of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as made:
            return {
                "scales": made.scales,
                "offsets": made.offsets,
                "descriptions": made.descriptions,
                "layout": made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"],
                "blocks": made.block_shapes,
                "overviews": made.overviews(1),
            }


def names(folder):
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_new_target_is_accepted(tmp_path):
    """A path that does not exist, in a folder that does, is no error."""
    check_target(tmp_path / "out.GPKG", inputs=["https://host/a.tif", "no.tif"], suffixes=KNOWN)
    assert names(tmp_path) == []


def test_an_existing_target_needs_overwrite(tmp_path):
    """What stands there already is refused, unless it may be replaced."""
    path = tmp_path / "out.gpkg"
    path.touch()
    with pytest.raises(OutputError, match="exists already; pass --overwrite"):
        check_target(path, suffixes=KNOWN)
    check_target(path, overwrite=True, suffixes=KNOWN)


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_an_input_is_never_an_output(tmp_path, link):
    """The input is refused as output by its own name, a symbolic and a hard link."""
    source = tmp_path / "in.tif"
    source.touch()
    target = tmp_path / "out.tif" if link else source
    if link:
        link(source, target)
    with pytest.raises(OptionError, match="is the input"):
        check_target(target, inputs=[source], overwrite=True, suffixes=KNOWN)


def test_unusable_targets_are_refused(tmp_path):
    """Unknown suffix, folder, missing folder, and a file in a folder's place each have a line."""
    (tmp_path / "folder.gpkg").mkdir()
    (tmp_path / "file").touch()
    for name, error, words in (
        ("out.xyz", OptionError, r"\(\.xyz, expected \.gpkg, \.tif\)"),
        ("out", OptionError, r"\(no suffix, expected"),
        ("folder.gpkg", OutputError, "is a folder"),
        ("no/out.gpkg", OutputError, "mkdir -p"),
        ("file/out.gpkg", OutputError, r"is a file|not a directory"),
    ):
        with pytest.raises(error, match=words) as caught:
            check_target(tmp_path / name, suffixes=KNOWN)
        assert "\n" not in str(caught.value)


def test_an_open_geopackage_is_refused(tmp_path):
    """A GeoPackage with a write-ahead log beside it is in use, and not replaced."""
    (tmp_path / "out.gpkg").touch()
    (tmp_path / "out.gpkg-wal").write_bytes(b"log")
    with pytest.raises(OutputError, match="open in another program"):
        check_target(tmp_path / "out.gpkg", overwrite=True, suffixes=KNOWN)


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    """A folder without leave to write is refused before any work."""
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="not writable"):
        check_target(tmp_path / "out.gpkg", suffixes=KNOWN)


def test_a_staged_file_appears_at_the_end(tmp_path):
    """Until the block ends only a hidden file stands there, then only the result."""
    target = tmp_path / "out.gpkg"
    with staged(target) as path:
        assert path.suffix == ".gpkg"
        assert path.parent == tmp_path
        path.write_text("new")
        assert all(name.startswith(".out.") for name in names(tmp_path))
    assert names(tmp_path) == ["out.gpkg"]
    assert target.read_text() == "new"


def write_half(target, error):
    """Write half a result with all its side files, then fail."""
    with staged(target) as path:
        path.write_text("half")
        for suffix in ("-wal", "-shm", "-journal", ".aux.xml"):
            Path(f"{path}{suffix}").touch()
        path.with_suffix(".raw.tif").touch()
        raise error


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit(), OSError()])
def test_after_any_exception_the_old_file_stands(tmp_path, error):
    """Whatever ends the block, nothing new is left, and what was there is untouched."""
    target = tmp_path / "out.gpkg"
    target.write_text("old")
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        write_half(target, error)
    assert names(tmp_path) == ["out.gpkg"]
    assert target.read_text() == "old"


def test_a_full_disk_is_one_line(tmp_path):
    """The system's error becomes one line with the path and the reason."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"out.gpkg: cannot be written \(no space") as caught:
        write_half(tmp_path / "out.gpkg", full)
    assert "\n" not in str(caught.value)


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    """What went wrong with another file is not blamed on the result."""
    with pytest.raises(FileNotFoundError, match=r"model\.onnx"), staged(tmp_path / "out.gpkg"):
        (tmp_path / "model.onnx").read_bytes()


def test_an_error_names_the_result_not_the_temporary_file(tmp_path):
    """A writer knows only its staged path; the user asked for another."""
    with pytest.raises(OutputError) as caught, staged(tmp_path / "out.gpkg") as path:
        raise OutputError(f"{path}: cannot be written (disk is full)")
    assert str(caught.value) == f"{tmp_path / 'out.gpkg'}: cannot be written (disk is full)"


def test_a_result_never_written_is_an_error(tmp_path):
    """A block that ends without its file does not pass for a result."""
    missing = pytest.raises(OutputError, match=r"cannot be written \(no such file")
    with missing, staged(tmp_path / "out.gpkg"):
        pass


def test_a_replaced_file_keeps_no_old_companions(tmp_path):
    """Side files of the file before, which describe other content, go with it."""
    target = tmp_path / "out.tif"
    for name in ("out.tif", "out.tif.aux.xml", "out.tif.ovr", "other.tif.aux.xml"):
        (tmp_path / name).touch()
    with staged(target) as path:
        path.write_text("new")
    assert names(tmp_path) == ["other.tif.aux.xml", "out.tif"]


def test_a_shapefile_comes_with_its_parts(tmp_path):
    """The files of a shapefile appear together, under the target's name."""
    with staged(tmp_path / "out.shp") as path:
        for suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
            path.with_suffix(suffix).write_text(suffix)
    assert names(tmp_path) == ["out.cpg", "out.dbf", "out.prj", "out.shp", "out.shx"]


def test_a_folder_for_the_temporary_file(tmp_path):
    """The temporary file may stand in another folder of the disk."""
    (tmp_path / "out.state").mkdir()
    with staged(tmp_path / "out.gpkg", folder=tmp_path / "out.state") as path:
        assert path.parent.name == "out.state"
        path.write_text("new")
    assert names(tmp_path / "out.state") == []
    assert (tmp_path / "out.gpkg").read_text() == "new"


@given(st.integers(1, 1100), st.integers(1, 1100), st.integers(1, 700), st.data())
@settings(max_examples=8, deadline=None)
def test_a_cog_holds_what_was_written(tmp_path_factory, height, width, step, data):
    """Rows written in pieces of any height come back the same, with nothing left beside them."""
    folder = tmp_path_factory.mktemp("cog")
    seed = data.draw(st.integers(0, 99))
    array = np.random.default_rng(seed).integers(0, 256, (2, height, width), dtype=np.uint8)
    path = folder / "map.tif"
    with CogWriter(path, info=grid((height, width)), count=2) as writer:
        for row in range(0, height, step):
            rows = array[:, row : row + step]
            writer.write(rows, Window(0, row, width, rows.shape[1]))
    assert names(folder) == ["map.tif"]
    with rasterio.open(path) as made:
        np.testing.assert_array_equal(made.read(), array)


@pytest.mark.parametrize("place", PLACES)
def test_a_probability_raster_says_what_it_is(tmp_path, place):
    """Scale, offset, marker, band name, place and layout are in the one file that is written."""
    info = grid((700, 900), place)
    with staged(tmp_path / "p.tif") as path, probability_writer(path, info, ("building",)) as out:
        out.write(np.full((1, 700, 900), 127, "uint8"), Window(0, 0, 900, 700))
    assert names(tmp_path) == ["p.tif"]
    with open_raster(tmp_path / "p.tif") as reader:
        assert reader.info.transform.almost_equals(info.transform, 1e-12)
        assert reader.info.crs == info.crs
        assert reader.info.nodata == 255
    assert described(tmp_path / "p.tif") == {
        "scales": (1 / 254,),
        "offsets": (0.0,),
        "descriptions": ("building probability",),
        "layout": "COG",
        "blocks": [(512, 512)],
        "overviews": [2],
    }


def test_a_class_raster_has_a_palette(tmp_path):
    """Numbers 0, 1 and 255 have colours, 255 is transparent, overviews keep whole classes."""
    array = np.random.default_rng(1).choice([0, 1], (1, 1200, 600)).astype("uint8")
    array[:, :100] = 255
    with class_writer(tmp_path / "c.tif", grid((1200, 600))) as out:
        out.write(array, Window(0, 0, 600, 1200))
    with rasterio.open(tmp_path / "c.tif") as made:
        assert made.colorinterp == (ColorInterp.palette,)
        assert made.colormap(1)[255] == (0, 0, 0, 0)
        assert made.colormap(1)[0] != made.colormap(1)[1]
        assert set(np.unique(made.read(out_shape=(1, 300, 150)))) == {0, 1, 255}
        np.testing.assert_array_equal(made.read(), array)


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    """An exception in the block leaves neither a map nor the file it was to be made of."""
    with pytest.raises(KeyboardInterrupt), class_writer(tmp_path / "c.tif", grid((9, 9))):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_writer_without_a_folder_fails_in_one_line(tmp_path):
    """GDAL's error becomes one line with the path."""
    with pytest.raises(OutputError, match=r"c.tif: cannot be written") as caught:
        class_writer(tmp_path / "no/c.tif", grid((9, 9)))
    assert "\n" not in str(caught.value)


def test_a_long_cause_keeps_its_end():
    """GDAL tells the whole statement first and what went wrong last."""
    told = cause(RuntimeError(f"sqlite3_exec(CREATE {'x ' * 3000}) failed: disk is full"))
    assert told.startswith("sqlite3_exec(CREATE")
    assert told.endswith("failed: disk is full")
    assert len(told) < 300
