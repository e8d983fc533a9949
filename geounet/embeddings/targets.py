"""Where the parts of a table of embeddings go; all of them appear, or none."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from geounet.embeddings.pictures import beside
from geounet.embeddings.table import SUFFIXES, check_installed
from geounet.outputs import check_target, staged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Where the parts of a result go."""

    table: Path
    """GeoParquet."""
    thumbnails: bool = True
    """Also write a picture of each item."""
    flat: bool = False
    """Also write whole maps."""

    @property
    def pictures(self) -> Path | None:
        """The ZIP of pictures."""
        return beside(self.table) if self.thumbnails else None

    @property
    def maps(self) -> Path | None:
        """The file of whole maps."""
        return self.table.with_name(f"{self.table.stem}.flat.npy") if self.flat else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them, the table first."""
        return tuple(path for path in (self.table, self.pictures, self.maps) if path is not None)

    def check(self, inputs: Sequence[str | Path], *, overwrite: bool) -> None:
        """Refuse what could not be written in the end.

        Raises:
            OptionError: an unknown suffix, an output that is an input, a missing package.
            TargetError: an output exists, or its folder cannot be written to.
        """
        check_target(self.table, inputs=inputs, overwrite=overwrite, suffixes=SUFFIXES)
        check_installed(self.table)
        for path in self.paths[1:]:
            check_target(path, inputs=inputs, overwrite=overwrite, suffixes=[path.suffix])


@contextmanager
def staged_targets(targets: Targets) -> Iterator[tuple[dict[Path, Path], Path]]:
    """Yield where targets are written until all is whole, the table last; and a folder for work."""
    home, name = targets.table.parent, targets.table.name
    with ExitStack() as stack:
        state = TemporaryDirectory(
            prefix=f"{name}.", suffix=".state", dir=home, ignore_cleanup_errors=True
        )
        folder = Path(stack.enter_context(state))
        paths = {path: stack.enter_context(staged(path, folder=folder)) for path in targets.paths}
        yield paths, folder
