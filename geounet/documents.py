"""Read what others wrote, field by field: what is wrong is told in one line with its place."""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

from geounet.errors import AnnotationError

_SHOWN = 60


def read_json(path: Path) -> Any:  # noqa: ANN401 - it may be anything
    """Return the content of a JSON file.

    Raises:
        AnnotationError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise AnnotationError(
            f"{path}: cannot be read ({reason(error)}); check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: byte {error.start + 1:,} is not UTF-8; save the file as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{path}: no JSON (line {error.lineno}, column {error.colno}: {error.msg.lower()}); "
            "it is damaged or cut off"
        ) from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(
            f"{path}: JSON of unreasonable depth or digits ({shown(error)}); it is damaged"
        ) from error


def reason(error: OSError) -> str:
    """Return the system's own words for an error."""
    return (error.strerror or str(error)).lower()


def take(entry: Any, key: str, kind: type, where: str) -> Any:  # noqa: ANN401
    """Return a field of an entry.

    Args:
        entry: what should be an object.
        key: name of the field.
        kind: dict, list, str, int or float; of the last two, no bool and nothing infinite.
        where: what a message begins with.

    Raises:
        AnnotationError: no object, no such field, or of another kind.
    """
    fields = checked(entry, dict, where)
    if key not in fields:
        raise AnnotationError(f"{where}: lacks {key!r}; it is incomplete, or of another format")
    return checked(fields[key], kind, f"{where}: {key}")


def checked(value: Any, kind: type, where: str) -> Any:  # noqa: ANN401
    """Return a value of a kind; a whole number may come as a float.

    Raises:
        AnnotationError: it is of another kind, not finite, or beyond what a pixel can be.
    """
    words = {dict: "an object", list: "a list", str: "text", int: "a whole number"}
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            fits = False
        else:
            fits = abs(value) < 1 << 62 and (kind is float or math.floor(value) == value)
        value = kind(value) if fits else value
    else:
        fits = isinstance(value, kind)
    if not fits:
        wanted = words.get(kind, "a finite number")
        raise AnnotationError(f"{where} is {shown(value)} (expected {wanted}); correct it")
    return value


def shown(value: object) -> str:
    """Return a value as a few words for a message."""
    text = value if isinstance(value, str) else repr(value)
    text = ascii(text) if isinstance(value, str) else text
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def safe_name(name: str, where: str) -> PurePosixPath:
    """Return a file's name as a path below a folder, whatever the name tries.

    Raises:
        AnnotationError: it is empty, absolute, leads out of the folder, or is no name on a disk.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    drive = ":" in (path.parts or ("",))[0]
    if path.is_absolute() or drive or ".." in path.parts:
        raise AnnotationError(
            f"{where}: file name {shown(name)} leads out of the folder; name the file alone"
        )
    if not path.name or any(ord(letter) < ord(" ") for letter in name) or not _is_text(name):
        raise AnnotationError(f"{where}: file name {shown(name)} is none; correct it")
    return path


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
