"""`geounet cluster`: a file of embeddings in, a folder to look at out, all of it or nothing."""

import csv
import json
import re
import sqlite3
from base64 import b64decode
from contextlib import closing
from io import BytesIO

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from browser import BROWSER, opened
from embedded import write_embeddings, write_table
from geounet.cli.main import main
from PIL import Image
from sklearn.datasets import make_blobs
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score

from geounet.cluster import ClusterJob, cluster_embeddings
from geounet.embeddings.clusters import ClusterOptions
from geounet.embeddings.colours import colour_of
from geounet.embeddings.items import Items, read_items
from geounet.embeddings.labelled import read_labels
from geounet.embeddings.page import groups, scale
from geounet.embeddings.reduce import Projection, project
from geounet.embeddings.report import OUTPUTS
from geounet.errors import GeounetWarning, OptionError, OutputError

COUNT = 100


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of a hundred tiles of three groups, with its truth."""
    folder = tmp_path_factory.mktemp("clusters")
    truth = write_embeddings(folder / "tiles.parquet", count=COUNT)
    labels = folder / "few.csv"
    rows = [f"{1000 + at},{'sea' if truth[at] else 'sand'}" for at in range(12)]
    labels.write_text("\n".join(["id,label", *rows]))
    words = ["cluster", str(folder / "tiles.parquet"), "-o", str(folder / "out"), "-q"]
    assert main([*words, "--labels", str(labels)]) == 0
    return folder, truth


def layer(folder):
    """Return the layer of a report."""
    return pyogrio.read_dataframe(folder / "out" / "clusters.gpkg", layer="clusters")


def metrics(folder):
    """Return the figures of a report by name and number of clusters."""
    with (folder / "out" / "metrics.csv").open(newline="") as file:
        return {(row["metric"], row["k"]): row["value"] for row in csv.DictReader(file)}


def test_every_output_is_there(made):
    """The folder holds what was promised, and nothing else."""
    folder, _ = made
    assert {each.name for each in (folder / "out").iterdir()} == set(OUTPUTS) - {"activations.png"}


def test_the_layer_holds_every_item_where_it_was(made):
    """Each item keeps its id, its place and its numbers, and has a cluster and a silhouette."""
    folder, truth = made
    found = layer(folder)
    given = gpd.read_parquet(folder / "tiles.parquet")
    assert found["id"].tolist() == given["id"].tolist()
    assert shapely.equals(found.geometry.array, given.geometry.array).all()
    assert found.crs == given.crs
    np.testing.assert_allclose(found["change"], given["change"])
    assert found["source"].tolist() == given["source"].tolist()
    assert adjusted_rand_score(truth, found["cluster"]) == 1
    assert found["silhouette"].between(-1, 1).all()
    assert set(found["name"]) == {"sea", "sand"}


def test_the_layer_opens_in_the_colours_of_the_page(made):
    """The style names each cluster with its colour, as the page does."""
    folder, _ = made
    with closing(sqlite3.connect(folder / "out" / "clusters.gpkg")) as file:
        ((style, default),) = file.execute("SELECT styleQML, useAsDefault FROM layer_styles")
        ((facts,),) = file.execute("SELECT metadata FROM gpkg_metadata")
    assert default == 1
    assert json.loads(facts)["embeddings"]["made"] == {"model": "m"}
    for cluster in range(3):
        red, green, blue = bytes.fromhex(colour_of(cluster)[1:])
        assert f"{red},{green},{blue}," in style
        assert f'filter="&quot;cluster&quot; = {cluster}"' in style


def test_the_metrics_are_those_of_the_layer(made):
    """The table tells the choice, the scores of each number, trust, and what the labels say."""
    folder, _ = made
    found = metrics(folder)
    assert found["k", ""] == found["k by silhouette", ""] == found["k by elbow", ""] == "3"
    mean = float(found["silhouette of all items", "3"])
    assert mean == pytest.approx(layer(folder)["silhouette"].mean())
    assert mean == pytest.approx(float(found["silhouette", "3"]), abs=1e-6)
    assert all(("inertia", str(k)) in found for k in range(1, 11))
    assert (found["labels: right", "3"], found["labels: wrong", "3"]) == ("12", "0")
    for name in ("PCA", "t-SNE", "UMAP"):
        assert 0.8 < float(found[f"trustworthiness {name}", ""]) <= 1


def test_the_pictures_are_pictures(made):
    """Charts are PNGs of a size one can read."""
    folder, _ = made
    for name in ("elbow", "silhouette", "examples"):
        with Image.open(folder / "out" / f"{name}.png") as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 400


def test_the_page_asks_for_nothing(made):
    """The policy in the page forbids every address, and every script but its own two."""
    folder, _ = made
    text = (folder / "out" / "scatter.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert len(re.findall("'sha256-", policy)) == 2


def picture_of(uri):
    """Return the number an item's picture tells by the red of its corner."""
    kind, _, data = uri.partition(";base64,")
    assert kind == "data:image/jpeg"
    with Image.open(BytesIO(b64decode(data))) as picture:
        return round(picture.getpixel((3, 3))[0] / 2)


