"""Rules of a training run: what it keeps, how it goes on, what it refuses, what it shows."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from geounet.cli.main import main
from PIL import Image

from geounet.errors import GeounetWarning, OptionError, TrainingError
from geounet.model import load_model
from geounet.training import fit as loop
from geounet.training.batch import Batch
from geounet.training.chips import ChipSampler
from geounet.training.dataset import Sheet
from geounet.training.finish import train
from geounet.training.fit import FitOptions, fit
from geounet.training.loader import Loader
from geounet.training.recipes import Recipe
from geounet.training.score import probability
from geounet.training.state import StateFolder
from geounet.training.trainer import open_trainer, training_precision

TINY = Recipe(
    network_options={"stem": 4, "filters": (4, 8)},
    gsd_range=(0.25, 0.4),
    steps=12,
    batch_size=4,
    chip=32,
    learning_rate=2e-2,
    average=0.8,
)
DROPPING = {
    "network": "elu",
    "network_options": {"filters": (4, 8), "dropout": (0.2, 0.3)},
    "optimiser": "adam",
    "schedule": "plateau",
    "average": 0.0,
    "keep": "best",
}
"""A recipe whose every step draws: dropout and noise; and whose rate hangs on validation."""
CPU = FitOptions(device="cpu", threads=1, seed=1, validate_every=5, precision="fp32")


def sheet(split="train", *, seed=0, place="here", size=64, bands=3):
    """Bright squares on dark ground."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), bool)
    for row, col in rng.integers(0, size - 16, (5, 2)):
        mask[row : row + 14, col : col + 14] = True
    image = np.where(mask, 200, 60) + rng.integers(-20, 20, (bands, size, size))
    return Sheet(
        name=f"{split}{seed}", place=place, split=split, image=image.astype(np.uint8), mask=mask,
        valid=np.ones_like(mask), gsd=0.3, weight=1.0,
    )  # fmt: skip


HERE = str(Path(__file__).parent)
SHEETS = [sheet(), sheet(seed=1), sheet("validation", seed=8), sheet("test", seed=9)]


class StoppedError(Exception):
    """What stops a run in these tests."""


def stopping_at(step):
    """A progress that ends the run after a step."""

    def progress(done, total, note):
        if done == step:
            raise StoppedError

    return progress


def weights(segmenter):
    """All numbers of a network, as bytes."""
    return [value.numpy().tobytes() for value in segmenter.network.state_dict().values()]


def names(folder):
    """What stands in a folder."""
    return {path.name for path in folder.iterdir()}


def rows(path):
    """The rows of a record, but for their seconds."""
    with path.open(newline="") as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


@pytest.mark.parametrize("changes", [{}, DROPPING], ids=["average", "dropout, plateau, best"])
@pytest.mark.parametrize(("stops", "every"), [([1], 0), ([5], 0), ([3, 7, 11], 0), ([8], 1e9)])
def test_a_run_that_was_interrupted_ends_as_if_it_was_not(tmp_path, changes, stops, every):
    """Weights, model and record are the same bytes, wherever it stopped and states were saved."""
    recipe, whole, parts = (
        replace(TINY, **changes),
        tmp_path / "a.safetensors",
        tmp_path / "b.safetensors",
    )
    options = replace(CPU, state_every_s=every, name="same")
    straight = fit(SHEETS, recipe, whole, options)
    for number, stop in enumerate(stops):
        with pytest.raises(StoppedError):
            fit(SHEETS, recipe, parts, replace(options, resume=number > 0), stopping_at(stop))
    torch.manual_seed(999)
    resumed = fit(SHEETS, recipe, parts, replace(options, resume=True))
    assert weights(resumed) == weights(straight)
    assert resumed.card == straight.card
    assert rows(StateFolder(parts).record) == rows(StateFolder(whole).record)


