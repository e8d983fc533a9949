"""What may be opened: chosen by content, never by name; a VRT only as a plain mosaic."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import example, given
from hypothesis import strategies as st
from rasterio.windows import Window

from geounet.drivers import driver_of
from geounet.errors import RasterError
from geounet.gdal import PATIENCE
from geounet.raster import open_raster
from geounet.sources import find_source, identity

IMAGE = np.linspace(1, 250, 3 * 40 * 60).reshape(3, 40, 60).astype(np.uint8)

FORMATS = (
    ("GTiff", "tif", {}),
    ("GTiff", "tif", {"bigtiff": "YES"}),
    ("GTiff", "tif", {"endianness": "BIG"}),
    ("COG", "tif", {}),
    ("PNG", "png", {}),
    ("JPEG", "jpg", {"quality": 100}),
    ("WEBP", "webp", {"lossless": True}),
    ("JP2OpenJPEG", "jp2", {"reversible": "YES", "quality": 100}),
    ("HFA", "img", {}),
)

VRT = """<VRTDataset rasterXSize="60" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>
<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""


def whole(reader):
    """Return all pixels of a raster."""
    return reader.read(Window(0, 0, reader.info.width, reader.info.height))


@pytest.fixture
def server():
    """A server on this machine that counts what it is asked for; serves `server.content`.

    It sends nothing for `server.silence` seconds.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, *, body):
            self.server.hits += 1
            content, code = self.server.content, 200
            wanted = self.headers.get("Range")
            if wanted:
                first, last = wanted.removeprefix("bytes=").split("-")
                last = min(int(last), len(content) - 1)
                span = f"bytes {first}-{last}/{len(content)}"
                content, code = content[int(first) : last + 1], 206
            self.send_response(code)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content)))
            if wanted:
                self.send_header("Content-Range", span)
            self.end_headers()
            if body:
                time.sleep(self.server.silence)
                with suppress(OSError):  # nobody may be there any more
                    self.wfile.write(content)

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.hits, http.content, http.silence = 0, b"", 0
    http.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.mark.parametrize(("driver", "suffix", "options"), FORMATS)
@pytest.mark.parametrize("named", [None, "dat"])
def test_every_format_is_known_by_its_content(
    make_raster, tmp_path, driver, suffix, options, named
):
    """A raster opens whatever its suffix, with its pixels, and nothing is written beside it."""
    source = make_raster(IMAGE)
    path = tmp_path / f"copy.{named or suffix}"
    with rasterio.Env(GDAL_PAM_ENABLED="NO"):
        rasterio.shutil.copy(source, path, driver=driver, **options)
    for world in tmp_path.glob("*.wld"):
        world.unlink()
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with open_raster(path) as reader:
        difference = np.abs(whole(reader).data.astype(int) - IMAGE)
    assert difference.mean() < (2 if driver == "JPEG" else 1e-9)
    assert before == {file: file.read_bytes() for file in tmp_path.iterdir()}


@given(st.binary(max_size=64))
@example(b"<?xml version='1.0'?><VRTDataset>")
@example(b"<GDAL_WMS>")
@example(b"GIF89a")
def test_unknown_bytes_have_no_driver(head):
    """Only the magics listed lead to a driver."""
    known = (b"II", b"MM", b"\x89PNG", b"\xff", b"\0\0\0\x0cjP", b"EHFA", b"RIFF")
    assert driver_of(head) is None or head.startswith(known)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("page.tif", b"<!DOCTYPE html><title>404</title>", "not a raster format"),
        ("wms.tif", b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>", "not a raster format"),
        ("mosaic.tif", VRT.format(relative=1, name="a.tif").encode(), "only under the suffix .vrt"),
        (
            "mosaic.png",
            b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- x --><VRTDataset/>",
            "suffix .vrt",
        ),
        ("empty.tif", b"", "is empty"),
        ("short.tif", b"II*\x00", "cannot be read"),
        ("._town.tif", b"\x00\x05\x16\x07" + bytes(60), "not a raster format"),
    ],
)
def test_what_is_no_raster_is_said_in_one_line(tmp_path, name, content, words):
    """A file that is none is refused with its name, what it is, and a cure, on one line."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RasterError, match=words) as caught:
        open_raster(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def test_missing_folder_and_pipe_are_refused(tmp_path):
    """Nothing hangs: a missing file, a folder and a FIFO are refused at once."""
    kinds = [("no.tif", "no such file"), ("", "is a folder")]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.tif")
        kinds.append(("pipe.tif", "is a pipe"))
    for name, words in kinds:
        with pytest.raises(RasterError, match=words):
            open_raster(tmp_path / name)


@pytest.mark.parametrize("name", ["gs://bucket/a.tif", "ftp://host/a.tif", "/vsizip/a.zip/a.tif"])
def test_unknown_addresses_are_refused(name):
    """Only https, http and s3 lead to the network."""
    with pytest.raises(RasterError, match=r"expected https:// or s3://|virtual paths"):
        open_raster(name)


def test_addresses_become_virtual_paths():
    """A URL is opened by the driver its suffix names, and by GeoTIFF's when it names none."""
    assert find_source("https://host/a.tif?key=1").name == "/vsicurl/https://host/a.tif?key=1"
    assert find_source("s3://bucket/a.jp2").name == "/vsis3/bucket/a.jp2"
    assert find_source("s3://bucket/a.jp2").driver == "JP2OpenJPEG"
    assert find_source("https://host/page").driver == "GTiff"
    with pytest.raises(RasterError, match="--allow-vrt"):
        find_source("https://host/a.vrt")


def test_a_url_is_read(make_raster, server):
    """A raster at a URL reads as the file does; what is no GeoTIFF there is refused."""
    server.content = make_raster(IMAGE, tiled=True, blockxsize=16, blockysize=16).read_bytes()
    with open_raster(f"{server.url}/town.tif") as reader:
        np.testing.assert_array_equal(whole(reader).data, IMAGE)
    server.content = VRT.format(relative=0, name="/etc/hostname").encode()
    with pytest.raises(RasterError, match="open"):
        open_raster(f"{server.url}/other.tif")


def test_a_server_that_falls_silent_is_an_error(make_raster, server, monkeypatch):
    """Nothing waits for ever; how often it is asked again is what the environment says."""
    noise = np.random.default_rng(0).integers(1, 255, (3, 256, 256), np.uint8)
    server.content = make_raster(noise, tiled=True, blockxsize=16, blockysize=16).read_bytes()
    monkeypatch.setitem(PATIENCE, "GDAL_HTTP_LOW_SPEED_TIME", "1")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    with open_raster(f"{server.url}/far.tif") as reader:
        server.hits, server.silence = 0, 4
        with pytest.raises(RasterError, match="cannot be read"):
            reader.read(Window(240, 240, 16, 16))
    assert server.hits == 1


def test_no_file_leads_to_the_network(make_raster, server, tmp_path):
    """Opening a file asks no server, whatever stands in it or beside it."""
    remote = f"/vsicurl/{server.url}/a.tif"
    path = make_raster(IMAGE)
    for name in ("mosaic.vrt", "mosaic.tif"):
        (tmp_path / name).write_text(VRT.format(relative=0, name=remote))
        with pytest.raises(RasterError):
            open_raster(tmp_path / name)
    for side in (".ovr", ".msk"):
        (tmp_path / f"raster.tif{side}").write_text(VRT.format(relative=0, name=remote))
        with pytest.raises(RasterError, match=f"{side}: is not a raster"):
            open_raster(path)
        (tmp_path / f"raster.tif{side}").unlink()
    (tmp_path / "raster.tif.aux.xml").write_text(
        "<PAMDataset><Metadata domain='OVERVIEWS'>"
        f"<MDI key='OVERVIEW_FILE'>{remote}</MDI></Metadata></PAMDataset>"
    )
    with pytest.raises(RasterError, match="names another file"):
        open_raster(path)
    (tmp_path / "raster.tif.aux.xml").unlink()
    with rasterio.open(path, "r+") as target:
        target.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=remote)
    with pytest.raises(RasterError, match="names another file"):
        open_raster(path)
    assert server.hits == 0


