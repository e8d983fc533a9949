"""The `geounet` command: finds the subcommand, turns errors into one line and an exit code."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from geounet import __version__
from geounet.errors import GeounetError, GeounetWarning

from .completion import ASKED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

COMMANDS = {
    "predict": "Building footprints from rasters: the main job.",
    "plan": "What predict would do, take, and stumble over: a dry run.",
    "batch": "A survey: folders of rasters, one outcome each.",
    "merge": "The parts of --shard runs, joined.",
    "verify": "The difference between tiled and untiled, measured.",
    "vectorize": "Footprints from a mask or probability raster.",
    "rle": "Run-length files (COCO, Kaggle) from and to rasters.",
    "masks": "Annotations (VIA, COCO, vectors) as mask rasters.",
    "embed": "What the network sees, as vectors of tiles or buildings.",
    "evaluate": "A prediction against the truth: every score, one report.",
    "cluster": "Embeddings as clusters: pictures, a page, the map layer.",
    "damage": "Before and after a storm: where to look first.",
    "chips": "A training dataset from rasters and vector labels.",
    "explain": "Where a network looks: Grad-CAM and activation maps.",
    "train": "Train a network on labelled imagery.",
    "models": "Bundled models and recipes.",
    "sample": "Write the sample scenes with their truth.",
    "completion": "Completion of commands and names in your shell.",
    "doctor": "Versions, device, threads: one paste for a bug report.",
}
INTERRUPTED, TERMINATED = 130, 143
LONGEST_WORD = 255
"""Letters of a word in a message; a longer one is no name of a file, and loses its middle."""
STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: unwind, so that nothing half-written is left."""


SOON = 0.05
"""Seconds after which what a destructor swallowed is raised again."""


class Lazy(click.Group):
    """A group that imports a subcommand's file when the subcommand is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


FORESEEN = (
    *(click.exceptions.Exit, click.ClickException, click.Abort, GeounetError),
    *(KeyboardInterrupt, Terminated, OSError, MemoryError),
)
"""How a command may end; anything else is a bug."""


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="geounet")
def geounet() -> None:
    """Building footprints from aerial and satellite rasters too large for memory.

    Example: geounet predict big.tif --out buildings.gpkg
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        0 done, 1 failed, 2 wrong usage or unusable input, 3 something was left out,
        130 interrupted, 143 terminated.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbose = any(re.fullmatch(r"--verbose|-[fq]*v[fq]*", word) for word in words)
    _open_missing_streams()
    if not words and ASKED not in os.environ:
        click.echo(
            geounet.get_help(
                click.Context(geounet, info_name="geounet", **geounet.context_settings)
            ),
            err=True,
        )
        return 2
    logging.basicConfig(level=logging.WARNING, format="geounet: %(message)s", force=True)
    logging.getLogger("geounet").setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("rasterio").setLevel(logging.WARNING if verbose else logging.ERROR)
    if not verbose:
        sys.excepthook = _last_resort
    with warnings.catch_warnings():
        warnings.simplefilter("default" if verbose else "ignore")
        warnings.simplefilter("always", GeounetWarning)
        warnings.showwarning = _warner()
        code = _run(words, verbose=verbose)
    if arguments is None and code in (INTERRUPTED, TERMINATED):
        _ignore_signals()  # nor may a second one tear Python's own end
    return code


def _run(words: list[str], *, verbose: bool) -> int:
    before = {number: signal.getsignal(number) for number in STOPPING}
    for number in STOPPING:
        if before[number] != signal.SIG_IGN:  # as it is for jobs in the background
            signal.signal(number, _stop)
    hook = sys.unraisablehook
    sys.unraisablehook = partial(_swallowed, hook)
    try:
        if "" in words:
            raise click.UsageError("an argument is empty, perhaps a variable not set; name it")
        done = geounet.main(words, prog_name="geounet", standalone_mode=False)
    except FORESEEN as error:
        return _end(error, verbose=verbose)
    finally:
        sys.unraisablehook = hook
        for number in STOPPING:
            signal.signal(number, before[number])
    return done if isinstance(done, int) else 0


def _end(error: BaseException, *, verbose: bool) -> int:
    """Say in one line how a command ended; return the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return int(error.exit_code)
    told = error.__cause__ if isinstance(error, click.Abort) else error  # click's own for Ctrl-C
    left = "; ".join(getattr(told, "__notes__", []))
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _say(f"interrupted; {left or 'nothing was left behind'}", INTERRUPTED)
    if isinstance(error, Terminated):
        return _say(f"terminated; {left or 'nothing was left behind'}", TERMINATED)
    if isinstance(error, click.ClickException):
        return _say(error.format_message(), error.exit_code)
    if verbose:
        traceback.print_exc()
    if isinstance(error, GeounetError):
        return _say("; ".join(filter(None, (str(error), left))), error.exit_code)
    return _say("; ".join(filter(None, (_circumstance(error), left))), 1)


def _stop(number: int, _: object) -> None:
    """Unwind once: a second Ctrl-C must not tear the cleaning up."""
    _ignore_signals()
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _swallowed(others: Callable[[Any], object], lost: Any) -> None:
    """Stop again, soon: what a signal raises within a destructor goes no further.

    Args:
        others: told of every other exception that is lost.
        lost: what Python says of it.
    """
    if lost.exc_type not in (KeyboardInterrupt, Terminated):
        others(lost)
        return
    number = signal.SIGINT if lost.exc_type is KeyboardInterrupt else signal.SIGTERM
    for each in STOPPING:
        signal.signal(each, _stop)
    threading.Timer(SOON, _raise, [number]).start()


def _raise(number: int) -> None:
    """Signal the main thread, from another one: a sleep in it ends; unless it came to its end."""
    if signal.getsignal(number) is not _stop:
        return
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def _ignore_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _open_missing_streams() -> None:
    """Lead streams that were closed nowhere: or the next file opened gets the messages.

    Where a stream has no letter for a sign, as in a pipe on Windows, its number stands.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("r" if name == "stdin" else "w")  # noqa: SIM115 - for good
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _circumstance(error: BaseException) -> str:
    """What the system could not give, in words."""
    if not isinstance(error, OSError):
        return f"out of memory ({error}); try a smaller --tile or a coarser --gsd"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{(error.strerror or str(error)).lower()}; check free space and permissions"


def _say(message: str, code: int) -> int:
    words = (f"{w[:60]}…{w[-60:]}" if len(w) > LONGEST_WORD else w for w in message.split())
    line = " ".join(words).encode(errors="backslashreplace").decode()
    click.echo(f"geounet: error: {line}", err=True)
    return code


def _last_resort(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """What nobody foresaw is one line too."""
    _say(f"{kind.__name__}: {error}; this is a bug in geounet, -v shows where", 1)


def _warner() -> Callable[..., None]:
    """Return what shows warnings: one line each, the same words about many rasters once."""
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        *_: TextIO | str | None,
    ) -> None:
        where = "" if issubclass(category, GeounetWarning) else f" ({filename}:{lineno})"
        line = f"geounet: warning: {message}{where}"
        if line not in shown:
            click.echo(line, err=True)
            shown.add(line)

    return show


if __name__ == "__main__":
    sys.exit(main())
