"""Rules of the plan: what is settled, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geounet.card import ModelCard
from geounet.errors import GeounetWarning, GridError, OptionError
from geounet.halo import EXACT, TOLERANCE, settle_halo, tolerated
from geounet.memory import BUDGET, SHARE, TAKEN_BY, Room
from geounet.plan import PlanOptions, make_plan

CARD = ModelCard(name="m", network="unet", stride=16, receptive_field=91, threshold=0.42)


def test_the_halo_covers_the_receptive_field():
    """`auto` takes the smallest multiple of the stride that covers it, and crops."""
    plan = make_plan((5000, 5000), CARD, PlanOptions())
    assert (plan.grid.halo, plan.blend) == (96, "crop")
    assert plan.grid.tile % 16 == 0
    assert plan.level == 107  # ceil(254 · 0.42)


def test_a_small_halo_is_kept_and_said():
    """The user's halo stands, tiles are blended, and a warning says so."""
    with pytest.warns(GeounetWarning, match="looks 91 pixels around, halo 32 covers less"):
        plan = make_plan((500, 500), CARD, PlanOptions(halo=32))
    assert (plan.grid.halo, plan.blend, plan.reach > 0) == (32, "hann", True)


FAR = {"name": "g", "network": "unet", "stride": 32}


def test_a_global_context_is_blended_and_said():
    """A network without a finite field, that nobody measured, cannot promise anything."""
    with pytest.warns(GeounetWarning, match="the whole tile around, halo 128 covers less"):
        plan = make_plan((500, 500), ModelCard(**FAR, receptive_field=None), PlanOptions())
    assert (plan.blend, plan.bound) == ("hann", None)


@pytest.mark.parametrize("field", [None, 543])
def test_a_field_too_far_takes_the_halo_that_was_measured(field):
    """The smallest halo with a difference well under 1/255 is cropped, and the bound is said."""
    card = ModelCard(**FAR, receptive_field=field, seams={"64": 0.2, "192": 0.003, "256": 1e-4})
    with pytest.warns(GeounetWarning, match=r"halo 256 keeps .* within 0.0039 .*256: 0.0001"):
        plan = make_plan((900, 900), card, PlanOptions())
    assert (plan.grid.halo, plan.blend, plan.bound) == (256, "crop", TOLERANCE)


def test_a_halo_that_covers_a_far_field_is_exact():
    """Who asks for it gets it: exactness is a matter of the halo alone."""
    card = ModelCard(**FAR, receptive_field=543, seams={"256": 1e-4})
    assert settle_halo(card, 544, None).bound == EXACT
    assert settle_halo(card, 512, None).bound == TOLERANCE
    assert settle_halo(card, 224, None).blend == "hann"
    assert settle_halo(card, 544, "hann").bound is None


@given(st.dictionaries(st.integers(0, 12), st.floats(0, 0.02)))
def test_no_tolerated_halo_lies_below_one_that_fails(table):
    """From the chosen halo on, everything measured stays under half of 1/255; none is smaller."""
    card = ModelCard(**FAR, seams={str(32 * at): value for at, value in table.items()})
    chosen = tolerated(card)
    good = {at for at in table if all(table[b] < TOLERANCE / 2 for b in table if b >= at)}
    assert chosen == (32 * min(good) if good else None)


def test_one_tile_serves_where_it_computes_least():
    """A raster of 1,500 pixels is one tile, not four; a small one gets a tile of its own size."""
    card = ModelCard(name="m", network="unet", stride=16, receptive_field=91, bytes_per_pixel=100)
    grid = make_plan((1500, 1500), card, PlanOptions()).grid
    assert (len(grid), grid.tile) == (1, 1504 + 2 * 96)
    assert make_plan((200, 200), card, PlanOptions()).grid.tile == 208 + 2 * 96


@given(
    st.tuples(st.integers(1, 10**5), st.integers(1, 10**5)),
    st.sampled_from([1, 16, 32]),
    st.integers(0, 255),
    st.integers(4, 900),
)
@settings(max_examples=60, deadline=None)
def test_our_own_budget_holds_at_any_raster_size(shape, stride, field, weight):
    """Without a word on memory the plan stays within two gigabytes wherever a network allows it."""
    card = ModelCard(
        name="m", network="unet", stride=stride, receptive_field=field, bytes_per_pixel=weight
    )
    plan = make_plan(shape, card, PlanOptions())
    light = Room().network(4 * plan.grid.halo + 256, 1, card) < BUDGET / 4
    assert plan.memory <= BUDGET or not light
    assert plan.grid.tile % stride == plan.grid.halo % stride == 0
    assert (plan.blend, plan.bound) == ("crop", EXACT)


