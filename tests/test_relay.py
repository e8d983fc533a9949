"""Rules of handing work from thread to thread: in order, bounded, and every error as itself."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from fakes import FakeReader, PaintModel

from geounet.assemble import Assembly
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.table import TableOptions
from geounet.grid import TileGrid
from geounet.journal import Journal
from geounet.order import Order
from geounet.plan import Plan
from geounet.predict import carry_out
from geounet.relay import relay
from geounet.state import State
from geounet.targets import Targets
from geounet.walk import Tally, Walk


@pytest.fixture(autouse=True)
def _no_thread_left():
    """Whatever happens, no thread survives the call."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def numbers(count, seen=None, error=None):
    """Count up; note what was made, then fail if told to."""
    for number in range(count):
        if seen is not None:
            seen.append(number)
        yield number
    if error is not None:
        raise error


def test_items_arrive_in_order_and_the_outcome_comes_back():
    """What one thread makes, the other gets, all of it and in that order."""
    assert relay(numbers(100), list, name="t") == list(range(100))
    assert relay(numbers(0), list, name="t") == []


def test_the_two_sides_are_different_threads():
    """Items are made in the calling thread, and used in another of the given name."""
    made = (threading.current_thread().name for _ in range(1))
    here, there = relay(made, lambda items: (*items, threading.current_thread().name), name="t")
    assert here == threading.current_thread().name
    assert there.startswith("t")


def test_one_item_is_used_up_while_the_next_is_made():
    """A slow taker holds the maker back: one item in its hands, one being offered."""
    seen, gaps = [], []

    def slowly(items):
        for number in items:
            threading.Event().wait(0.01)
            gaps.append(seen[-1] - number)

    relay(numbers(20, seen), slowly, name="t")
    assert max(gaps) == 1


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_the_makers_error_comes_out_as_itself(error):
    """Also an interrupt: the taker is unwound first, and does not think it has seen all."""
    ends = []

    def take(items):
        try:
            list(items)
        except Exception as unwound:
            ends.append(unwound)
            raise
        ends.append("all")

    with pytest.raises(type(error)) as caught:
        relay(numbers(3, error=error), take, name="t")
    assert caught.value is error
    assert len(ends) == 1
    assert ends != ["all"]


@pytest.mark.parametrize("after", [0, 1, 5])
def test_the_takers_error_stops_the_maker(after):
    """It comes out as itself; the maker makes few more items, and is closed."""
    seen, error = [], ValueError("theirs")

    def take(items):
        for number in items:
            if number == after:
                raise error

    made = numbers(1000, seen)
    with pytest.raises(ValueError, match="theirs") as caught:
        relay(made, take, name="t")
    assert caught.value is error
    assert len(seen) <= after + 4
    assert made.gi_frame is None


def test_relays_in_a_row_pass_errors_on():
    """An error at either end of three threads reaches the first, and ends them all."""

    def middle(items):
        return relay((2 * number for number in items), last, name="t2")

    def last(items):
        return [number if number < 50 else 1 // 0 for number in items]

    assert relay(numbers(20), middle, name="t1") == list(range(0, 40, 2))
    with pytest.raises(ZeroDivisionError):
        relay(numbers(40), middle, name="t1")
    with pytest.raises(KeyboardInterrupt):
        relay(numbers(20, error=KeyboardInterrupt()), middle, name="t1")


class TornError(Exception):
    """What the broken parts below raise."""


class BrokenReader(FakeReader):
    """A file that is damaged from row 60 on."""

    def read(self, window, into=None):
        if window.row_off + window.height > 60:
            raise TornError
        return super().read(window, into)


class BrokenModel(PaintModel):
    """A device that fails at its fifth batch."""

    def __call__(self, pixels, valid):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 5:
            raise TornError
        return super().__call__(pixels, valid)


class StoppedModel(PaintModel):
    """A user who stops it."""

    def __call__(self, pixels, valid):
        raise KeyboardInterrupt


def torn(*_args, **_kwargs):
    """Fail wherever this is put."""
    raise TornError


@pytest.mark.parametrize("part", ["none", "reader", "step", "trace", "link", "write", "user"])
def test_an_error_in_any_thread_ends_the_walk(part, tmp_path, monkeypatch):
    """It reaches the caller as itself, no thread is left, and no file."""
    pixels = np.random.default_rng(0).integers(0, 255, (1, 130, 70), dtype=np.uint8)
    reader = (BrokenReader if part == "reader" else FakeReader)(pixels)
    step = {"step": BrokenModel, "user": StoppedModel}.get(part, PaintModel)()
    grid = TileGrid.cover((130, 70), tile=24, halo=4)
    plan = Plan(grid=grid, blend="hann", level=128, classes=1, batch_size=1)
    targets = Targets(tmp_path / "o.gpkg", tmp_path / "o.tif")
    places = {"trace": "geounet.walk.trace_cell", "link": "geounet.footprints.join.link",
              "write": "geounet.cog.CogWriter.write"}  # fmt: skip
    if part in places:
        monkeypatch.setattr(places[part], torn)
    walk = Walk(plan, reader, step)

    def run():
        info = reader.info
        outlines = OutlineOptions(
            kind="pixel", tolerance_m=None, transform=info.transform, crs=info.crs
        )
        order = Order(info, plan, targets, TableOptions(), outlines)
        with (
            State(targets.footprints) as state,
            order.store(state.folder) as store,
            Journal(state.folder, walk, store) as journal,
            Assembly(order, state.work, store, Tally()) as assembly,
        ):
            carry_out(walk, assembly, journal)
            assembly.write({})

    if part == "none":
        run()
        assert targets.footprints.exists()
        return
    with pytest.raises(KeyboardInterrupt if part == "user" else TornError):
        run()
    assert {path.name for path in tmp_path.iterdir()} <= {"o.gpkg.state"}
