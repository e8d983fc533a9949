"""Names of files that break what is put together from words."""

from __future__ import annotations

from torture.case import OK, Case
from torture.makers import both, nothing, raster

ODD = (
    "with spaces.tif", " leading.tif", "trailing .tif", "größe.tif", "建物.tif", "e\u0301.tif",
    "\U0001f3e0.tif", "new\nline.tif", "tab\there.tif", "percent%20%s%d.tif", "%(x)s.tif", "{0}.tif",
    "{name}.tif", "$(touch marker).tif", "`touch marker`.tif", "a;b&c|d.tif", "quo'te\".tif",
    "[a].tif", "a*?.tif", "back\\slash.tif", "co:lon.tif", "NETCDF:a.tif", "GTIFF_DIR:1:a.tif", "a,b.tif",
    "dots...tif.tif", "UPPER.TIF", "no suffix", "x" * 200 + ".tif", "~.tif", "#.tif", "a=b.tif", "wow!.tif", "a.zip!b.tif",
)  # fmt: skip


def odd():
    """A raster by each odd name works, and its map can be named like it."""
    for name in ODD:
        stem = name.rpartition(".")[0] or name
        words = ("predict", f"{{in}}/{name}", "-m", "{model}", "-q", "-o")
        plain = (*words, "{out}/o.gpkg")
        yield Case(ascii(name[:40]), raster(name), verdict=OK, words=plain)
        if any(letter in name for letter in "\n\t;!"):
            yield Case(f"{name[:40]!a} for a map", raster(name), "in its path",
                       words=(*words, f"{{out}}/{stem}.gpkg"))  # fmt: skip
        elif not name.isascii() or "%" in name or "{" in name:
            yield Case(f"{name[:40]!a} for a map", raster(name), verdict=OK,
                       words=(*words, f"{{out}}/{stem}.gpkg"))  # fmt: skip


def refused():
    """Names that are no files."""
    words = ("-o", "{out}/o.gpkg", "-m", "{model}", "-q")
    for name, says in (
        ("", "an argument is empty"), ("-x.tif", "No such option"),
        ("/vsicurl/{url}/a.tif", "unknown kind of address"), ("/vsimem/a.tif", "virtual paths"),
        ("/vsizip/{in}/a.zip/a.tif", "virtual paths"), ("ftp://host/a.tif", "unknown kind of address"),
        ("gs://bucket/a.tif", "unknown kind of address"), ("file:///etc/passwd", "unknown kind of address"),
        ("GTIFF_DIR:1:{in}/a.tif", "no such file"), ("WMS:{url}", "no such file|unknown kind"),
        ("{in}/*.png", "no raster there"), ("{in}/[", "no raster there"), ("{in}/**", "no raster|is a folder|name a file"),
    ):  # fmt: skip
        make = nothing if "*" in name or "[" in name else raster()
        yield Case(f"named {name!a}", make, says, words=("predict", name, *words))
    yield Case("a leading dash after --", raster("-x.tif"), verdict=OK,
               words=("predict", *words, "--", "{in}/-x.tif"))  # fmt: skip


def folders():
    """Folders that hold what is no raster."""
    hidden = both(
        raster(), raster("._a.tif"), raster(".b.tif"), lambda f: (f / "notes.txt").touch()
    )
    yield Case("hidden files beside", hidden, verdict=OK,
               words=("predict", "{in}", "-o", "{out}", "-m", "{model}", "-q"))  # fmt: skip
    twins = both(raster("a.tif"), raster("a.tiff"))
    yield Case("two of one name", twins, "several inputs are called a",
               words=("predict", "{in}", "-o", "{out}", "-m", "{model}", "-q"))  # fmt: skip
    bad = both(raster("a.tif"), lambda f: (f / "b.tif").write_text("no"))
    yield Case("a bad one among them", bad, "b.tif: not a raster format", words=(
        "predict", "{in}/b.tif", "{in}/a.tif", "-o", "{out}", "-m", "{model}", "-q"))  # fmt: skip


CASES = [*odd(), *refused(), *folders()]