def test_a_share_of_the_start_stays_in_the_model(tmp_path):
    """What is kept lies on the line between the weights before and those after."""
    before = fit(SHEETS, TINY, tmp_path / "a.safetensors", replace(CPU, seed=5))
    options, found = replace(CPU, start=before), {}
    for share in (0.0, 0.25):
        out = tmp_path / f"{share}.safetensors"
        found[share] = fit(SHEETS, replace(TINY, start_share=share), out, options)
    ends = [each.network.state_dict() for each in (found[0.0], before, found[0.25])]
    moved = 0
    for name, after in ends[0].items():
        if after.is_floating_point():
            assert torch.allclose(ends[2][name], after.lerp(ends[1][name], 0.25), atol=1e-6)
            moved += not torch.equal(after, ends[2][name])
    assert moved > len(ends[0]) / 2
    with pytest.raises(TrainingError, match=r"start_share is 0\.25, but"):
        fit(SHEETS, replace(TINY, start_share=0.25), tmp_path / "b.safetensors", CPU)


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train import CPU, KILLED, SHEETS, replace, fit
options = replace(CPU, state_every_s=0.05, resume=sys.argv[3] == "resume")
fit(SHEETS, KILLED, Path(sys.argv[2]), options, lambda *_: print("step", flush=True))
"""
KILLED = replace(TINY, steps=80, **DROPPING)


def kill_after(out, steps, seconds):
    """Train in a process of its own, and kill it some steps and seconds after it began."""
    begun = "resume" if StateFolder(out).begun else "begin"
    words = [sys.executable, "-W", "ignore", "-c", RUN, HERE, str(out), begun]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        for _ in range(steps):
            process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL


def check_outlives(tmp_path, kills):
    """Check that a run killed at these moments ends as one that was not."""
    parts, whole = tmp_path / "parts.safetensors", tmp_path / "whole.safetensors"
    for steps, seconds in kills:
        kill_after(parts, steps, seconds)
    resumed = fit(SHEETS, KILLED, parts, replace(CPU, resume=True))
    straight = fit(SHEETS, KILLED, whole, CPU)
    assert weights(resumed) == weights(straight)
    assert rows(StateFolder(parts).record) == rows(StateFolder(whole).record)


def test_a_killed_run_goes_on(tmp_path):
    """SIGKILL loses what came after the last state, and nothing else."""
    check_outlives(tmp_path, [(20, 0.01)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_run_killed_at_random_moments_goes_on(tmp_path, seed):
    """The same, twice in one run, at moments that are drawn."""
    rng = np.random.default_rng(seed)
    check_outlives(tmp_path, [(int(rng.integers(1, 40)), rng.uniform(0, 0.05)) for _ in range(2)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": replace(TINY, learning_rate=1e-3)}, "recipe.learning_rate was 0.02, is 0.001"),
        ({"recipe": replace(TINY, steps=20)}, "recipe.steps was 12, is 20"),
        ({"options": replace(CPU, seed=2)}, "seed was 1, is 2"),
        ({"sheets": [*SHEETS[1:], sheet(seed=5)]}, "data.here train was"),
        ({"sheets": [*SHEETS, sheet(place="there")]}, "data.there train was not there"),
    ],
)
def test_another_run_cannot_go_on(tmp_path, change, words):
    """A state goes on with its own recipe, data and options; the first differences are named."""
    out = tmp_path / "m.safetensors"
    with pytest.raises(StoppedError):
        fit(SHEETS, TINY, out, CPU, stopping_at(3))
    with pytest.raises(OptionError, match=words):
        fit(
            change.get("sheets", SHEETS), change.get("recipe", TINY), out,
            replace(change.get("options", CPU), resume=True),
        )  # fmt: skip
    with pytest.raises(OptionError, match="add --resume to go on, or delete the folder"):
        fit(SHEETS, TINY, out, CPU)


def test_a_damaged_state_is_refused(tmp_path):
    """One line names it and the cure."""
    out = tmp_path / "m.safetensors"
    folder = StateFolder(out)
    folder.path.mkdir()
    (folder.path / "state.safetensors").write_bytes(b"no")
    with pytest.raises(TrainingError, match=r"cannot be read .*delete .* to start over"):
        fit(SHEETS, TINY, out, replace(CPU, resume=True))


def test_nothing_to_go_on_from_is_said(tmp_path):
    """`resume` without a state begins, with a warning: a script may always ask for it."""
    with pytest.warns(GeounetWarning, match="no state to go on from"):
        fit(SHEETS, replace(TINY, steps=1), tmp_path / "m.safetensors", replace(CPU, resume=True))


def test_an_output_appears_whole_with_all_beside_it(tmp_path):
    """While it runs there is the state alone; at the end model, record and pictures, no state."""
    out = tmp_path / "squares.safetensors"
    seen = []
    recipe = replace(TINY, steps=40, keep="best")
    train(SHEETS, recipe, out, CPU, lambda *_: seen.append(names(tmp_path)))
    assert set.union(*seen) == {"squares.safetensors.state"}
    suffixes = ("csv", "curve.png", "examples.png", "last.safetensors", "safetensors")
    assert names(tmp_path) == {f"squares.{suffix}" for suffix in suffixes}
    with Image.open(tmp_path / "squares.curve.png") as curve:
        assert len(np.unique(np.asarray(curve.convert("L")))) > 20
    with Image.open(tmp_path / "squares.examples.png") as examples:
        assert examples.width == 3 * 264
    record = rows(tmp_path / "squares.csv")
    losses = [float(row["validation_loss"]) for row in record if row["validation_loss"]]
    best = load_model(out).card.training["step"]
    assert best == 5 * (int(np.argmin(losses)) + 1)
    assert load_model(tmp_path / "squares.last.safetensors").card.training["step"] == 40


def test_a_run_killed_after_its_last_step_is_finished(tmp_path):
    """What was trained and not yet written is finished and written, nothing is trained again."""
    out = tmp_path / "m.safetensors"
    plain = replace(TINY, calibrate=False)
    fitted = fit(SHEETS, plain, out, CPU)
    steps = []
    train(SHEETS, plain, out, replace(CPU, resume=True), lambda *words: steps.append(words))
    assert steps == []
    assert weights(load_model(out)) == weights(fitted)
    assert not StateFolder(out).begun


def test_training_stops_when_it_no_longer_helps(tmp_path):
    """After `patience` looks without a smaller validation loss, and so again when resumed."""
    recipe = replace(TINY, steps=40, patience=2, learning_rate=1e-12, average=0.0)
    out = tmp_path / "m.safetensors"
    kept = fit(SHEETS, recipe, out, CPU)
    assert kept.card.training["step"] < 40
    again = fit(SHEETS, recipe, out, replace(CPU, resume=True))
    assert weights(again) == weights(kept)


class Sliced:
    """A sampler of four steps an epoch."""

    steps_per_epoch = 4

    def __init__(self, sheets, recipe, seed):
        """Draw chips of any kind."""
        self.chips = ChipSampler(sheets, recipe, seed)

    def batch(self, step):
        return self.chips.batch(step)


def test_epochs_are_passes_over_the_images(tmp_path, monkeypatch):
    """Two epochs are as many steps as the sampler has in two, with a look after each."""
    monkeypatch.setattr(loop, "make_sampler", Sliced)
    recipe = replace(TINY, steps=None, epochs=2, schedule="constant-then-tenth")
    out = tmp_path / "m.safetensors"
    kept = fit(SHEETS, recipe, out, replace(CPU, validate_every=None))
    assert kept.card.training["step"] == 8
    looks = [row for row in rows(StateFolder(out).record) if row["validation_loss"]]
    assert [(row["step"], row["epoch"]) for row in looks] == [("4", "1.00"), ("8", "2.00")]


@pytest.mark.parametrize(
    ("recipe", "sheets", "words"),
    [
        (replace(TINY, keep="best"), SHEETS[:2], "no sheet of split 'validation'"),
        (replace(TINY, learning_rate=1e9, clip=0.0), SHEETS, "no longer finite; try a smaller"),
        (TINY, [*SHEETS, sheet(bands=1)], "images have 1 bands, the recipe's network unet takes 3"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, recipe, sheets, words):
    """One line says what, and what to do."""
    with pytest.raises(TrainingError, match=words):
        fit(sheets, recipe, tmp_path / "m.safetensors", CPU)


def test_batches_come_in_the_order_of_their_steps():
    """However long each takes to draw; none is drawn that nobody takes."""
    asked = []

    class Uneven:
        steps_per_epoch = None

        def batch(self, step):
            asked.append(step)
            time.sleep(0.02 * (step % 3))
            return Batch(*[torch.tensor([step])] * 3)

    with Loader(Uneven(), 3, 10, workers=3) as loader:
        assert [int(loader.take().images) for _ in range(7)] == list(range(3, 10))
    assert sorted(asked) == list(range(3, 10))


def test_half_precision_learns_what_full_does(tmp_path):
    """With bfloat16 the loss after the same steps is nearly the same."""
    found = {}
    for precision in ("fp32", "bf16"):
        out = tmp_path / f"{precision}.safetensors"
        options = replace(CPU, precision=precision, validate_every=50)
        fit(SHEETS, replace(TINY, steps=50), out, options)
        found[precision] = float(rows(StateFolder(out).record)[0]["loss"])
    assert found["bf16"] == pytest.approx(found["fp32"], rel=0.05)
    with pytest.raises(OptionError, match="fp16 needs CUDA"):
        training_precision("fp16", "cpu")


def test_a_model_answers_as_the_training_saw_it(tmp_path):
    """What calibration scores is what the saved model gives."""
    from geounet.backends.torch import TorchStep  # noqa: PLC0415

    model = fit(SHEETS, TINY, tmp_path / "m.safetensors", CPU)
    shown = SHEETS[2]
    p = TorchStep(model, device="cpu", precision="fp32")(shown.image[None], shown.valid[None])
    assert np.allclose(p["probability"][0, 0], probability(model, shown)[0], atol=1e-5)


def test_a_network_that_chooses_a_class_is_trained_too(tmp_path):
    """Softmax over background and building: the model gives the building, as any other does."""
    options = {"stem": 4, "down": (8,), "up": (8, 4)}
    recipe = replace(
        TINY, network="separable", network_options=options, loss="cross-entropy", threshold=0.5,
        gsd_range=(0.3, 0.3), blank=0.0, steps=30,
    )  # fmt: skip
    out = tmp_path / "m.safetensors"
    train(SHEETS, recipe, out, CPU)
    model = load_model(out)
    assert (model.card.classes, model.card.layers) == (("building",), ("buildings",))
    assert model.network.options.classes == 2
    looks = [float(row["validation_loss"] or 9) for row in rows(tmp_path / "m.csv")]
    assert min(looks) < 0.6
    with pytest.raises(TrainingError, match=r"is to give 2 maps \(expected 1 of building"):
        replace(TINY, network_options={"classes": 2})


def test_outputs_of_every_depth_are_learnt_from(tmp_path):
    """A nested network that gives several maps in training is trained, and saved like any other."""
    recipe = replace(TINY, network="unetplusplus", network_options={"filters": (4, 8, 8)}, steps=2)
    assert fit(SHEETS, recipe, tmp_path / "m.safetensors", CPU).card.network == "unetplusplus"


NOISE = """
import sys
asked = []
sys.addaudithook(lambda event, args: asked.append(event) if event.startswith("socket.") else None)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_train import CPU, SHEETS, TINY, replace, fit
fit(SHEETS, replace(TINY, steps=2), Path(sys.argv[2]), replace(CPU, precision="bf16"))
assert not asked, asked
"""


def test_the_trainer_is_quiet_and_calls_nobody(tmp_path):
    """Training opens no socket and writes no line of its library's."""
    words = [sys.executable, "-W", "ignore", "-c", NOISE, HERE]
    words.append(str(tmp_path / "m.safetensors"))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_the_extra_one_line_says_so(monkeypatch):
    """The cure is the command to type."""
    monkeypatch.setitem(sys.modules, "lightning.fabric", None)
    with pytest.raises(OptionError, match=r"pip install 'geounet\[train\]'"):
        open_trainer("cpu", "fp32")


