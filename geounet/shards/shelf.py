"""Where the parts of a run lie: a folder, or any place fsspec knows, such as s3://bucket/parts.

A name appears there with all its content, or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from geounet.errors import OptionError, OutputError, PartError
from geounet.outputs import make_folder, new_folder, staged
from geounet.shards.part import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

AGREED = "run.json"
"""What the first that came has settled."""


class Shelf(Protocol):
    """A place that all who work at a run can reach."""

    def names(self) -> list[str]:
        """Return what is there, sorted."""
        ...

    def agreed(self) -> dict[str, Any] | None:
        """Return what the first that came has settled; None = nobody came yet."""
        ...

    def agree(self, words: dict[str, Any]) -> None:
        """Lay down what was settled, unless somebody has by now."""
        ...

    def desk(self, name: str, *, lasting: bool) -> AbstractContextManager[Path]:
        """Return a path to write a file to; it is on the shelf when the block ends well.

        Args:
            name: on the shelf.
            lasting: what stands beside the path shall be there the next time, if it can.
        """
        ...

    def fetch(self, name: str, folder: Path) -> Path:
        """Return where a file can be read; one from afar is brought to a folder."""
        ...

    def clear(self) -> None:
        """Remove the parts, and what was settled."""
        ...


def shelf_of(place: str | Path) -> Shelf:
    """Return the shelf at a folder or a URL.

    Raises:
        OptionError: the kind of URL is not known here.
    """
    return Remote(str(place)) if "://" in str(place) else Folder(Path(place))


class Folder:
    """A folder of this machine, or one that many machines share."""

    def __init__(self, folder: Path) -> None:
        """Touch nothing yet."""
        self._folder = folder

    def __str__(self) -> str:
        """Return its name."""
        return str(self._folder)

    def names(self) -> list[str]:
        """Return what is there, sorted."""
        there = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(path.name for path in there)

    def agreed(self) -> dict[str, Any] | None:
        """Return what the first that came has settled; None = nobody came yet."""
        try:
            return _parsed((self._folder / AGREED).read_bytes(), self)
        except FileNotFoundError:
            return None

    def agree(self, words: dict[str, Any]) -> None:
        """Lay down what was settled, unless somebody has by now: a link is made once.

        A disk that knows no links may let two settle otherwise; then merging says so.
        """
        make_folder(self._folder)
        with TemporaryDirectory(prefix=".", dir=self._folder) as folder:
            fresh = Path(folder) / AGREED
            fresh.write_bytes(json.dumps(words).encode())
            try:
                os.link(fresh, self._folder / AGREED)
            except FileExistsError:
                return
            except OSError:
                fresh.replace(self._folder / AGREED)

    @contextmanager
    def desk(self, name: str, *, lasting: bool) -> Iterator[Path]:
        """Yield a path to write a file to; it is on the shelf when the block ends well."""
        with new_folder(self._folder):
            if lasting:
                yield self._folder / name
                return
            with TemporaryDirectory(prefix="geounet-") as folder:
                yield Path(folder) / name
                with staged(self._folder / name) as fresh:
                    shutil.copyfile(Path(folder) / name, fresh)

    def fetch(self, name: str, folder: Path) -> Path:  # noqa: ARG002 - it is there already
        """Return where a file can be read."""
        return self._folder / name

    def clear(self) -> None:
        """Remove the parts, and what was settled; what is not ours stays."""
        for name in filter(_is_ours, self.names()):
            (self._folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()


class Remote:
    """A place that fsspec knows; a file appears there when all of it has arrived."""

    def __init__(self, url: str) -> None:
        """Find what speaks to that kind of place.

        Raises:
            OptionError: it is not known here.
        """
        if find_spec("fsspec") is None:
            raise OptionError(f"{url}: needs fsspec; pip install 'geounet[dask]'")
        from fsspec.core import url_to_fs  # noqa: PLC0415

        self._url = url
        try:
            self._system, self._root = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise OptionError(f"{url}: {' '.join(str(error).split())}") from error

    def __str__(self) -> str:
        """Return its URL."""
        return self._url

    def names(self) -> list[str]:
        """Return what is there, sorted."""
        self._system.invalidate_cache()
        there: list[str] = []
        with suppress(FileNotFoundError), self._reached():
            there = self._system.ls(self._root, detail=False)
        return sorted(path.rsplit("/", 1)[-1] for path in there)

    def agreed(self) -> dict[str, Any] | None:
        """Return what the first that came has settled; None = nobody came yet."""
        self._system.invalidate_cache()
        with suppress(FileNotFoundError), self._reached():
            return _parsed(self._system.cat_file(self._at(AGREED)), self)
        return None

    def agree(self, words: dict[str, Any]) -> None:
        """Lay down what was settled, unless somebody has by now."""
        with suppress(FileExistsError), self._reached():
            self._system.makedirs(self._root, exist_ok=True)
            self._system.pipe_file(self._at(AGREED), json.dumps(words).encode(), mode="create")

    @contextmanager
    def desk(self, name: str, *, lasting: bool) -> Iterator[Path]:  # noqa: ARG002 - it cannot
        """Yield a path to write a file to; it is on the shelf when the block ends well."""
        with TemporaryDirectory(prefix="geounet-") as folder:
            yield Path(folder) / name
            self._system.makedirs(self._root, exist_ok=True)
            try:
                self._system.put_file(str(Path(folder) / name), self._at(name))
            except OSError as error:
                raise OutputError(f"{self._at(name)}: cannot be written ({error})") from error

    def fetch(self, name: str, folder: Path) -> Path:
        """Bring a file to a folder, and return where it is."""
        try:
            self._system.get_file(self._at(name), str(folder / name))
        except OSError as error:
            raise PartError(f"{self._at(name)}: cannot be read ({error})") from error
        return folder / name

    def clear(self) -> None:
        """Remove the parts, and what was settled; what is not ours stays."""
        for name in filter(_is_ours, self.names()):
            with self._reached():
                self._system.rm_file(self._at(name))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Name the place where something goes wrong with it; what is there, or not, may be."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            raise PartError(
                f"{self._url}: cannot be reached ({error}); check the address, and who may use it"
            ) from error

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _is_ours(name: str) -> bool:
    return name == AGREED or name.endswith(SUFFIX)


def _parsed(text: bytes, shelf: Shelf) -> dict[str, Any]:
    try:
        words: dict[str, Any] = json.loads(text)
    except ValueError as error:
        told = f"{shelf}: {AGREED} is damaged ({error}); remove it, or pass --overwrite"
        raise PartError(told) from error
    return words
