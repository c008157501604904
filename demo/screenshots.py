"""One picture of each view of the live page: ``python -m demo.screenshots``.

It stands beside the demo because the pictures show its output, which has incidents, a burst and a drift.
"""

import argparse
import itertools
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright

CHROMIUM = Path(shutil.which("chromium") or shutil.which("google-chrome") or "chromium")
#: SwiftShader draws the map without a graphics card.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars"]
_PATIENCE_S = 60.0


class Device(NamedTuple):
    """``scale``: pixels of the picture for each pixel of the page."""

    name: str
    size: ViewportSize
    scale: float


DEVICES = (
    Device("desktop", {"width": 1440, "height": 900}, 1),
    Device("phone", {"width": 390, "height": 844}, 2),
)
SCHEMES = ("light", "dark")


class Shot(NamedTuple):
    """A view: its address, and what has to be there before the picture is taken."""

    name: str
    address: str
    waits_for: str
    opens: str | None = None


def shots(state: dict[str, Any]) -> list[Shot]:
    """The views that ``state`` has data for."""
    has = {stream["stream"] for stream in state["streams"] if stream["rows"]}
    found = [
        Shot("live", "", ".body .text"),
        Shot("event", "?sort=anomaly", ".body .text", opens=".body"),
        Shot("time", "?view=time", ".uplot canvas"),
    ]
    if "alerts" in has:
        found.append(Shot("incidents", "?view=incidents", "a.incident"))
        found.append(Shot("incident", "?view=incidents&kind=events", "a.incident", opens="a.incident"))
    if state["embeddings"]:
        found.append(Shot("map", "?view=map", ".replay"))
    if state["metrics"]:
        found.append(Shot("health", "?view=health", ".health .card"))
    if state["compare"]:
        found.append(Shot("compare", "?view=compare", ".compare .part"))
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr if something is missing."""
    parser = argparse.ArgumentParser(prog="python -m demo.screenshots", description=__doc__)
    parser.add_argument(
        "uris", nargs="*", default=["out/demo"], help="what the page shows; default: out/demo"
    )
    parser.add_argument("--compare", help="another output, for the view Compare")
    parser.add_argument("--metrics", help="the metrics of a running flow, for the view Health")
    parser.add_argument("--out", type=Path, default=Path("out/screenshots"), help="default: %(default)s")
    parser.add_argument("--chromium", type=Path, default=CHROMIUM, help="default: %(default)s")
    arguments = parser.parse_args(words)
    if not arguments.chromium.exists():
        print(
            f"error: {arguments.chromium} is missing; install chromium, or name it with --chromium",
            file=sys.stderr,
        )
        return 2
    more = [("--compare", arguments.compare), ("--metrics", arguments.metrics)]
    options = [word for option, value in more if value for word in (option, value)]
    try:
        with serving([*arguments.uris, *options]) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(arguments.chromium), args=FLAGS)
            take(browser, address, arguments.out)
            browser.close()
    except (Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def take(browser: Browser, address: str, out: Path) -> None:
    """Take all pictures of the page at ``address``."""
    out.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(f"{address}/api/state") as answer:
        wanted = shots(json.load(answer))
    for device, scheme in itertools.product(DEVICES, SCHEMES):
        context = browser.new_context(
            viewport=device.size,
            device_scale_factor=device.scale,
            color_scheme="dark" if scheme == "dark" else "light",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        page = context.new_page()
        for shot in wanted:
            path = out / f"{shot.name}-{device.name}-{scheme}.png"
            page.goto(f"{address}/{shot.address}")
            _settle(page, shot)
            page.screenshot(path=path)
            print(path)
        context.close()


def _settle(page: Page, shot: Shot) -> None:
    page.locator(shot.waits_for).first.wait_for()
    if shot.opens:
        page.locator(shot.opens).first.click()
        page.locator("aside .detail").wait_for()
    page.mouse.move(0, 0)
    # Charts and map are drawn on canvases, which say nothing when they are done.
    page.wait_for_timeout(700)


@contextmanager
def serving(words: Sequence[str]) -> Iterator[str]:
    """The address of the page's server, which has read its outputs. ``words``: its command line."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "dashboard", *words, "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + _PATIENCE_S
        while not _loaded(address):
            if server.poll() is not None:
                raise OSError("the server of the page ended; its message is above")
            if time.monotonic() > end:
                raise OSError(f"the server read nothing in {_PATIENCE_S:.0f} s")
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def _loaded(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/state") as answer:
            return bool(json.load(answer)["loaded"])
    except (urllib.error.URLError, ConnectionError):
        return False


if __name__ == "__main__":
    sys.exit(main())
