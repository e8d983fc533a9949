"""Hand work from one thread to the next, one item at a time; errors arrive as themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Condition
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _GivenUpError(Exception):
    """Unwinds the thread that takes when the one that gives has failed; never leaves this room."""


class _Lane(Generic[Item]):
    """Where one thread hands the other an item, when it asks: none waits in between."""

    def __init__(self) -> None:
        self._waiting: list[Item] = []
        self._changed = Condition()
        self._asked = self._ended = self._failed = self._left = False

    def give(self, item: Item) -> bool:
        """Hand over an item once one is asked for; return False when none is any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._left or (self._asked and not self._waiting))
            self._waiting.append(item)
            self._changed.notify_all()
            return not self._left

    def end(self, *, failed: bool) -> None:
        """Say that no item follows."""
        with self._changed:
            self._ended, self._failed = True, failed
            self._changed.notify_all()

    def leave(self, _: object) -> None:
        """Say that no item is taken any more."""
        with self._changed:
            self._left = True
            self._changed.notify_all()

    def take(self) -> Iterator[Item]:
        """Yield the items in order."""
        while True:
            with self._changed:
                self._asked = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._ended or self._waiting)
                if self._failed:
                    raise _GivenUpError
                if not self._waiting:
                    return
                item = self._waiting.pop()
                self._asked = False
            yield item
            del item  # its arrays are large


def relay(
    items: Generator[Item, None, None],
    finish: Callable[[Iterator[Item]], Outcome],
    *,
    name: str,
) -> Outcome:
    """Make items in this thread, and have `finish` use them up in another; return its outcome.

    Whatever either side raises, a keyboard interrupt included, ends the other side first and then
    comes out of here. The thread has ended when this returns, and the generator is closed. An item
    is made while the one before is used up, and waits until that is done: memory holds two.

    Args:
        items: pulled here, one after the other.
        finish: called once, in a thread of its own, with the items in order.
        name: of the thread.
    """
    lane = _Lane[Item]()
    with ThreadPoolExecutor(1, name) as thread, closing(items):
        done = thread.submit(finish, lane.take())
        done.add_done_callback(lane.leave)
        whole = False
        try:
            for item in items:
                if not lane.give(item):
                    break
                del item
            whole = True
        finally:
            lane.end(failed=not whole)
    return done.result()
