"""A browser that is driven from outside: mouse, keys and questions through its own protocol.

Nothing here waits for a time: whatever is done is done again until the page shows what is asked
for, so that a busy machine makes a test slow, not wrong. Only what never comes ends in an error.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from base64 import b64decode
from contextlib import contextmanager, suppress
from urllib.request import urlopen

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
PATIENCE = 300
"""Seconds after which what was waited for will not come."""
FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
"""Kept when all that was asked of the page before has been drawn."""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
    "--remote-debugging-port=0",
)


class GoneError(Exception):
    """What was asked has left the tab: it was of the empty page before the one to be shown."""


class Tab:
    """One open page."""

    def __init__(self, loop, socket):
        """Take a connection to the page."""
        self._loop, self._socket, self._number = loop, socket, 0
        self.complaints = []

    def send(self, method, **words):
        """Ask for something; return the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": words}
        return self._loop.run_until_complete(self._asked(json.dumps(message)))

    async def _asked(self, message):
        await self._socket.write_message(message)
        while True:
            found = json.loads(await asyncio.wait_for(self._socket.read_message(), PATIENCE))
            if found.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(found["params"])
            if found.get("id") == self._number:
                if "context" in found.get("error", {}).get("message", ""):
                    raise GoneError(found["error"]["message"])
                assert "error" not in found, found["error"]
                return found["result"]

    def ask(self, script):
        """Return the value of an expression in the page; of a promise what it brings."""
        words = {"expression": script, "returnByValue": True, "awaitPromise": True}
        found = self.send("Runtime.evaluate", **words)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script, act=lambda *_: None, *given):
        """Return the value of an expression as soon as there is one.

        Args:
            script: the expression.
            act: done before each look, each time anew.
            given: what it is called with.
        """
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(GoneError):
                act(*given)
                self.ask(FRAME)
                if found := self.ask(script):
                    return found
            assert time.monotonic() < until, f"never true: {script}"
            time.sleep(0.05)

    def picture(self):
        """Return what is seen, as PNG."""
        return b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def mouse(self, kind, x, y, **words):
        """Move, press or release the mouse."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **words)

    def drag(self, corners):
        """Draw with the left button down."""
        first, *others = corners
        self.mouse("mouseMoved", *first)
        self.mouse("mousePressed", *first, button="left", clickCount=1)
        for corner in others:
            self.mouse("mouseMoved", *corner, button="left")
        self.mouse("mouseReleased", *corners[-1], button="left", clickCount=1)


@contextmanager
def opened(page, folder):
    """Yield a tab that shows a page; what is downloaded lands in the folder."""
    words = [*FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1300"]
    browser = subprocess.Popen(
        [BROWSER, *words, page.as_uri()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    loop = asyncio.new_event_loop()
    try:
        socket = loop.run_until_complete(_connected(_address(folder / "profile")))
        tab = Tab(loop, socket)
        for domain in ("Runtime", "Log", "Page"):
            tab.send(f"{domain}.enable")
        tab.wait("location.protocol === 'file:' && document.readyState === 'complete'")
        tab.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        yield tab
        socket.close()
    finally:
        browser.terminate()
        browser.wait(PATIENCE)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _connected(address):
    from tornado.websocket import websocket_connect  # noqa: PLC0415 - comes with bokeh

    return await websocket_connect(address)


def _address(profile):
    """Return where the page listens, as soon as it does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        told = profile / "DevToolsActivePort"
        if told.exists() and (lines := told.read_text().split()):
            with urlopen(f"http://127.0.0.1:{lines[0]}/json") as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    raise AssertionError("the browser never listened")