def dataset(folder, *, steps=8):
    """A folder of two images with their masks, its manifest, and a recipe of few steps."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for one in SHEETS:
        picture = Image.fromarray(np.moveaxis(one.image, 0, 2))
        picture.save(folder / f"images/{one.name}.png")
        Image.fromarray(one.mask.astype(np.uint8) * 255).save(folder / f"masks/{one.name}.png")
    (folder / "dataset.toml").write_text(
        "".join(
            f'[[set]]\nname = "here"\nsplit = "{split}"\ngsd = 0.3\nlabels = "masks"\n'
            f'images = "images/{split}*.png"\n'
            for split in ("train", "validation", "test")
        )
    )
    (folder / "tiny.toml").write_text(
        f"steps = {steps}\nchip = 32\nbatch_size = 4\n"
        "network_options = { stem = 4, filters = [4, 8] }\n"
    )
    return ["train", str(folder), "--config", str(folder / "tiny.toml"), "--device", "cpu",
            "--threads", "1", "-o", str(folder / "m.safetensors")]  # fmt: skip


def test_the_command_trains_and_goes_on(tmp_path, capsys):
    """A file's recipe becomes a model that says how it was made; what stands there is kept."""
    words = dataset(tmp_path)
    assert main(words) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.strip().endswith("m.safetensors")
    card = load_model(tmp_path / "m.safetensors").card
    assert card.training["command"] == (
        "geounet train DATA --config tiny.toml --seed 0 -o m.safetensors"
    )
    assert main(words) == 2
    assert "exists already; pass --overwrite" in capsys.readouterr().err
    (tmp_path / "m.safetensors").unlink()
    assert main(words) == 2
    assert "m.csv: exists already" in capsys.readouterr().err
    again = [
        *words[:-1],
        str(tmp_path / "n.safetensors"),
        "--from",
        str(tmp_path / "m.safetensors"),
    ]
    (tmp_path / "m.last.safetensors").unlink(missing_ok=True)
    assert main([*words, "-f", "--steps", "2"]) == 0
    del again[2:4]  # without --config the recipe is that of --from
    assert main([*again, "--steps", "3"]) == 0, capsys.readouterr().err
    assert load_model(tmp_path / "n.safetensors").card.training["recipe"]["chip"] == 32


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--steps", "3", "--epochs", "3"], "--steps and --epochs contradict"),
        (["--recipe", "nuclei"], 'recipe = "nuclei"'),
        (["--from", "none"], "no model 'none'"),
        (["--learning-rate", "-1"], "learning_rate is -1"),
        (["--learning-rate", "0"], "learning_rate is 0.0"),
        (["--weight", "there=0.5"], "has no set 'there' to weigh"),
        (["--precision", "fp16"], "precision fp16 needs CUDA"),
    ],
)
def test_words_that_contradict_are_refused(tmp_path, capsys, more, words):
    """One line, exit 2, nothing written."""
    assert main([*dataset(tmp_path), *more]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("m.*"))