def test_a_plain_mosaic_opens(make_raster, tmp_path):
    """A VRT of files in its own folder reads as they do, with and without relative names."""
    source = make_raster(IMAGE)
    path = tmp_path / "mosaic.vrt"
    for relative, name in ((1, source.name), (0, source)):
        path.write_text(VRT.format(relative=relative, name=name))
        with open_raster(path) as reader:
            np.testing.assert_array_equal(whole(reader).data, IMAGE[:1])
    rasterio.shutil.copy(source, path, driver="VRT")
    with open_raster(path) as reader:
        np.testing.assert_array_equal(whole(reader).data, IMAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">raster.tif<", ">../outside.tif<"),
        (">raster.tif<", ">link.tif<"),
        (">raster.tif<", ">notes.txt<"),
        (">raster.tif<", ">other.vrt<"),
        (">raster.tif<", ">/vsicurl/https://host/a.tif<"),
        (">raster.tif<", ">GTIFF_DIR:1:raster.tif<"),
        (">raster.tif<", "><![CDATA[&lt;VRTDataset/>]]><"),
        ("<SimpleSource>", "<SimpleSource SourceFilename='/etc/passwd'>"),
        ("<SourceBand>", "<sourcefilename>/etc/passwd</sourcefilename><SourceBand>"),
        ('dataType="Byte"', 'dataType="Byte" subClass="VRTRawRasterBand"'),
        ("<SourceBand>", "<PixelFunctionType>x</PixelFunctionType><SourceBand>"),
        ("<VRTRasterBand", "<Metadata domain='RPC'/><VRTRasterBand"),
    ],
)
def test_other_vrts_need_leave(make_raster, tmp_path, old, new):
    """Sources elsewhere, raw bytes, code and nested files are refused, with the flag as cure."""
    home = tmp_path / "home"
    home.mkdir()
    make_raster(IMAGE).rename(home / "raster.tif")
    make_raster(IMAGE, name="outside.tif")
    (home / "notes.txt").write_text("secret" * 500)
    (home / "other.vrt").write_text(VRT.format(relative=1, name="raster.tif"))
    (home / "link.tif").symlink_to(tmp_path / "outside.tif")
    path = home / "mosaic.vrt"
    good = VRT.format(relative=1, name="raster.tif")
    path.write_text(good)
    open_raster(path).close()
    path.write_text(good.replace(old, new))
    assert path.read_text() != good
    with pytest.raises(RasterError, match=r"--allow-vrt|no such file"):
        open_raster(path)


