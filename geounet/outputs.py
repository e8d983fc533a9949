"""Let results appear whole or not at all: targets checked early, files staged and renamed last."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from geounet.errors import GeounetError, OptionError, OutputError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

LONGEST_NAME = 240
"""Bytes of a name; most systems take 255, and a run's state has a longer one beside it."""

DATABASE_SIDES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a GeoPackage that is open, or was killed."""

RASTER_SIDES = (".aux.xml", ".ovr", ".msk")
"""What GDAL may find beside a raster."""

SHAPEFILE_PARTS = (".shx", ".dbf", ".prj", ".cpg")
"""Files that make a shapefile together with its .shp."""

SHAPEFILE_INDEXES = (".qix", ".sbn", ".sbx")
"""Indexes others make beside a shapefile; wrong once it is replaced."""


def check_target(
    path: str | Path,
    *,
    inputs: Iterable[str | Path] = (),
    overwrite: bool = False,
    suffixes: Iterable[str],
) -> None:
    """Refuse an output that could not, or must not, be written; writes nothing itself.

    Args:
        path: where the result shall appear.
        inputs: files the run reads; an output must be none of them, by no name.
        overwrite: True = an existing output may be replaced.
        suffixes: the suffixes known here, with their dots.

    Raises:
        OptionError: the suffix or the name is unusable, or the output is an input.
        TargetError: the output exists, is a folder, or its folder is missing or read-only.
    """
    target, known = Path(path), tuple(suffixes)
    check_name(target)
    if target.suffix.lower() not in known:
        got = target.suffix or "no suffix"
        raise OptionError(f"{path}: unknown kind of output ({got}, expected {', '.join(known)})")
    try:
        if target.is_dir():
            raise TargetError(f"{path}: is a folder, expected a file name; add one")
        _check_folder(target)
        for part in filter(Path.exists, (target, *parts(target))):
            _check_existing(part, inputs, overwrite=overwrite)
    except OSError as error:
        if isinstance(error, GeounetError):
            raise
        raise TargetError(f"{path}: {_reason(error)}; choose another output") from error


def check_name(target: Path) -> None:
    """Refuse a name that the system, or what writes the file, cannot take as it is.

    Raises:
        OptionError: with what is odd about it.
    """
    try:
        name = str(target.absolute()).encode()
    except UnicodeEncodeError as error:
        raise OptionError(f"{target}: the name is not UTF-8; choose another") from error
    odd = [letter for letter in name.decode() if letter < " " or letter in ";!"]
    if odd:  # pyogrio takes them for parts of an address
        raise OptionError(
            f"{target}: has {odd[0]!r} in its path, which is not written to; rename it"
        )
    if len(target.name.encode()) > LONGEST_NAME:
        raise OptionError(
            f"{target}: file name too long (expected at most {LONGEST_NAME} bytes); cut it"
        )


@contextmanager
def staged(path: str | Path, *, folder: str | Path | None = None) -> Iterator[Path]:
    """Yield a temporary path with the same suffix; on success its file becomes `path`.

    The file is synced and renamed in one step; after any exception nothing of it is left, and
    what stood at `path` before stands there still.

    Args:
        path: where the result shall appear.
        folder: where the temporary file stands, on the same disk; beside `path` when None.

    Raises:
        OutputError: the disk is full, the folder is gone, or the file was never written.
    """
    target = Path(path)
    home = target.parent if folder is None else Path(folder)
    name = f".{target.stem[:40]}.{os.getpid()}-{token_hex(4)}.part{target.suffix}"
    temporary = home / name
    try:
        yield temporary
        _commit(temporary, target)
    except OSError as error:
        if isinstance(error, OutputError) and str(temporary) in str(error):
            told = str(error).replace(str(temporary), str(path))  # the name the user knows
            raise type(error)(told) from error
        if isinstance(error, GeounetError | BrokenPipeError) or _concerns_other(error, temporary):
            raise
        raise OutputError(
            f"{path}: cannot be written ({_reason(error)}); free some space or choose another place"
        ) from error
    finally:
        _discard(temporary)


def sync(path: Path) -> None:
    """Have the system put a file, or a folder's list of names, on the disk now."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return  # Windows has no handle for a folder, and no need of one
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows asks for both
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(file: FileIO, data: bytes | memoryview) -> None:
    """Write all of some bytes to an unbuffered file, which may take a part at a time.

    Raises:
        OSError: the disk is full or gone.
    """
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, if it is not there.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder for outputs; after an exception it is gone again, if nothing is in it.

    Raises:
        OutputError: it cannot be made.
    """
    there = folder.exists()
    make_folder(folder)
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):
                folder.rmdir()
        raise


def parts(path: Path) -> list[Path]:
    """Return the further files that a file is made of, by its suffix; none for most."""
    known = SHAPEFILE_PARTS if path.suffix.lower() == ".shp" else ()
    return [path.with_suffix(suffix) for suffix in known]


def _check_folder(target: Path) -> None:
    folder = target.parent
    if not folder.exists():
        raise TargetError(f"{target}: its folder does not exist; run: mkdir -p {folder}")
    if not folder.is_dir():
        raise TargetError(f"{target}: {folder} is a file, expected a folder; choose another output")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TargetError(f"{target}: its folder is not writable; choose another or run: chmod u+w")


def _check_existing(target: Path, inputs: Iterable[str | Path], *, overwrite: bool) -> None:
    for source in inputs:
        if os.path.exists(source) and target.samefile(source):  # noqa: PTH110 - a URL is no Path
            raise OptionError(f"{target}: is the input {source}; choose another output")
    if not overwrite:
        raise TargetError(f"{target}: exists already; pass --overwrite to replace it")
    if not target.is_file():
        raise TargetError(f"{target}: is no regular file; choose another output")
    if not os.access(target, os.W_OK):
        raise TargetError(f"{target}: is write-protected; choose another output or run: chmod u+w")
    for suffix in DATABASE_SIDES:
        side = _beside(target, suffix)
        if suffix != "-shm" and side.exists() and side.stat().st_size:
            raise TargetError(f"{target}: is open in another program ({side.name}); close it there")


def _commit(temporary: Path, target: Path) -> None:
    """Rename the parts, the main file last; then nothing old may stand beside the new file.

    An old main file goes before its parts do: it must never be read with those of another.
    """
    sync(temporary)
    for part in filter(Path.exists, parts(temporary)):
        sync(part)
    if parts(target):
        target.unlink(missing_ok=True)
    for part, final in zip(parts(temporary), parts(target), strict=True):
        final.unlink(missing_ok=True)  # a shapefile without a CRS has no .prj
        if part.exists():
            part.replace(final)
    temporary.replace(target)
    for suffix in (*DATABASE_SIDES, *RASTER_SIDES):
        _beside(target, suffix).unlink(missing_ok=True)
    if target.suffix.lower() == ".shp":
        for suffix in SHAPEFILE_INDEXES:
            target.with_suffix(suffix).unlink(missing_ok=True)
    sync(target.parent)


def _discard(temporary: Path) -> None:
    """Delete everything that was written under the temporary name."""
    with suppress(OSError):
        for left in temporary.parent.iterdir():
            if left.name.startswith(temporary.stem):
                left.unlink(missing_ok=True)


def _concerns_other(error: OSError, temporary: Path) -> bool:
    """Return whether an error names a file, and not the one that is staged."""
    return error.filename is not None and temporary.stem not in str(error.filename)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _reason(error: OSError) -> str:
    return (error.strerror or " ".join(str(error).split())).lower()
