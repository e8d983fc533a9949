"""Options out of range, that contradict each other, or that the raster cannot keep."""

from __future__ import annotations

from torture.case import ERROR, OK, Case, predict
from torture.makers import both, bytes_of, raster

SQUARE = (
    '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":'
    '{"type":"Polygon","coordinates":[[[15,45.15],[15.0001,45.15],[15.0001,45.1501],[15,45.15]]]}}]}'
)
EMPTY = '{"type":"FeatureCollection","features":[]}'
LINE = (
    '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":'
    '{"type":"LineString","coordinates":[[15,45.15],[15.0001,45.15]]}}]}'
)


def case(says, *words, verdict=ERROR, make=None, code=None, name=""):
    """A case of further words of a prediction."""
    return Case(" ".join(words)[:70] + name, make or raster(), says, verdict, predict(*words), code)


def beside(content, name="area.geojson"):
    """A maker of a raster and a file beside it."""
    return both(raster(), bytes_of(content, name))


CASES = [
    case("tile must be", "--tile", "0"),
    case("tile", "--tile", "-64"),
    case("neither a whole number", "--tile", "1e3"),
    case("this machine has", "--tile", "1000000000"),
    case("halo", "--halo", "-1"),
    case("tile|halo", "--halo", "64", "--tile", "32"),
    case("halo|memory|tile", "--halo", "1000000000"),
    *(case("threshold must lie", "--threshold", value) for value in ("nan", "0", "-1", "2", "inf")),
    case("is not a valid float", "--threshold", "half"),
    *(case("batch size must be at least 1", "--batch-size", value) for value in ("0", "-3")),
    case("", "--batch-size", "1000000000"),
    *(case("is not in the range", "--threads", value) for value in ("0", "-1")),
    case("is not a valid integer", "--threads", "two"),
    *(case("no amount of memory", "--max-memory", value) for value in ("0", "-1GB", "lots", "1XB", "nan")),
    case("is too little", "--max-memory", "1KB"),
    *(case("is not", "--bands", value) for value in ("1,2,x", "1.5,2,3", ",")),
    case("has no band 0", "--bands", "0,1,2"),
    case("has no band -1", "--bands", "1,2,-1"),
    case("has no band 99", "--bands", "1,2,99"),
    case("names 4 bands", "--bands", "1,2,3,3"),
    case("", "--bands", "1,1,1", verdict=OK),
    *(case("black below white", "--scale", value) for value in ("5,5", "9,1", "nan,1", "0,inf", "0,nan")),
    case("is not auto", "--scale", "1"),
    case("is not auto", "--scale", "0,1,2"),
    *(case("above 0", "--gsd", value) for value in ("0", "-1", "nan", "inf")),
    case("is far from the raster's own", "--gsd", "1e-9"),
    case("is far from the raster's own", "--gsd", "1e9"),
    case("is not native", "--gsd", "fine"),
    case("", "--gsd", "0.45", verdict=OK),
    case("--bbox", "--bbox", "1,2,3"),
    *(case("", "--bbox", value) for value in ("nan,nan,nan,nan", "inf,0,1,1", "500010,4999990,500000,5000000",
      "0,0,1,1", "500000,5000000,500000,5000000")),
    case("two areas", "--bbox", "0,0,1,1", "--aoi", "{in}/area.geojson", make=beside(SQUARE)),
    case("gone", "--aoi", "{in}/gone.geojson"),
    case("", "--aoi", "{in}/area.geojson", make=beside(EMPTY), name=" 1"),
    case("", "--aoi", "{in}/area.geojson", make=beside(LINE), name=" 2"),
    case("", "--aoi", "{in}/area.geojson", make=beside("{"), name=" 3"),
    case("", "--aoi", "{in}/area.geojson", make=beside(SQUARE.replace("15,45.15", "NaN,45.15")), name=" 4"),
    case("", "--aoi", "{in}/area.geojson", make=beside(SQUARE.replace("45.15", "5.15")), name=" 5"),
    case("", "--aoi", "{in}/a.tif"),
    *(case("", "--crs", value) for value in ("EPSG:0", "junk", "EPSG:4978", "EPSG:99999999", "", "file:///etc/passwd")),
    case("", "--crs", "EPSG:4326", verdict=OK),
    case("has no CRS|CRS", "--crs", "EPSG:4326", name=" without one", make=raster(crs=None), verdict=ERROR),
    case("not available here|expected|known", "--device", "cuda:77"),
    case("", "--device", "quantum"),
    case("is not one of", "--backend", "tensorflow"),
    case("is not one of", "--precision", "fp64"),
    case("", "--precision", "int8", "--backend", "torch"),
    case("is not one of", "--tta", "all"),
    case("is not one of", "--outline", "round"),
    case("is not one of", "--blend", "max"),
    *(case("tolerance", "--tolerance", value) for value in ("-1", "nan", "inf", "0")),
    case("leave it out", "--tolerance", "1", "--outline", "pixel"),
    *(case("area|expected", "--min-area", value) for value in ("-1", "nan", "inf")),
    case("is not in the range", "--min-pixels", "-1"),
    case("means nothing", "--min-area", "9", make=raster(crs=None)),
    case("leave one of them out", "--resume", "--overwrite"),
    case("has no CRS", "--gsd", "0.3", make=raster(crs=None)),
    case("no model 'houses'", "-m", "houses"),
    case("asked alone", "-m", "otsu", "-m", "edges"),
    case("", "-m", "otsu", "--scale", "0,255"),
    case("No such option", "--colour", "red"),
    case("is not one of", "--on-error", "ignore"),
    case("", "--min-area", "0", verdict=OK),
    Case("nothing", raster(), "Missing argument", words=("predict",)),
    Case("no output", raster(), "Missing option", words=("predict", "{in}/a.tif")),
    Case("an unknown command", raster(), "No such command", words=("predicted",)),
    Case("several for one file", both(raster(), raster("b.tif")), "2 inputs need a folder",
         words=("predict", "{in}/a.tif", "{in}/b.tif", "-o", "{out}/o.gpkg")),
]  # fmt: skip