def test_leave_opens_sources_elsewhere(make_raster, tmp_path):
    """With leave, a VRT may name rasters outside its folder."""
    source = make_raster(IMAGE)
    (tmp_path / "home").mkdir()
    path = tmp_path / "home/mosaic.vrt"
    path.write_text(VRT.format(relative=0, name=source))
    with pytest.raises(RasterError, match="outside its own folder"):
        open_raster(path)
    with open_raster(path, allow_vrt=True) as reader:
        np.testing.assert_array_equal(whole(reader).data, IMAGE[:1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><VRTDataset/>",
            "raster format|DOCTYPE",
        ),
        ("<VRTDataset><SRS>", "broken XML"),
        ("<VRTDataset>&bomb;</VRTDataset>", "broken XML"),
    ],
)
def test_broken_or_clever_xml_is_refused(tmp_path, content, words):
    """XML with entities or a DOCTYPE, or cut short, is refused before GDAL sees it."""
    path = tmp_path / "mosaic.vrt"
    path.write_text(content)
    with pytest.raises(RasterError, match=words):
        open_raster(path)


def test_a_missing_source_is_an_error(make_raster, tmp_path):
    """A VRT whose source is gone is refused, never read as zeros."""
    source = make_raster(IMAGE)
    path = tmp_path / "mosaic.vrt"
    path.write_text(VRT.format(relative=1, name=source.name))
    with open_raster(path, allow_vrt=True) as reader:
        source.unlink()
        with pytest.raises(RasterError, match="cannot be read"):
            whole(reader)
    with pytest.raises(RasterError, match="no such file"):
        open_raster(path)


def test_identity_changes_with_the_file(make_raster, tmp_path):
    """The identity follows links, and changes with size and time."""
    path = make_raster(IMAGE)
    (tmp_path / "link.tif").symlink_to(path)
    first = identity(path)
    assert identity(tmp_path / "link.tif") == first
    os.utime(path, ns=(1, 1))
    assert identity(path) != first
    assert identity("s3://bucket/a.tif") == "s3://bucket/a.tif"
    with pytest.raises(RasterError, match="no such file"):
        identity(tmp_path / "no.tif")
