"""Run a case as the command line would, and hold the outcome against every rule of the house."""

from __future__ import annotations

import os
import re
import signal
import stat
import threading
from contextlib import contextmanager

from geounet.cli.main import main

from torture.case import ERROR, OK

HANG = 120
"""Seconds; wide, since machines that test are busy."""
LONGEST = 300
"""Letters of a line, its folders not counted."""
NOBODY = 65534
UNFINISHED = re.compile(r"\.part|\.state|^\.(?!survey$)|-journal$|-wal$|-shm$")


class Hang(BaseException):
    """The command did not end."""


@contextmanager
def ends(seconds):
    """Raise where what happens inside does not end."""

    def ring(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def nobody(really):
    """Be a user whom nothing belongs to."""
    if not really:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def snapshot(folder):
    """What stands in a folder: names, kinds, sizes, times and whose."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        seen = path.lstat()
        size = seen.st_size if not path.is_dir() else 0
        found[str(path)] = (seen.st_mode, seen.st_ino, size, seen.st_mtime_ns)
    return found


def run(case, folder, places, heard):
    """Run a case in a folder of its own; return what broke a rule, in words.

    Args:
        case: what is run.
        folder: empty; `in` and `out` are made in it.
        places: words for `{model}` and `{url}`.
        heard: returns what was written to stdout and stderr since it was last asked.
    """
    inputs, outputs = folder / "in", folder / "out"
    inputs.mkdir(parents=True)
    outputs.mkdir()
    case.make(inputs)
    case.before(outputs)
    names = {"in": inputs, "out": outputs, **places}
    words = [_filled(word, names) for word in case.words]
    before, stood = snapshot(inputs), snapshot(outputs)
    heard()
    with ends(HANG), nobody(case.needs_root):
        code = main(words)
    _, err = heard()
    told = err.replace(f"{folder}/", "").replace(str(folder), "")
    faults = [] if code == case.exit_code else [f"exit code {code}, expected {case.exit_code}"]
    faults += _of_words(case, told)
    if snapshot(inputs) != before:
        faults.append("the folder of the input changed")
    if code not in (0, 3) and (left := _changed(stood, snapshot(outputs))):
        faults.append(f"left behind, or changed: {left}")
    strays = {path.name for path in folder.iterdir()} - {"in", "out"}
    faults += [f"a stray file: {name}" for name in strays]
    unfinished = [p.name for p in outputs.rglob("*") if UNFINISHED.search(p.name)]
    faults += [f"unfinished: {name}" for name in unfinished if str(outputs / name) not in stood]
    left = [thread.name for thread in threading.enumerate() if "geounet" in thread.name]
    faults += [f"a thread is left: {name}" for name in left]
    return [f"{fault}; said: {told[:600]!r}" for fault in faults]


def _changed(before, after):
    """Names of files that are new, gone or others; a folder that was used has another time."""
    names = before.keys() | after.keys()
    folders = {name for name in before.keys() & after.keys() if stat.S_ISDIR(after[name][0])}
    return sorted(name for name in names - folders if before.get(name) != after.get(name))


def _filled(word, names):
    """A word with its places; other braces are left alone."""
    for name, place in names.items():
        word = word.replace(f"{{{name}}}", str(place))
    return word


def _of_words(case, told):
    """What is wrong with what was said."""
    lines = told.splitlines()
    faults = []
    if "Traceback" in told or "this is a bug" in told:
        faults.append("a traceback")
    errors = [line for line in lines if line.startswith("geounet: error: ")]
    warnings = [line for line in lines if line.startswith("geounet: warning: ")]
    others = [line for line in lines if not line.startswith("geounet: ")]
    if others:
        faults.append("lines that are not ours")
    if any(len(line) > LONGEST for line in lines):
        faults.append(f"a line of {max(map(len, lines))} letters")
    if (case.exit_code != 0) != (len(errors) == 1) or len(errors) > 1:
        faults.append(f"{len(errors)} lines of error")
    if case.verdict == OK and lines:
        faults.append("words though all is well")
    said = errors if case.exit_code else warnings
    if case.verdict != OK and not re.search(case.says, "\n".join(said)):
        faults.append(f"does not say {case.says!r}")
    if case.verdict == ERROR and case.exit_code == 2 and errors and not _has_cure(errors[0]):
        faults.append("no cure")
    return faults


CURE = re.compile(
    r"; |try|pass |set |known: |expected|Try|Choose|must be|name |bundled|not (in the range|one of)|"
    r"No such|Missing|Got|is not|is neither|requires"
)


def _has_cure(line):
    """Whether a line goes on after what, got and expected."""
    return CURE.search(line) is not None
