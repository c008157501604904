"""The command that starts the page."""

import argparse
import ipaddress
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from socket import socket
from types import FrameType

import uvicorn

from dashboard.app import application
from dashboard.health import Health, checked_url
from dashboard.live import Other, Page
from dashboard.marks import MarksStore
from dashboard.projection import fitted
from dashboard.readers.find import named_uri
from dashboard.security import Access
from dashboard.sources import Sources
from dashboard.store.store import Store
from dashboard.updates import Updates
from dataflow.errors import DriftlineError, SettingsError
from dataflow.settings import Settings, load

_LEAST_TOKEN = 16
_LEAST_ROWS, _MOST_ROWS = 1000, 20_000_000


def main(words: Sequence[str] | None = None) -> int:
    """Serve the page until a signal ends it.

    Returns the exit code: 0, 2 with one line on stderr for a mistake of the user, 1 if the port is taken.
    """
    arguments = _parser().parse_args(words)
    try:
        page, access = _open(arguments)
    except DriftlineError as error:
        print(f"driftline: {error}", file=sys.stderr)
        return 2
    app = application(page, access)
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=256,
        h11_max_incomplete_event_size=64 << 10,
    )
    address = f"http://{_host(arguments.host)}:{arguments.port}/"
    server = _Server(config, app.state.updates, address, opens=arguments.open)
    try:
        server.run()
    except SystemExit:
        # uvicorn has said why the port cannot be used.
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


class _Server(uvicorn.Server):
    """Says where it listens, and ends the streams of events when it stops."""

    def __init__(self, config: uvicorn.Config, updates: Updates, address: str, *, opens: bool) -> None:
        super().__init__(config)
        self._updates, self._address, self._opens = updates, address, opens

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again after an orderly stop.
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"The page is at {self._address}  (Ctrl-C ends it)", flush=True)
            if self._opens:
                webbrowser.open(self._address)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._updates.end()
        await super().shutdown(sockets)


def _open(arguments: argparse.Namespace) -> tuple[Page, Access]:
    loopback = _is_loopback(arguments.host)
    token = _token(arguments.token_file) if arguments.token_file else None
    if not loopback and token is None:
        raise SettingsError(f"--host {arguments.host}: others can reach this address; give --token-file")
    if not _LEAST_ROWS <= arguments.rows <= _MOST_ROWS:
        raise SettingsError(f"--rows {arguments.rows}: must be from {_LEAST_ROWS} to {_MOST_ROWS}")
    store = Store(arguments.rows, fitted)
    sources = Sources(store, [named_uri(text) for text in arguments.uri], arguments.rows)
    marks = _marks(arguments.marks) if arguments.marks else None
    health = Health([checked_url(url) for url in arguments.metrics]) if arguments.metrics else None
    page = Page(store, sources, marks, health, _other(arguments))
    return page, Access(token, loopback)


def _marks(uri: str) -> MarksStore:
    # Only an object store needs settings of the process.
    return MarksStore(uri, load() if uri.startswith("delta:") else Settings())


def _other(arguments: argparse.Namespace) -> Other | None:
    if arguments.compare is None:
        return None
    store = Store(arguments.rows, fitted)
    sources = Sources(store, [named_uri(arguments.compare)], arguments.rows)
    return Other(arguments.compare, store, sources)


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--token-file {path}: cannot be read: {error}") from None
    if len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(
            f"--token-file {path}: write {_LEAST_TOKEN} or more ASCII characters without spaces, as "
            "`openssl rand -hex 32` makes them"
        )
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard",
        description="show the outputs of a flow in a browser, while they grow",
        epilog="example: python -m dashboard out/demo --marks out/demo/marks.jsonl",
    )
    parser.add_argument(
        "uri",
        nargs="+",
        metavar="URI",
        help="a folder with outputs, or an output; its rows say what it holds, or STREAM=URI does: "
        "scores=out/a.jsonl",
    )
    parser.add_argument("--marks", metavar="URI", help="where marks are written: alert.marks of the flow")
    parser.add_argument(
        "--metrics", action="append", metavar="URL", help="the metrics of a process of the flow, or of Triton"
    )
    parser.add_argument("--compare", metavar="URI", help="the output of another run, to see what differs")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="the port to listen on (8765)")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds the token that the page asks for"
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, metavar="N", help="keep the newest N scored rows (1000000)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser of this machine")
    return parser


if __name__ == "__main__":
    sys.exit(main())
