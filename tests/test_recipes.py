"""Rules of recipes: what they say, where they come from, how the rate goes by them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geounet.card import ModelCard
from geounet.errors import TrainingError
from geounet.model import read_card
from geounet.networks.registry import build, parameter_count
from geounet.training.recipe import Recipe
from geounet.training.recipefile import changed, read_recipe, recipe_of
from geounet.training.recipes import RECIPES, recipe
from geounet.training.schedules import make_optimiser, make_schedule

PUBLISHED = {
    "coastal": ("coastal", 13_775_489),
    "nuclei": ("nuclei", 31_055_297),
    "workshop": ("workshop", 1_941_105),
    "workshop-grey": ("workshop", 1_940_817),
    "workshop-first": ("workshop-first", 609_969),
    "elu": ("elu", 7_858_433),
    "light": ("light", 902_593),
}


def plain(of):
    """A recipe as JSON, where lists and tuples are one."""
    return json.dumps(asdict(of), sort_keys=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_builds_the_published_network(name):
    """Its parameters are as many as were published, batch-norm statistics included."""
    network, parameters = PUBLISHED[name]
    assert RECIPES[name].network == network
    assert parameter_count(build(network, RECIPES[name].network_options)) == parameters


def test_the_published_numbers_stand_in_the_recipes():
    """Optimiser, rate, loss, batch, epochs, size, split and schedule as the sources say."""
    nuclei, light, elu = RECIPES["nuclei"], RECIPES["light"], RECIPES["elu"]
    assert (nuclei.optimiser, nuclei.learning_rate, nuclei.loss) == ("adam", 1e-4, "cross-entropy")
    assert (nuclei.batch_size, nuclei.epochs, nuclei.size) == (8, 10, 256)
    assert (nuclei.schedule, nuclei.patience, nuclei.keep) == ("plateau", 20, "best")
    assert (nuclei.split, nuclei.split_seed, nuclei.split_shares) == ("random", 42, (0.6, 0.2, 0.2))
    assert (light.size, light.image_filter, light.mask_filter) == (128, "lanczos", "nearest")
    assert (light.learning_rate, light.batch_size, light.epochs) == (1e-3, 16, 40)
    assert (light.split, light.threshold) == ("sorted", 0.1)
    assert light.augment == {"rotate": 10.0, "shift": 0.1, "zoom": 0.1}
    assert (elu.loss, elu.schedule, elu.batch_size) == ("dice-entropy", "inverse-time", 8)
    assert "image_recall" in elu.metrics
    grey, colour = RECIPES["workshop-grey"], RECIPES["workshop"]
    assert (grey.batch_size, grey.epochs, grey.bands) == (16, 10, 1)
    assert (colour.batch_size, colour.epochs, colour.learning_rate) == (32, 100, 1e-3)
    assert colour.split_shares[1] == 0.2


def test_the_bundled_model_names_the_recipe_that_made_it():
    """Its card leads to the recipe that stands beside its page."""
    path = Path(__file__).parents[1] / "docs/models/buildings-recipe.toml"
    assert plain(recipe_of(read_card("buildings"))) == plain(read_recipe(path))


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_recipe_comes_back_from_a_file(tmp_path, suffix):
    """What a file says stands in the recipe, the rest is that of the recipe it names."""
    path = tmp_path / f"mine{suffix}"
    values = {"recipe": "nuclei", "steps": 50, "augment": {"rotate": 5}, "gsd_range": [0.1, 0.2]}
    toml = 'recipe = "nuclei"\nsteps = 50\ngsd_range = [0.1, 0.2]\naugment = { rotate = 5 }\n'
    path.write_text(json.dumps(values) if suffix == ".json" else toml)
    expected = replace(
        recipe("nuclei"), steps=50, epochs=None, augment={"rotate": 5}, gsd_range=(0.1, 0.2)
    )
    assert read_recipe(path) == expected


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_a_card(name):
    """Written as JSON and read again it is the same."""
    card = ModelCard(name="x", network="unet", training={"recipe": asdict(RECIPES[name])})
    again = recipe_of(ModelCard.from_json(card.to_json()))
    assert plain(again) == plain(RECIPES[name])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = ", "neither TOML nor JSON"),
        ("stepps = 3", "unknown entry 'stepps'; known: steps"),
        ('steps = "many"', "steps is 'many' .expected a whole number or nothing"),
        ("steps = true", "steps is True"),
        ("steps = 0", "steps is 0 .expected 1 to"),
        ("steps = 3\nepochs = 3", "give one of the two"),
        ('loss = "mse"', "loss is 'mse' .expected cross-entropy, dice"),
        ("split_shares = [0.5, 0.2, 0.2]", "expected a sum of 1"),
        ("split_shares = [0.5, 0.5]", "split_shares is .0.5, 0.5. .expected a number, a number"),
        ("gsd_range = [0.3, 0.2]", "gsd_range"),
        ('metrics = ["iou"]', "unknown metric 'iou'; known: pixel_iou"),
        ('augment = { rotate = "much" }', "augment is"),
        ("threshold = 1.0", "threshold is 1.0"),
        ('recipe = "buldings"', "unknown recipe 'buldings'; known: buildings"),
        ("recipe = []", "unknown recipe"),
    ],
)
def test_a_bad_recipe_is_refused(tmp_path, text, words):
    """One line names the file, the entry, what it is and what it may be."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=rf"mine\.toml: .*{words}"):
        read_recipe(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """One line names it; a list is no recipe."""
    with pytest.raises(TrainingError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(TrainingError, match="expected a table"):
        read_recipe(tmp_path / "list.json")


def test_steps_and_epochs_take_each_others_place():
    """The one that is set newer counts."""
    assert changed(recipe("nuclei"), {"steps": 7}).epochs is None
    assert changed(recipe("buildings"), {"epochs": 7}).steps is None


@given(st.dictionaries(st.text(max_size=9), st.integers() | st.text() | st.none(), max_size=4))
def test_any_table_is_a_recipe_or_refused(values):
    """Nothing a file may hold ends in another error."""
    with suppress(TrainingError):
        assert isinstance(changed(Recipe(), values), Recipe)


def rates(name, steps, *, epoch=10, rate=1.0, losses=()):
    """The rate of each step by a schedule."""
    made = replace(Recipe(), schedule=name, learning_rate=rate, optimiser="adam")
    optimiser = make_optimiser(made, [torch.nn.Parameter(torch.zeros(1))])
    schedule = make_schedule(made, optimiser, steps, epoch)
    found = []
    for step in range(len(losses) or steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step(*losses[step : step + 1])
    return found


def test_rates_go_as_published():
    """Constant, inverse time, constant then a tenth, cosine, one cycle: by hand."""
    assert set(rates("constant", 5)) == {1.0}
    assert rates("inverse-time", 4) == pytest.approx([1 / (1 + 1e-6 * step) for step in range(4)])
    tenth = rates("constant-then-tenth", 230, epoch=10)
    assert set(tenth[:200]) == {1.0}
    assert tenth[200:220:10] == pytest.approx([0.1, 0.01])
    assert len(set(tenth[200:210])) == 1
    cosine = rates("cosine", 100)
    assert cosine[0] == 1
    assert cosine[50] == pytest.approx(0.5)
    cycle = rates("one-cycle", 100)
    assert int(torch.tensor(cycle).argmax()) == 9
    assert cycle[0] == pytest.approx(1 / 25)
    assert cycle[-1] == pytest.approx(1 / 25e4)


def test_a_cycle_has_any_length():
    """However few its steps are, each has a rate."""
    for steps in range(1, 21):
        assert 0 < max(rates("one-cycle", steps)) <= 1


def test_a_network_brings_its_own_bands():
    """A recipe that names a network of one band is of one band, unless it says otherwise."""
    assert Recipe(network="light").bands == 1
    assert Recipe(network="light", network_options={"bands": 4}).bands == 4
    with pytest.raises(TrainingError, match="bands is 'x'"):
        Recipe(network_options={"bands": "x"})


def test_a_plateau_lowers_the_rate():
    """After more than five looks that are no better, to a tenth, but never below 1e-7."""
    found = rates("plateau", 0, rate=1e-6, losses=[1.0] * 30)
    assert found[:7] == [1e-6] * 7
    assert found[7] == pytest.approx(1e-7)
    assert min(found) == pytest.approx(1e-7)
