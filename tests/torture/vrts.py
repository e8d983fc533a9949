"""VRTs and other XML that would have GDAL read, run or send what nobody named."""

from __future__ import annotations

import os

from torture.case import ERROR, OK, Case, predict
from torture.makers import both, bytes_of, raster

SOURCE = (
    '<SimpleSource><SourceFilename relativeToVRT="1">b.tif</SourceFilename>'
    "<SourceBand>{band}</SourceBand></SimpleSource>"
)
RAW = (
    "<SourceFilename relativeToVRT='1'>secret.txt</SourceFilename><ImageOffset>0</ImageOffset>"
    "<PixelOffset>1</PixelOffset><LineOffset>50</LineOffset>"
)
CODE = (
    "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    "<PixelFunctionCode>open('marker','w')</PixelFunctionCode>"
)
WMS = (
    "<GDAL_WMS><Service name='TMS'><ServerUrl>{url}/${z}/${x}/${y}.png</ServerUrl></Service>"
    "<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>1</UpperLeftY><LowerRightX>1</LowerRightX>"
    "<LowerRightY>0</LowerRightY><TileLevel>1</TileLevel></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"
)
BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
HOME = both(
    raster("b.tif"),
    bytes_of("secret " * 900, "secret.txt"),
    lambda folder: (folder / "link.tif").symlink_to("/etc/hostname"),
    lambda folder: os.mkfifo(folder / "pipe.tif"),
)


def vrt(old="", new="", source=SOURCE, size=(50, 40)):
    """The text of a mosaic of one raster, with a part replaced."""
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}">{source.format(band=band)}</VRTRasterBand>'
        for band in (1, 2, 3)
    )
    text = (
        f'<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>500000, 0.3, 0, 5000000, 0, -0.3</GeoTransform>{bands}</VRTDataset>"
    )
    assert not old or old in text, old
    return text.replace(old, new) if old else text


def case(what, text, says="--allow-vrt|outside", verdict=ERROR, name="a.vrt", more=()):
    """A case of a text beside a raster, a secret, a link that leads out, and a pipe."""
    return Case(what, both(HOME, bytes_of(text, name)), says, verdict, predict(*more, of=name))


CASES = [
    case("a plain mosaic", vrt(), verdict=OK),
    case("named .VRT", vrt(), verdict=OK, name="a.VRT"),
    case("a mosaic named .tif", vrt(), "only under the suffix .vrt", name="a.tif"),
    case("a source outside", vrt("b.tif", "../outside.tif")),
    case("an absolute source", vrt("b.tif", "/etc/hostname")),
    case("a link that leads out", vrt("b.tif", "link.tif")),
    case("a source on the network", vrt("b.tif", "/vsicurl/{url}/a.tif".replace("{url}", "http://127.0.0.1:9"))),
    case("a source as a URL", vrt("b.tif", "http://127.0.0.1:9/a.tif")),
    case("a source in memory", vrt("b.tif", "/vsimem/a.tif")),
    case("a source that is a text", vrt("b.tif", "secret.txt")),
    case("a source that is a pipe", vrt("b.tif", "pipe.tif"), "pipe"),
    case("a source that is the VRT", vrt("b.tif", "a.vrt")),
    case("a source that is a folder", vrt("b.tif", "."), "is a folder"),
    case("a source that is not there", vrt("b.tif", "gone.tif"), "no such file"),
    case("a source by another driver", vrt("b.tif", "GTIFF_DIR:1:b.tif")),
    case("a source of WMS", vrt("b.tif", "&lt;GDAL_WMS&gt;")),
    case("the same in CDATA", vrt("b.tif", "<![CDATA[<GDAL_WMS>]]>")),
    case("a source as an attribute", vrt("<SimpleSource>", "<SimpleSource SourceFilename='/etc/passwd'>")),
    case("a source in small letters", vrt("<SourceBand>1", "<sourcefilename>/etc/passwd</sourcefilename><SourceBand>1")),
    case("a raw band over a text", vrt('dataType="Byte"', 'dataType="Byte" subClass="VRTRawRasterBand"', RAW)),
    case("the same named .tif", vrt('dataType="Byte"', 'dataType="Byte" subClass="VRTRawRasterBand"', RAW),
         "only under the suffix .vrt", name="a.tif"),
    case("code in it", vrt("<SimpleSource>", CODE + "<SimpleSource>")),
    case("a derived band", vrt('dataType="Byte"', 'dataType="Byte" subClass="VRTDerivedRasterBand"')),
    case("a warped one", vrt("<VRTDataset ", '<VRTDataset subClass="VRTWarpedDataset" ')),
    case("a processed one", vrt("<VRTDataset ", '<VRTDataset subClass="VRTProcessedDataset" ')),
    case("open options", vrt("<SourceBand>1", "<OpenOptions><OOI key='a'>b</OOI></OpenOptions><SourceBand>1")),
    case("an overview elsewhere", vrt("<SimpleSource>", "<Overview><SourceFilename>/etc/hostname</SourceFilename></Overview><SimpleSource>")),
    case("entities", BOMB + vrt(), "DOCTYPE|not a raster format"),
    case("entities after a head", "<?xml version='1.0'?>" + BOMB + vrt(), "DOCTYPE|not a raster format"),
    case("broken XML", vrt()[:-20], "broken XML"),
    case("XML in UTF-16", vrt().encode("utf-16"), "broken XML|not a raster format"),
    case("a NUL in it", vrt("b.tif", "b.tif\0"), "broken XML|no such file"),
    case("a hundred thousand levels", vrt().replace("</VRTDataset>", "<Metadata>" * 100_000), "broken XML"),
    case("2^31 - 1 each way", vrt(size=(2**31 - 1, 2**31 - 1)), "", more=("--tile", "64")),
    case("a size below zero", vrt(size=(-5, 40)), "damaged|expected"),
    case("no size", vrt('rasterXSize="50"', ""), "damaged|expected"),
    case("no bands", "<VRTDataset rasterXSize='5' rasterYSize='5'/>", "damaged"),
    case("a band that is not there", vrt("<SourceBand>3", "<SourceBand>9"), ""),
    case("a nodata no byte can be", vrt("<SimpleSource>", "<NoDataValue>-9999</NoDataValue><SimpleSource>"), verdict=OK),
    case("a nodata that is NaN", vrt("<SimpleSource>", "<NoDataValue>nan</NoDataValue><SimpleSource>"), verdict=OK),
    case("leave for a raster outside", vrt("b.tif", "../in/b.tif"), verdict=OK, more=("--allow-vrt",)),
    case("leave, but nothing there", vrt("b.tif", "../gone.tif"), "gone.tif", more=("--allow-vrt",)),
    case("WMS named .tif", WMS, "not a raster format", name="a.tif"),
    case("WMS named .vrt", WMS, "not a raster format"),
    case("WMS named .xml", WMS, "not a raster format", name="a.xml"),
    case("WCS", "<WCS_GDAL><ServiceURL>http://127.0.0.1:9</ServiceURL></WCS_GDAL>", "not a raster format"),
    case("a tile index", "<GDALTileIndexDataset><IndexDataset>b.gpkg</IndexDataset></GDALTileIndexDataset>",
         "not a raster format"),
]  # fmt: skip
