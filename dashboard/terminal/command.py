"""The command: follows the outputs of a flow and draws the newest state every second."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.live import Live

from dashboard.health import Health, checked_url
from dashboard.live import Page
from dashboard.projection import fitted
from dashboard.queries.filters import Filter
from dashboard.queries.incidents import Wanted, listed
from dashboard.queries.ranking import Sorting
from dashboard.readers.find import named_uri
from dashboard.sources import Sources
from dashboard.store.store import Store
from dashboard.terminal.frame import Shown, frame
from dashboard.terminal.keyboard import single_keys
from dataflow.errors import DriftlineError, SettingsError

#: Key -> what it sorts by.
KEYS = {"w": "window", "a": "anomaly", "n": "novelty", "s": "score"}
_HELP = "w newest window   a anomaly   n novelty   s score   q quit"
#: How long ``--once`` waits for the end of the outputs, and how often it looks, in seconds.
_PATIENCE_S, _LOOK_S = 60.0, 0.1


@dataclass(frozen=True)
class View:
    """Which rows are shown."""

    sort: str
    wanted: Filter


def main(words: Sequence[str] | None = None) -> int:
    """Draw until ``q`` or a signal.

    Returns the exit code: 0, 2 with one line on stderr for a mistake of the user, and with ``--once`` 1 if an
    output cannot be read.
    """
    arguments = _parser().parse_args(words)
    try:
        page = _open(arguments)
    except DriftlineError as error:
        print(f"driftline: {error}", file=sys.stderr)
        return 2
    view = View(arguments.sort, Filter(key=arguments.key, text=arguments.text))
    page.start()
    try:
        if arguments.once:
            return _once(page, view)
        _follow(page, view, arguments.interval)
    except KeyboardInterrupt:
        pass
    finally:
        page.stop()
    return 0


def _once(page: Page, view: View) -> int:
    waited = 0.0
    with single_keys() as key:
        while not page.sources.loaded and waited < _PATIENCE_S:
            key(_LOOK_S)
            waited += _LOOK_S
    console = Console()
    console.print(frame(_shown(page, view, console.height, ""), console.width, console.height))
    broken = [source for source in page.sources.all if source.state == "broken"]
    for source in broken:
        print(f"driftline: {source.message}", file=sys.stderr)
    return 1 if broken else 0


def _follow(page: Page, view: View, interval_s: float) -> None:
    console = Console()
    # Without a terminal, each frame would be printed below the one before.
    with single_keys() as key, Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            shown = _shown(page, view, console.height, _HELP)
            live.update(frame(shown, console.width, console.height), refresh=True)
            pressed = key(interval_s)
            if pressed == "q":
                return
            view = replace(view, sort=KEYS.get(pressed, view.sort))


def _shown(page: Page, view: View, height: int, keys: str) -> Shown:
    moment = page.store.now
    rows = page.rankings.page(moment, view.wanted, Sorting(view.sort), 0, height)["rows"]
    incidents = listed(moment, {}, Wanted(key=view.wanted.key), 0, height)["incidents"]
    health: dict[str, Any] | None = page.health.read() if page.health else None
    return Shown(page.state(), rows, incidents, health, view.sort, keys)


def _open(arguments: argparse.Namespace) -> Page:
    if not 0.1 <= arguments.interval <= 3600:
        raise SettingsError(f"--interval {arguments.interval}: must be from 0.1 to 3600 seconds")
    if arguments.rows < 1:
        raise SettingsError(f"--rows {arguments.rows}: must be 1 or more")
    store = Store(arguments.rows, fitted)
    sources = Sources(store, [named_uri(text) for text in arguments.uri], arguments.rows)
    health = Health([checked_url(url) for url in arguments.metrics]) if arguments.metrics else None
    return Page(store, sources, None, health)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.top",
        description="show the top of the outputs of a flow in a terminal, while they grow",
        epilog="example: python -m dataflow.top out/demo --sort anomaly",
    )
    parser.add_argument(
        "uri",
        nargs="+",
        metavar="URI",
        help="a folder with outputs, or an output, as `python -m dashboard` takes them",
    )
    parser.add_argument(
        "--metrics", action="append", metavar="URL", help="the metrics of a process of the flow"
    )
    parser.add_argument("--sort", choices=KEYS.values(), default="window", help="at the start (window)")
    parser.add_argument("--key", help="only events of this key")
    parser.add_argument("--text", help="only events whose text has this")
    parser.add_argument(
        "--rows", type=int, default=100_000, metavar="N", help="keep the newest N scored rows (100000)"
    )
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="SECONDS", help="between two pictures (1)"
    )
    parser.add_argument(
        "--once", action="store_true", help="read the outputs to their end, print one picture"
    )
    return parser