def test_a_model_is_tuned_where_nothing_is_held_out(tmp_path, capsys):
    """Of a manifest without validation: there are no figures to tell, the model is written."""
    words = [*dataset(tmp_path, steps=1), "-q"]
    assert main(words) == 0
    listing = tmp_path / "dataset.toml"
    listing.write_text(listing.read_text().split('[[set]]\nname = "here"\nsplit = "val')[0])
    del words[2:4]  # the recipe: the model's card names it
    mine = tmp_path / "mine.safetensors"
    again = ["--from", str(tmp_path / "m.safetensors"), "--steps", "1", "-o", str(mine)]
    assert main([*words, *again]) == 0
    assert mine.exists()
    assert "held out" not in capsys.readouterr().err


def test_the_command_without_the_extra_says_so(tmp_path, capsys, monkeypatch):
    """One line with the command to type, exit 2."""
    words = dataset(tmp_path)
    monkeypatch.setitem(sys.modules, "lightning.fabric", None)
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.glob("m.*"))


def test_ctrl_c_leaves_the_state_and_says_how_to_go_on(tmp_path, capsys):
    """Exit 130 with the cure; then it is refused without --resume, and ends with it."""
    words = dataset(tmp_path, steps=5000)
    state = StateFolder(tmp_path / "m.safetensors")
    run = [sys.executable, "-m", "geounet.cli.main", *words]
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True) as process:
        while not state.begun:
            time.sleep(0.05)
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
    assert process.returncode == 130
    assert "add --resume to go on" in error
    assert error.strip().count("\n") == 0
    assert names(tmp_path) & {"m.safetensors", "m.csv", "m.curve.png"} == set()
    assert main(words) == 2
    assert "a training was interrupted here; add --resume" in capsys.readouterr().err
    assert main([*words, "--resume", "--steps", "9"]) == 2
    assert "recipe.steps was 5000, is 9" in capsys.readouterr().err