WHERE = """(() => {
  const view = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(%s));
  const items = Bokeh.documents[0].get_model_by_name("items");
  const row = items.data.id.indexOf(%s), data = items.data;
  const x = Array.isArray(data[%s][row]) ? data.x[row] : data[%s][row];
  const y = Array.isArray(data[%s][row]) ? data.y[row] : data[%s][row];
  const box = view.canvas_view.el.getBoundingClientRect();
  return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
})()"""
SEEN = """(() => {
  const found = [];
  const walk = (node) => {
    if (node.nodeType === 1 && node.matches(".tip") && node.getBoundingClientRect().width) {
      found.push([node.querySelector("img").src, node.textContent]);
    }
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return found.length ? found : null;
})()"""


def lonely(tab, plot):
    """Return the item of a plot that is farthest from its nearest other one."""
    data = "Bokeh.documents[0].get_model_by_name('items').data"
    names = [f"{axis}{plot[-1]}" for axis in "xy"]
    points = np.array([tab.ask(f"Array.from({data}.{name})") for name in names]).T
    far = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(far, np.inf)
    return int(tab.ask(f"{data}.id")[far.min(axis=1).argmax()])


def place_of(tab, plot, item):
    """Return where an item is on the screen."""
    x, y = ("xs", "ys") if plot == "map" else (f"x{plot[-1]}", f"y{plot[-1]}")
    return tab.ask(WHERE % tuple(map(json.dumps, (plot, str(item), x, x, y, y))))


def over(tab, plot, item):
    """Move the mouse onto an item."""
    x, y = place_of(tab, plot, item)
    tab.mouse("mouseMoved", x - 40, y - 40)
    tab.mouse("mouseMoved", x, y)


def draw_around(tab, item):
    """Draw around an item of the map and its eight neighbours."""
    x, y = place_of(tab, "map", item)
    away = 1.7 * abs(x - place_of(tab, "map", item + 1)[0])
    tab.drag([(x - away, y - away), (x + away, y - away), (x + away, y + away),
              (x - away, y + away), (x - away, y - away)])  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_shows_and_selects_the_right_items(made, tmp_path):
    """Over an item its own picture is shown; what is drawn around is selected, and downloaded."""
    folder, truth = made
    with opened(folder / "out" / "scatter.html", tmp_path) as tab:
        tab.wait("document.body.dataset.ready === 'yes'")
        tab.wait("Bokeh.index && Bokeh.documents[0].is_idle")
        for plot in ("plot-1", "plot-2", "plot-3", "map"):
            item = 1060 if plot == "map" else lonely(tab, plot)
            tab.wait(f"{SEEN} === null", tab.mouse, "mouseMoved", 3, 3)
            ((uri, words),) = tab.wait(SEEN, over, tab, plot, item)
            assert int(re.search(r"#(\d+)", words)[1]) == item, plot
            assert picture_of(uri) == item - 1000, plot
        around = [1033, 1034, 1035, 1043, 1044, 1045, 1053, 1054, 1055]
        count = "document.getElementById('count').textContent"
        tab.wait(f"{count}.includes('items selected')", draw_around, tab, 1044)
        assert "9 items selected" in tab.ask(count)
        tab.wait("!document.getElementById('download').disabled")
        tab.ask("document.getElementById('download').click()")
        found = selected(tmp_path / "selected.csv")
        assert sorted(map(int, found)) == around
        tab.ask("document.querySelector('#legend button').click()")
        rows = tab.ask("Bokeh.documents[0].get_model_by_name('items').selected.indices.length")
        assert rows == np.bincount(truth).max()
        tab.ask(
            "(s => { s.selectedIndex = 1; s.dispatchEvent(new Event('change')); })"
            "(document.getElementById('colour'))"
        )
        assert (
            tab.ask("new Set(Bokeh.documents[0].get_model_by_name('items').data.colour).size") > 5
        )


