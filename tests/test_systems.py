"""Rules for other systems, by pretending to be on one: what is missing there is done without."""

from __future__ import annotations

import ast
import builtins
import errno
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from geounet.cli.main import main

from geounet import lock, outputs, result
from geounet.errors import TargetError

ROOT = Path(__file__).parents[1]
SOME_HAVE = ("resource", "fcntl", "pwd", "grp", "termios", "msvcrt", "winreg")


@pytest.fixture
def mask(make_raster):
    """A mask of one building."""
    labels = np.zeros((30, 30), np.uint8)
    labels[5:20, 5:20] = 1
    return make_raster(labels, transform=Affine(1, 0, 5e5, 0, -1, 5e6))


@pytest.fixture
def without_resource(monkeypatch):
    """A system without getrusage and without /proc."""
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "resource":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(result.Path, "exists", lambda _: False)


@pytest.fixture
def as_on_windows(monkeypatch):
    """Files that are open cannot be removed, folders not synced, read-only handles neither."""
    opened, real_open, real_close = {}, os.open, os.close
    real_unlink, real_fsync = os.unlink, os.fsync

    def keep(path, flags, *rest, **words):
        handle = real_open(path, flags, *rest, **words)
        opened[handle] = (os.path.realpath(path), flags)
        return handle

    def close(handle):
        opened.pop(handle, None)
        real_close(handle)

    def unlink(path, *rest, **words):
        if os.path.realpath(path) in {name for name, _ in opened.values()}:
            raise PermissionError(errno.EACCES, "in use", str(path))
        real_unlink(path, *rest, **words)

    def fsync(handle):
        if handle in opened and not opened[handle][1] & os.O_RDWR:
            raise OSError(errno.EBADF, "Bad file descriptor")
        real_fsync(handle)

    for name, fake in (("open", keep), ("close", close), ("unlink", unlink), ("fsync", fsync)):
        monkeypatch.setattr(os, name, fake)
    monkeypatch.delattr(os, "O_DIRECTORY")
    monkeypatch.setattr(lock, "OPEN_FILES_STAY", True)


@pytest.mark.parametrize("room", ["geounet", "cli"])
def test_no_module_of_one_system_is_needed_to_start(room):
    """What only some systems have is imported behind a question, or inside a function."""
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in getattr(node, "names", ())]
            assert not {getattr(node, "module", None), *names} & set(SOME_HAVE), path


def test_memory_that_nobody_tells_is_zero(without_resource):
    """And no error."""
    assert result.peak_memory() == 0


@pytest.mark.parametrize(("platform", "factor"), [("linux", 1024), ("darwin", 1)])
def test_memory_is_told_in_bytes(monkeypatch, platform, factor):
    """Linux counts kilobytes, macOS bytes."""
    resource = pytest.importorskip("resource")
    usage = type("Usage", (), {"ru_maxrss": 5000})
    monkeypatch.setattr(result.Path, "exists", lambda _: False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda _: usage)
    assert result.peak_memory() == 5000 * factor


def test_nothing_is_left_where_open_files_stay(as_on_windows, mask, tmp_path):
    """A run leaves its output alone, not even the state's lock, and files are synced by handles."""
    before = {path.name for path in tmp_path.iterdir()}
    assert main(["vectorize", str(mask), "-o", str(tmp_path / "out.gpkg"), "-q"]) == 0
    assert {path.name for path in tmp_path.iterdir()} - before == {"out.gpkg"}


def test_a_held_lock_is_refused_as_windows_says_it(monkeypatch, tmp_path):
    """There it is a PermissionError."""

    def held(handle):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(lock, "_hold", held)
    with pytest.raises(TargetError, match="another run is writing here"):
        lock.Lock(tmp_path / "lock")


def test_an_output_that_is_open_elsewhere_is_one_line(monkeypatch, mask, tmp_path, capsys):
    """Windows refuses to replace a file that QGIS holds; what was there stays."""
    out = tmp_path / "out.gpkg"
    out.write_text("mine")

    def refuse(self, target):
        raise PermissionError(errno.EACCES, "Permission denied", str(self), None, str(target))

    monkeypatch.setattr(outputs.Path, "replace", refuse)
    assert main(["vectorize", str(mask), "-o", str(out), "-q", "-f"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"geounet: error: {out}: cannot be written (permission denied)")
    assert out.read_text(encoding="utf-8") == "mine"


def test_signs_that_a_pipe_has_no_letter_for(monkeypatch, mask, tmp_path):
    """A path in Greek is printed to a pipe in Latin letters, as numbers, and the run is done."""
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", pipe)
    assert main(["vectorize", str(mask), "-o", str(tmp_path / "κτίρια.gpkg"), "-q"]) == 0
    pipe.flush()
    assert b"\\u03ba\\u03c4" in pipe.buffer.getvalue()