@pytest.mark.parametrize("size", [(9000, 9000), (3000, 60_000)])
def test_memory_that_was_allowed_is_kept_to(size):
    """A smaller tile or a narrower band costs more pixels, and takes less memory."""
    plans = [
        make_plan(size, HEAVY, PlanOptions(max_memory=limit))
        for limit in (4 * 10**9, 2 * 10**9, 12 * 10**8)
    ]
    assert all(plan.memory <= limit * 1e9 for plan, limit in zip(plans, (4, 2, 1.2), strict=True))
    tiles = [plan.grid.tile for plan in plans]
    assert tiles == sorted(tiles, reverse=True)
    assert tiles[0] > tiles[2]


HEAVY = ModelCard(name="m", network="unet", stride=16, receptive_field=91, bytes_per_pixel=300)


def test_too_little_memory_is_refused_with_what_works():
    """The message's own figure is accepted, and one step less is not."""
    shape = (9000, 9000)
    with pytest.raises(
        OptionError, match=r"too little for model m .* works is 0\.\d\dGB"
    ) as caught:
        make_plan(shape, HEAVY, PlanOptions(max_memory=10**6))
    least = round(float(str(caught.value).split()[-1].removesuffix("GB")) * 1e9)
    assert make_plan(shape, HEAVY, PlanOptions(max_memory=least)).memory <= least
    with pytest.raises(OptionError, match="too little"):
        make_plan(shape, HEAVY, PlanOptions(max_memory=least - 10**7))


def test_a_tile_that_was_asked_for_is_kept_or_refused():
    """Memory never changes a user's tile quietly."""
    asked = PlanOptions(tile=1536, max_memory=10**9)
    with pytest.raises(OptionError, match=r"too little .* the smallest that works is \d\.\d\dGB"):
        make_plan((9000, 9000), HEAVY, asked)
    assert make_plan((9000, 9000), HEAVY, PlanOptions(tile=1536)).grid.tile == 1536


def test_a_devices_own_memory_bounds_tile_and_batch():
    """On a device of its own the batch grows with its free memory, and never beyond it."""
    for free in (2 * 10**9, 20 * 10**9):
        room = Room("cuda", on_device=free)
        plan = make_plan((9000, 9000), HEAVY, PlanOptions(), room)
        assert room.network(plan.grid.tile, plan.batch_size, HEAVY) <= SHARE * free
    assert plan.grid.tile * plan.batch_size > 1024


def test_a_leaner_engine_gets_larger_tiles():
    """What an engine takes of memory decides how large its tiles may be, and so what is redone."""
    rooms = [Room(backend=b, precision=p) for b, p in (("torch", "fp32"), *TAKEN_BY)]
    plans = {
        (r.backend, r.precision): make_plan((9000, 9000), HEAVY, PlanOptions(), r) for r in rooms
    }
    assert all(plan.memory <= BUDGET for plan in plans.values())
    lean, usual = plans["openvino", "bf16"].grid, plans["torch", "fp32"].grid
    assert len(lean) * lean.tile**2 < 0.9 * len(usual) * usual.tile**2


def test_what_was_chosen_is_said(monkeypatch):
    """With -v a sentence says which tile, what it computes and what it takes."""
    said = []
    monkeypatch.setattr("geounet.plan.log.info", lambda text, *words: said.append(text % words))
    plan = make_plan((5000, 5000), HEAVY, PlanOptions())
    exact, tiles = said
    assert "looks 91 pixels around, halo 96 covers it" in exact
    assert f"tile {plan.grid.tile} keeps {plan.grid.stride}" in tiles
    assert f"about {plan.memory / 1e9:.2f} GB" in tiles


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (PlanOptions(tile=0), GridError, "tile must be a positive multiple of 16, got 0"),
        (PlanOptions(tile=128), GridError, "smallest tile that has is 208"),
        (PlanOptions(threshold=0), OptionError, "above 0"),
        (PlanOptions(threshold=1.5), OptionError, "got 1.5"),
        (PlanOptions(batch_size=0), OptionError, "batch size must be at least 1"),
        (PlanOptions(blend="feather"), OptionError, "unknown blend"),
    ],
)
def test_what_does_not_fit_is_refused(options, error, words):
    """One line says what, got and expected."""
    with pytest.raises(error, match=words):
        make_plan((500, 500), CARD, options)
