"""Work on a cluster: what one process gives, also when workers are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import replace
from functools import partial

import fakes
import numpy as np
import pytest
from affine import Affine
from fakes import PaintModel, contents

pytest.importorskip("distributed")

from geounet.errors import GeounetWarning, OptionError, RasterError, TargetError
from geounet.fleet.cluster import Cluster, connected
from geounet.fleet.crew import Crew
from geounet.predict import predict
from geounet.survey.find import find_scenes
from geounet.survey.job import SurveyOptions, survey

pytestmark = pytest.mark.filterwarnings("ignore")

asked = partial(fakes.asked, mask=None, rle=None)


class SlowModel(PaintModel):
    """Paints, and takes its time."""

    def __call__(self, pixels, valid):
        """Return the bands as probabilities, a little later."""
        time.sleep(0.03)
        return super().__call__(pixels, valid)


@pytest.fixture(scope="module")
def client():
    """Two workers, for all tests: processes that are started again when they die."""
    with connected(Cluster(workers=2)) as client:
        yield client


def kill_one(client, after):
    """Kill a worker at random, a while from now."""

    def kill():
        time.sleep(after)
        pids = list(client.run(os.getpid).values())
        os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311 - no secret

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_cells_on_workers_are_those_of_one_process(client, town, tmp_path):
    """Rasters byte by byte, packages table by table; parts are gone in the end."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "a")
    predict(town, tmp_path / "whole" / "o.gpkg", whole)
    told = []
    crew = Crew(client, share_pixels=4000)
    result = crew.predict(str(town), tmp_path / "a" / "o.gpkg", options, lambda *n: told.append(n))
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")
    assert result.polygons > 5
    assert told[-1] == (5, 5)


def test_a_killed_worker_changes_nothing(client, town, tmp_path):
    """Its share is done by another one."""
    whole, options = asked(tmp_path / "whole"), asked(tmp_path / "a", SlowModel())
    predict(town, tmp_path / "whole" / "o.gpkg", replace(whole, model=SlowModel()))
    thread = kill_one(client, 0.8)
    crew = Crew(client, share_pixels=4000)
    crew.predict(str(town), tmp_path / "a" / "o.gpkg", options)
    thread.join()
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_an_error_of_a_unit_comes_back_as_itself(client, town, tmp_path):
    """As in one process; nothing is left but what is finished, which must be named to go on."""
    options, crew = asked(tmp_path / "a"), Crew(client, share_pixels=4000)
    out = tmp_path / "a" / "o.gpkg"
    with pytest.raises(RasterError, match="no such file"):
        crew.predict(str(tmp_path / "none.tif"), out, options)
    town.write_bytes(town.read_bytes()[:9000])
    with pytest.raises(RasterError, match=r"raster\.tif"):
        crew.predict(str(town), out, options)
    assert not out.exists()
    with pytest.raises(TargetError, match="pass --resume to go on with it, or --overwrite"):
        crew.predict(str(town), out, options)


def test_a_survey_on_workers_is_that_of_one_process(client, make_raster, tmp_path):
    """Small scenes whole, large ones in shares, broken ones named."""
    rng = np.random.default_rng(5)
    for name, height in (("a", 40), ("b", 130), ("c", 50)):
        image = rng.integers(0, 2, (height, 130)) * np.uint8(200)
        make_raster(image.astype(np.uint8), name=f"{name}.tif")
    (tmp_path / "d.tif").write_bytes(b"no raster")
    found = {}
    for where, words in (("whole", {}), ("fleet", {"hands": Crew(client, share_pixels=8000)})):
        folder = tmp_path / where
        options = asked(folder, probability=folder / "p")
        scenes = find_scenes([str(tmp_path / f"{name}.tif") for name in "abcd"])
        done = survey(scenes, folder / "out", SurveyOptions(predict=options), **words)
        found[where] = [(each.name, each.footprints, each.error) for each in done.outcomes]
        for path in (folder / "out").glob("*.html"):
            path.unlink()
    assert found["fleet"] == found["whole"]
    assert [error is None for *_, error in found["fleet"]] == [True, True, True, False]
    for name in "abc":
        paths = [tmp_path / where / "out" / f"{name}.gpkg" for where in ("whole", "fleet")]
        assert paths[0].stat().st_size == paths[1].stat().st_size
        rasters = [tmp_path / where / "p" / f"{name}.tif" for where in ("whole", "fleet")]
        assert rasters[0].read_bytes() == rasters[1].read_bytes()


def test_a_large_scene_outside_the_area_has_no_result_and_no_error(client, make_raster, tmp_path):
    """As a small one: nothing is to be done there, and nothing went wrong."""
    array = np.full((130, 130), 200, np.uint8)
    far = Affine(0.5, 0, 6e5, 0, -0.5, 5e6)
    paths = [make_raster(array, name="a.tif"), make_raster(array, transform=far, name="b.tif")]
    options = asked(tmp_path / "p", probability=None, bbox=(500_000, 4_999_980, 500_020, 5_000_000))
    done = survey(
        find_scenes([*map(str, paths)]),
        tmp_path / "out",
        SurveyOptions(predict=options),
        hands=Crew(client, share_pixels=8000),
    )
    assert [(each.error, each.out is None) for each in done.outcomes] == [
        (None, False),
        (None, True),
    ]
    assert not list((tmp_path / "out").glob("*.parts"))


def test_what_a_worker_warns_of_is_said_here(client, make_raster, tmp_path):
    """A raster without a CRS is warned of as in one process."""
    raster = make_raster(np.full((40, 50), 200, np.uint8), transform=None, crs=None)
    options = asked(tmp_path / "a", probability=None)
    with pytest.warns(GeounetWarning, match="has no CRS"):
        Crew(client).predict(str(raster), tmp_path / "a" / "o.gpkg", options)


def test_a_cluster_is_one_that_answers():
    """None, two, and one that is not there are refused."""
    with pytest.raises(OptionError, match="leave one of them out"):
        Cluster()
    with pytest.raises(OptionError, match="try 2"):
        Cluster(workers=0)
    with (
        pytest.raises(OptionError, match="no scheduler answers there"),
        connected(Cluster(scheduler="nowhere://1")),
    ):
        pass
