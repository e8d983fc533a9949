"""A file that one process at a time holds; the system lets go of it when that dies, however."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from geounet.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _hold(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _hold(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


OPEN_FILES_STAY = sys.platform == "win32"
"""Whether the system refuses to remove a file that is open."""


class Lock:
    """Held from when it is made until `release` or `remove`."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            TargetError: another process holds it.
            OSError: the file cannot be made.
        """
        self._path = path
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._handle: int | None = handle
        try:
            _hold(handle)
            same = os.path.samestat(os.fstat(handle), path.stat())
        except (BlockingIOError, PermissionError, FileNotFoundError):
            same = False  # held, or removed by the one that held it
        except OSError:
            return  # a network share that knows no locks
        if not same:
            self.release()
            raise TargetError(
                f"{path.parent}: another run is writing here; wait for it, or choose another output"
            )

    def release(self) -> None:
        """Let go, if it is held; the file stays."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def remove(self) -> None:
        """Let go, and remove the file: before, so that none holds what is gone, where that works.

        Raises:
            OSError: it cannot be removed.
        """
        if OPEN_FILES_STAY:
            self.release()
        self._path.unlink(missing_ok=True)
        self.release()
