"""The live page in a real browser, over the output of a real flow that still runs."""

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.flows import ALERTING, environment, start
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.processes import Process, killed, size, wait_until

CHROMIUM = Path(shutil.which("chromium") or shutil.which("google-chrome") or "chromium")
BUILT = ROOT / "dashboard" / "static" / "index.html"
AXE = ROOT / "dashboard" / "page" / "node_modules" / "axe-core" / "axe.min.js"
#: SwiftShader draws WebGL without a graphics card.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
BEGIN = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
#: A page that shows nothing for so long is broken, on a loaded machine too.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def require_page() -> None:
    """Skip the test where there is no Chromium, or no built page."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    if not BUILT.exists():
        pytest.skip("the page is not built: run `make dashboard/static/index.html`")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    require_page()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Opened:
    """A page of a browser, and what went wrong in it."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        defaults = {"viewport": DESKTOP, "timezone_id": "Europe/Berlin", "color_scheme": "light"}
        self.context = browser.new_context(**{**defaults, **options})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        self.page.goto(address)

    def _said(self, kind: str, text: str) -> None:
        # A server that is away is reported as a failure to load.
        if kind == "error" and "Failed to load resource" not in text:
            self.errors.append(text)


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page at ``address``. Fails if the page reports an error, such as one of its security policy."""
    it = Opened(browser, address, **options)
    try:
        yield it.page
        assert not it.errors, it.errors
    finally:
        it.context.close()


class Server:
    """``python -m dashboard`` over a folder of outputs. It can be killed and started again on its port."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._arguments = [str(out), "--port", str(self.port), *arguments]
        self.process = self._started()

    def _started(self) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard", *self._arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.state().get("loaded"), process)
        return process

    def state(self) -> dict[str, Any]:
        """What the server says of its outputs; empty while it does not answer."""
        with suppress(OSError):
            return dict(self.get("/api/state"))
        return {}

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path) as answer:
            return json.load(answer)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = self._started()


@contextmanager
def serving(out: Path, *arguments: str) -> Iterator[Server]:
    server = Server(out, *arguments)
    try:
        yield server
    finally:
        server.kill()


class GrowingFlow:
    """A flow that follows a log. Each minute of the log is a window."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder, self.out = folder, folder / "out"
        self.marks = folder / "marks.jsonl"
        self._log = folder / "app.jsonl"
        self._log.touch()
        self.minute = 0
        settings = {
            "DRIFTLINE_SOURCE__URI": f"tail:{self._log}",
            "DRIFTLINE_WINDOW__KIND": "tumbling",
            "DRIFTLINE_WINDOW__LENGTH": "60s",
            "DRIFTLINE_WINDOW__DELAY": "1s",
            "DRIFTLINE_ALERT__MARKS": str(self.marks),
            "DRIFTLINE_ALERT__CLOSE_AFTER": "1m",
            "DRIFTLINE_ALERT__COOL_DOWN": "0s",
            "DRIFTLINE_SCORE__QUARANTINE": "4h",
            "DRIFTLINE_SCORE__EXPLAIN": "1",
            "DRIFTLINE_SINK__DEAD_LETTERS": f"file:{self.out}/dead_letters.jsonl",
            **{
                f"DRIFTLINE_SINK__{name.upper()}": f"file:{self.out}/{name}.jsonl"
                for name in ("alerts", "drift", "windows")
            },
        }
        self.environment = environment(folder, **(ALERTING | settings | more))
        self.processes: Sequence[Process] = ()

    def write(self, *minutes: Sequence[str], host: str = "a") -> None:
        """Append minutes of texts, and wait for the scores of all minutes but the last one."""
        scores = self.out / "scores.jsonl"
        for texts in minutes:
            before = size(scores)
            at = BEGIN + timedelta(minutes=self.minute)
            lines = [
                {
                    "id": f"m{self.minute}-{number}",
                    "host": host,
                    "ts": (at + timedelta(seconds=1 + 55 * number / len(texts))).isoformat(),
                    "text": text,
                    "service": "checkout",
                }
                for number, text in enumerate(texts)
            ]
            with self._log.open("a") as log:
                log.write("".join(json.dumps(line) + "\n" for line in lines))
            self.minute += 1
            if self.minute > 1:
                wait_until(lambda: size(scores) > before, *self.processes)  # noqa: B023


@contextmanager
def growing_flow(folder: Path, **settings: str) -> Iterator[GrowingFlow]:
    flow = GrowingFlow(folder, **settings)
    with killed(start(flow.environment)) as processes:
        flow.processes = processes
        yield flow


def usual(minute: int, events: int = 20) -> list[str]:
    """Texts that come again and again."""
    return [f"Payment {(minute * 7 + number) % 12} captured" for number in range(events)]
