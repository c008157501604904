"""The stream of server-sent events: the page asks again when ``generation`` has changed."""

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dashboard.answers import wrong
from dashboard.live import Page

#: So many streams at a time.
MOST_STREAMS = 32
#: How often the store is looked at, and after which time of silence a comment keeps the connection open.
_LOOK_S, _SILENCE_S = 1.0, 15.0


class Updates:
    """Answers ``/api/updates``."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._open = 0
        self._ending = asyncio.Event()

    def end(self) -> None:
        """End all streams: the server stops."""
        self._ending.set()

    async def answer(self, request: Request) -> Response:
        """The endless answer; 503 if too many are open."""
        if self._open >= MOST_STREAMS:
            return wrong(f"{MOST_STREAMS} pages are open already; close one", 503)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            said, silent = b"", 0.0
            yield b"retry: 1000\n\n"
            while not self._ending.is_set():
                news = await run_in_threadpool(self._page.news)
                now = orjson.dumps({name: value for name, value in news.items() if name != "now"})
                if now != said:
                    yield b"event: state\ndata: " + orjson.dumps(news) + b"\n\n"
                    said, silent = now, 0.0
                elif silent >= _SILENCE_S:
                    yield b": nothing new\n\n"
                    silent = 0.0
                silent += _LOOK_S
                try:
                    await asyncio.wait_for(self._ending.wait(), _LOOK_S)
                except asyncio.TimeoutError:
                    continue
        finally:
            self._open -= 1
