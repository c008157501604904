"""How fast the live page is in a real browser: headless Chromium, driven by Playwright."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

#: SwiftShader draws WebGL on the CPU, where there is no graphics card.
_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
_SIZE: ViewportSize = {"width": 1440, "height": 900}
_ROW = ".body .cell.text"
#: Milliseconds until other rows stand in the table, after a click on a head or the choice of a key.
_UNTIL_OTHER_ROWS = """
async ({ head, key }) => {
  const first = () => document.querySelector(".body .cell.text")?.textContent ?? "";
  const busy = () => document.querySelector("[role=grid]").getAttribute("aria-busy") === "true";
  const before = first();
  const start = performance.now();
  if (head) {
    const heads = [...document.querySelectorAll("[role=columnheader] button")];
    heads.find((one) => one.textContent.startsWith(head)).click();
  } else {
    const choices = [...document.querySelectorAll("label.field select")];
    const choice = choices.find((one) => one.options.length > 15);
    choice.value = key;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
  }
  do await new Promise(requestAnimationFrame);
  while (busy() || !first() || first() === before);
  return performance.now() - start;
}
"""
#: Milliseconds between the frames of so many seconds.
_FRAMES = """
(seconds) => new Promise((done) => {
  const found = [];
  let last = performance.now();
  const end = last + 1000 * seconds;
  const frame = (now) => {
    found.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(frame);
    else done(found);
  };
  requestAnimationFrame(frame);
})
"""
_WATCHED_S = 4.0
#: Between two clicks, in which the rest of the page follows.
_PAUSE_MS = 600
#: The browser may say it later than it paints.
_FIRST_PAINT = """
async () => {
  const said = () => performance.getEntriesByName("first-contentful-paint")[0];
  while (!said()) await new Promise(requestAnimationFrame);
  return said().startTime;
}
"""


def figures(address: str, rounds: int, *, has_map: bool) -> dict[str, list[float]]:
    """What is measured -> milliseconds of each round, or of each frame.

    The server at ``address`` has read its outputs. ``has_map``: they have embeddings.
    """
    found: dict[str, list[float]] = {}
    with _browser() as browser:
        for _ in range(rounds):
            with _opened(browser, address) as page:
                found.setdefault("first rows", []).append(page.evaluate("() => performance.now()"))
                found.setdefault("first contentful paint", []).append(page.evaluate(_FIRST_PAINT))
        with _opened(browser, address) as page:
            for number in range(rounds):
                for name, change in _changes(number).items():
                    found.setdefault(name, []).append(page.evaluate(_UNTIL_OTHER_ROWS, change))
                    page.wait_for_timeout(_PAUSE_MS)
            found["frame while the table scrolls"] = _frames(page, lambda: _scroll(page))
        if has_map:
            with _opened(browser, f"{address}?view=map", "canvas") as page:
                page.wait_for_timeout(3000)
                found["frame while the map moves"] = _frames(page, lambda: _drag(page))
                found["frame while the map zooms"] = _frames(page, lambda: _zoom(page))
    return found


def _changes(number: int) -> dict[str, dict[str, str | None]]:
    return {
        "other order": {"head": ("Score", "Novelty", "Anomaly", "Surge")[number % 4], "key": None},
        "filter by key": {"head": None, "key": f"service-{number % 20}"},
        "no filter": {"head": None, "key": ""},
    }


@contextmanager
def _browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield one
        finally:
            one.close()


@contextmanager
def _opened(browser: Browser, address: str, awaited: str = _ROW) -> Iterator[Page]:
    context = browser.new_context(viewport=_SIZE)
    try:
        page = context.new_page()
        page.goto(address)
        page.locator(awaited).first.wait_for()
        yield page
    finally:
        context.close()


def _frames(page: Page, move: Callable[[], None]) -> list[float]:
    """The times between frames, while ``move`` moves the page again and again."""
    watched = "(seconds) => { window.frames_of_benchmark = (" + _FRAMES + ")(seconds); }"
    page.evaluate(watched, _WATCHED_S)
    end = time.monotonic() + _WATCHED_S
    while time.monotonic() < end:
        move()
    found: list[float] = page.evaluate("() => window.frames_of_benchmark")
    return found


def _scroll(page: Page) -> None:
    page.mouse.move(500, 500)
    page.mouse.wheel(0, 400)


def _drag(page: Page) -> None:
    page.mouse.move(700, 450)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(700 + 8 * step, 450 + 4 * step)
    page.mouse.up()


def _zoom(page: Page) -> None:
    page.mouse.move(700, 450)
    for pixels in [-60] * 10 + [60] * 10:
        page.mouse.wheel(0, pixels)
