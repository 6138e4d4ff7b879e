"""A headless Chromium, spoken to by its DevTools protocol: what a page does when somebody looks, types and points."""

import asyncio
import base64
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp

from host.needs import lack

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0")


def find_browser() -> str:
    """Its program; a test without one is skipped."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        lack("browser", f"browser: none of {', '.join(BROWSERS)} is installed")
    return found


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)
        self.complaints: list[str] = []
        """What the page has written into the console, and errors that it did not catch."""

    async def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            if answer.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
                self.complaints.append(str(answer["params"]))

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, what it comes to."""
        found = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, condition: str) -> None:
        """Return once an expression is true in the page."""
        await self.evaluate(
            f"new Promise((done) => {{const look = () => {condition} ? done() : setTimeout(look, 20); look()}})"
        )

    async def open(self, address: str) -> None:
        """Go to a page; returns once it has loaded."""
        await self.send("Page.navigate", url=address)
        await self.until("document.readyState === 'complete'")

    async def resize(self, width: int, height: int) -> None:
        """As wide and high as a window, or a phone, in CSS pixels."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def prefer(self, scheme: str) -> None:
        """The colours that its reader prefers, light or dark; returns once the ground has them."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.send("Emulation.setEmulatedMedia", features=features)
        ground = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]
        await self.until(f"getComputedStyle(document.body).backgroundColor === {ground!r}")

    async def press(self, key: str) -> None:
        """A key, by the name that scripts see."""
        code = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Tab": 9}[key]
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        # Of these keys only this one is a character, too.
        typed = {"text": "\r"} if key == "Enter" else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **named, **typed)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **named)

    async def picture(self) -> bytes:
        """What is to be seen, as PNG."""
        taken = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def browser() -> AsyncIterator[Tab]:
    """A browser with an empty page, gone with all that it wrote at the end; a test without one is skipped."""
    program = find_browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *(*_OPTIONS, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            address = await _address(process.stderr)
            # What else it says is read too: a full pipe would hold it up.
            said = asyncio.create_task(process.stderr.read())
            async with aiohttp.ClientSession() as session:
                page = await _first_page(session, address)
                async with session.ws_connect(page, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await tab.send(f"{domain}.enable")
                    yield tab
                    await tab.send("Browser.close")
            await said
        finally:
            if process.returncode is None and sys.exc_info()[0] is not None:
                process.kill()
            await process.wait()


async def _first_page(session: aiohttp.ClientSession, address: str) -> str:
    """Where its page is spoken to: the browser listens before it has opened one."""
    while True:
        async with session.get(f"http://{address}/json/list") as answer:
            for target in await answer.json():
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
        await asyncio.sleep(0.02)


async def _address(said: asyncio.StreamReader) -> str:
    """Host and port that the browser listens on, once it has said so."""
    while line := await said.readline():
        if found := re.search(rb"DevTools listening on ws://([^/]+)/", line):
            return found[1].decode()
    raise OSError("the browser ended before it listened")