def selected(path, patience=30):
    """Return the ids of a file that a browser is about to write."""
    import time  # noqa: PLC0415

    until = time.monotonic() + patience
    while not path.exists():
        assert time.monotonic() < until, "nothing was downloaded"
        time.sleep(0.05)
    with path.open(newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def refused(capsys, words):
    """Return what is said of a command that must be refused with exit code 2 and one line."""
    assert main(["cluster", *map(str, words)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("geounet: error: ")
    assert said.count("\n") == 1
    return said


def frame(count=9):
    """Return a table of squares."""
    shapes = shapely.box(np.arange(count), 0, np.arange(count) + 1, 1)
    return gpd.GeoDataFrame({"id": np.arange(count)}, geometry=shapes, crs=32633)


NOISE = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("vectors", "options", "words"),
    [
        (NOISE[:2], [], "clusters need at least 3 items, got 2"),
        (NOISE, ["--k", "10"], "k must be from 1 to 8, got 10"),
        (np.ones_like(NOISE), [], "embeddings must differ, all 9 looked at are equal"),
        (np.where(NOISE > 1, np.nan, NOISE), [], "holds a value that is no finite number"),
        (NOISE[:0], [], "holds no items"),
        (NOISE, ["--column", "ring"], "has no column 'ring' (vectors: embedding"),
        (NOISE, ["--column", "id"], "column 'id' is int64, expected lists of floats"),
        (NOISE, ["--method", "hdbscan", "--k", "3"], "hdbscan finds k by itself, got 3"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, capsys, vectors, options, words):
    """What cannot be clustered is told in one line, exit code 2, and leaves no folder."""
    path = tmp_path / "tiles.parquet"
    write_table(path, frame(len(vectors)), vectors)
    assert words in refused(capsys, [path, "-o", tmp_path / "out", *options])
    assert not (tmp_path / "out").exists()


def test_bad_files_are_refused_in_one_line(tmp_path, capsys):
    """A file that is no table, is cut off, or is of another kind is told so."""
    good, out = tmp_path / "good.parquet", tmp_path / "out"
    write_table(good, frame(), NOISE)
    (tmp_path / "text.parquet").write_text("no table")
    (tmp_path / "cut.parquet").write_bytes(good.read_bytes()[:900])
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (tmp_path / "other.csv").write_text("a,b")
    for name in ("text.parquet", "cut.parquet", "cut.npy"):
        assert "cannot be read as" in refused(capsys, [tmp_path / name, "-o", out])
    assert "unknown kind of embeddings" in refused(capsys, [tmp_path / "other.csv", "-o", out])
    assert not out.exists()


def test_bad_labels_are_refused_in_one_line(tmp_path, capsys):
    """Labels that match nothing, or are in no column that is known, are told so."""
    path, labels = tmp_path / "tiles.parquet", tmp_path / "labels.csv"
    write_table(path, frame(), NOISE)
    call = [path, "-o", tmp_path / "out", "--labels", labels]
    for text, words in (
        ("id,label\n77,sea\n", "none of its 1 labels matches an item"),
        ("id,kind\n7,sea\n", "has no column 'label or damage or class or name' (got id, kind)"),
        ("id,label\nx,sea\n", "column 'id' must hold whole numbers"),
        ("label\nsea\n", "has no column 'id', and labels or items have no place"),
        ("", "labels cannot be read"),
    ):
        labels.write_text(text)
        assert words in refused(capsys, call)


def test_labels_by_place_are_those_of_the_items_they_lie_in(tmp_path):
    """A labelled shape in another CRS belongs to the item its middle lies in."""
    given = frame()
    items = Items(
        vectors=NOISE,
        ids=given["id"].to_numpy(),
        shapes=pa.chunked_array([shapely.to_wkb(given.geometry.array)]),
        crs=given.crs,
    )
    marks = shapely.points([2.5, 2.6, 2.7, 5.5, 44], [0.5, 0.5, 0.5, 0.5, 0.5])
    words = ["sea", "sand", "sea", None, "sand"]
    few = gpd.GeoDataFrame({"damage": words}, geometry=marks, crs=32633)
    few.to_crs(4326).to_file(tmp_path / "few.gpkg", engine="pyogrio")
    found = read_labels(tmp_path / "few.gpkg", items, None)
    assert found == [None, None, "sea", *[None] * 6]


def test_an_existing_report_is_replaced_only_when_asked(tmp_path, capsys, monkeypatch):
    """Outputs that exist are refused; replaced, what has no match any more goes; else all stays."""
    monkeypatch.setattr("geounet.embeddings.publish.project", lambda values, seed: FLAT(values))
    path, out = tmp_path / "tiles.parquet", tmp_path / "out"
    write_embeddings(path, count=30)
    assert main(["cluster", str(path), "-o", str(out), "-q"]) == 0
    assert "exists already" in refused(capsys, [path, "-o", out])
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("geounet.embeddings.publish.write_scatter", fail)
        assert main(["cluster", str(path), "-o", str(out), "-qf"]) == 1
    assert {each.name: each.read_bytes() for each in out.iterdir()} == before
    assert main(["cluster", str(path), "-o", str(out), "-qf"]) == 0
    # parts of the page are numbered on and on, and SQLite may lay its pages otherwise
    same = set(before) - {"scatter.html", "clusters.gpkg"}
    assert {name: (out / name).read_bytes() for name in same} == {k: before[k] for k in same}
    np.save(tmp_path / "plain.npy", NOISE)
    assert main(["cluster", str(tmp_path / "plain.npy"), "-o", str(out), "-qf"]) == 0
    assert not (out / "clusters.gpkg").exists()
    assert not (out / "examples.png").exists()
    assert 'id="map"' not in (out / "scatter.html").read_text(encoding="utf-8")


def FLAT(values):  # noqa: N802 - stands for a function
    """Project without waiting for numba."""
    names = ("PCA", "t-SNE", "UMAP")
    return tuple(Projection(name=name, points=values[:, :2], trustworthiness=1.0) for name in names)


def fail(*_, **__):
    """Run out of disk."""
    raise OutputError("no space left")


def test_many_items_have_few_pictures(tmp_path, monkeypatch):
    """Beyond the budget, items and pictures are shown evenly, and the page says how many."""
    monkeypatch.setattr("geounet.embeddings.publish.project", lambda values, seed: FLAT(values))
    monkeypatch.setattr("geounet.embeddings.publish.SHOWN", 50)
    monkeypatch.setattr("geounet.embeddings.publish.PICTURED", 9)
    path = tmp_path / "tiles.parquet"
    write_embeddings(path, count=90)
    cluster_embeddings(path, tmp_path / "out")
    text = (tmp_path / "out" / "scatter.html").read_text(encoding="utf-8")
    assert "50 of 90 items are drawn, 9 of them with a picture" in text
    assert text.count("data:image/jpeg") == 9
    assert len(layer(tmp_path)) == 90


def test_missing_pictures_are_said(tmp_path, monkeypatch):
    """Without the file of pictures the report is made, and the lack is warned of."""
    monkeypatch.setattr("geounet.embeddings.publish.project", lambda values, seed: FLAT(values))
    path = tmp_path / "tiles.parquet"
    write_embeddings(path, count=30, pictures=False)
    with pytest.warns(GeounetWarning, match=r"tiles\.thumbnails\.zip: is not there"):
        cluster_embeddings(path, tmp_path / "out")
    path.with_name("tiles.thumbnails.zip").write_bytes(b"no zip")
    with pytest.raises(OptionError, match="is no ZIP of pictures"):
        cluster_embeddings(path, tmp_path / "other")


def test_weak_clusters_are_said(tmp_path, monkeypatch):
    """Noise has clusters too, but nobody is told so without a warning."""
    monkeypatch.setattr("geounet.embeddings.publish.project", lambda values, seed: FLAT(values))
    noise = np.random.default_rng(0).normal(size=(200, 30)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    with pytest.warns(GeounetWarning, match="hardly apart"):
        said = cluster_embeddings(tmp_path / "noise.npy", tmp_path / "out")
    json.dumps(said, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (ClusterOptions(k=1), {0}),
        (ClusterOptions(method="hdbscan", min_items=8), {-1, 0, 1, 2}),
    ],
)
def test_one_cluster_and_noise_have_a_report_too(tmp_path, monkeypatch, options, labels):
    """Where there is one cluster, or some items are in none, everything is written still."""
    monkeypatch.setattr("geounet.embeddings.publish.project", lambda values, seed: FLAT(values))
    vectors, _ = make_blobs(60, 4, centers=3, cluster_std=0.5, random_state=0)
    vectors = np.concatenate([vectors, [[50, 50, 50, 50], [-60, 60, 0, 0]]]).astype(np.float32)
    write_table(tmp_path / "tiles.parquet", frame(62), vectors)
    job = ClusterJob(how=options)
    said = cluster_embeddings(tmp_path / "tiles.parquet", tmp_path / "out", job)
    assert set(layer(tmp_path)["cluster"]) == labels
    assert (said["k"], said["noise"]) == (len(labels - {-1}), 2 * (-1 in labels))
    assert len(said["out"]) == len(OUTPUTS) - 2
    json.dumps(said, allow_nan=False)


def test_names_are_text_in_the_page(tmp_path, monkeypatch):
    """A source with markup in its name is text, and ends no script."""
    monkeypatch.setattr("geounet.embeddings.publish.project", lambda values, seed: FLAT(values))
    nasty = """</script><blink>&"',.tif"""
    table = frame().assign(source=nasty, change=NOISE[:, 0])
    write_table(tmp_path / "tiles.parquet", table, NOISE)
    with pytest.warns(GeounetWarning, match="hardly apart"):
        cluster_embeddings(tmp_path / "tiles.parquet", tmp_path / "out")
    text = (tmp_path / "out" / "scatter.html").read_text(encoding="utf-8")
    assert "<blink>" not in text
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    assert json.loads(data)["colourings"][2]["labels"] == [nasty]


def test_large_tables_are_laid_in_a_file(tmp_path, monkeypatch):
    """Vectors too many for memory come from a mapped file, the same, and nothing of it is left."""
    path = tmp_path / "tiles.parquet"
    write_table(path, frame(), NOISE, ring=NOISE[:, :2].astype(np.float64))
    (tmp_path / "spool").mkdir()
    held = read_items(path, ("embedding", "ring"), tmp_path)
    monkeypatch.setattr("geounet.embeddings.items.IN_MEMORY", 10)
    mapped = read_items(path, ("embedding", "ring"), tmp_path / "spool")
    assert isinstance(mapped.vectors, np.memmap)
    np.testing.assert_array_equal(mapped.vectors, np.hstack([NOISE, NOISE[:, :2]]))
    np.testing.assert_array_equal(mapped.vectors, held.vectors)


def test_without_the_extra_the_cure_is_named(tmp_path, capsys, monkeypatch):
    """A missing package is told with the line that installs it."""
    write_table(tmp_path / "tiles.parquet", frame(), NOISE)
    monkeypatch.setattr("geounet.cluster.find_spec", lambda name: None if name == "umap" else name)
    said = refused(capsys, [tmp_path / "tiles.parquet", "-o", tmp_path / "out"])
    assert "cluster needs umap-learn, which is not installed" in said
    assert "pip install 'geounet[embeddings]'" in said


def test_projections_keep_the_order_of_chance(made):
    """The same items and seed give the same points, and trust is scikit-learn's."""
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    one, other = project(vectors, seed=3), project(vectors, seed=3)
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.points, second.points)
        expected = trustworthiness(vectors, first.points, n_neighbors=10)
        assert first.trustworthiness == pytest.approx(expected)


def test_colours_by_text_and_by_number():
    """Frequent texts have colours of their own, the rest share grey; numbers span the range."""
    found = groups("source", ["b", "a", "b", *(f"x{at}" for at in range(12))])
    assert found.labels[0] == "b"
    assert found.labels[-1] == "4 others"
    assert found.codes[:3] == [0, 1, 0]
    assert max(found.codes) == len(found.colours) - 1 == len(found.labels) - 1
    shades = scale("change", np.array([0.5, np.nan, 1.5, 1.0]))
    assert shades.codes == [0, 256, 255, 128]
    assert shades.ends == ("0.5", "1.5")
    assert scale("change", np.full(2, np.nan)).codes == [256, 256]
    assert scale("change", np.ones(2)).codes == [0, 0]
