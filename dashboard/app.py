"""The ASGI application: routes and their parameters."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from dashboard import marks, parameters
from dashboard.answers import Json, body_of, found, wrong
from dashboard.files import Files
from dashboard.live import Page
from dashboard.parameters import ParameterError, Parameters
from dashboard.queries import incidents, rows
from dashboard.queries.map import MOST_POINTS, points
from dashboard.queries.time import over_time
from dashboard.security import Access, Guard
from dashboard.store.layout import LEAST_EVENTS
from dashboard.updates import Updates
from dataflow.errors import SourceError

MOST_SELECTED = 50_000
_NO_METRICS = "no metrics endpoint is known; start the page with --metrics URL"


def application(page: Page, access: Access) -> Starlette:
    """The application that serves ``page`` to those whom ``access`` allows. It starts and stops sources."""
    updates = Updates(page)

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(page.start)
        yield
        updates.end()
        await run_in_threadpool(page.stop)

    api = _Api(page)
    routes: list[BaseRoute] = [
        Route("/healthz", _alive),
        Mount("/api", routes=[*api.routes(), Route("/updates", updates.answer)]),
        *Files(page.static).routes(),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={
            ParameterError: _wrong_parameter,
            marks.MarkError: _wrong_parameter,
            HTTPException: _refused,
            Exception: _failed,
        },
        lifespan=running,
    )
    app.state.updates = updates
    return app


class _Api:
    """The requests of ``/api``. Plain functions run in threads, so that no query blocks the others."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def routes(self) -> list[BaseRoute]:
        plain: dict[str, Callable[[Request], Response]] = {
            "/state": self._state,
            "/rows": self._rows,
            "/position": self._position,
            "/event": self._event,
            "/text": self._text,
            "/time": self._time,
            "/map": self._map,
            "/incidents": self._incidents,
            "/incidents/{incident}": self._incident,
            "/marks": self._marks,
            "/health": self._health,
            "/metrics": self._metrics,
            "/compare": self._compare,
            "/labels.jsonl": self._labels,
        }
        return [
            *(Route(path, function, methods=["GET"]) for path, function in plain.items()),
            Route("/marks", self._mark, methods=["POST"]),
            Route("/selections", self._select, methods=["POST"]),
        ]

    def _state(self, request: Request) -> Response:
        Parameters(request.query_params)
        return Json(self._page.state())

    def _rows(self, request: Request) -> Response:
        given = self._given(request, *parameters.FILTER, *parameters.SORTING, "offset", "limit")
        offset, limit = given.part()
        page = self._page
        return Json(page.rankings.page(page.store.now, given.filter(), given.sorting(), offset, limit))

    def _position(self, request: Request) -> Response:
        own = ("row_key", "window_start", "id", "revision")
        given = self._given(request, *parameters.FILTER, *parameters.SORTING, *own)
        moment = self._page.store.now
        start, revision = given.needed_integer("window_start"), given.needed_integer("revision")
        place = rows.place_of(moment, given.needed("row_key"), given.needed("id"), start, revision)
        if place is None:
            return Json({"offset": None})
        at = self._page.rankings.position(moment, given.filter(), given.sorting(), place)
        return Json({"offset": at})

    def _given(self, request: Request, *known: str) -> Parameters:
        given = Parameters(request.query_params, *known)
        selection = given.text("selection")
        if selection is not None and not self._page.filters.has_selection(selection):
            raise ParameterError("selection is not known any more; select the rows again")
        return given

    def _event(self, request: Request) -> Response:
        given = Parameters(request.query_params, "key", "id")
        return found(rows.event(self._page.store.now, given.needed("key"), given.needed("id")), "the event")

    def _time(self, request: Request) -> Response:
        given = self._given(request, *parameters.FILTER, "buckets")
        most = given.integer("buckets", 1, 1000) or 240
        return Json(over_time(self._page.store.now, self._page.rankings, given.filter(), most))

    def _map(self, request: Request) -> Response:
        given = self._given(request, *parameters.FILTER, "limit")
        limit, wanted = given.integer("limit", 1, MOST_POINTS) or 50_000, given.filter()
        page = self._page
        if page.store.now.map.projection is None and page.sources.loaded:
            page.store.settle()
        moment = page.store.now
        if (projection := moment.map.projection) is None:
            return wrong(_no_map(moment.map.events), 404)
        stream = points(moment, page.filters, wanted, projection, limit)
        return Response(stream, media_type="application/vnd.apache.arrow.stream")

    def _text(self, request: Request) -> Response:
        given = Parameters(request.query_params, "row")
        text = rows.text_of(self._page.store.now, given.needed_integer("row"))
        return found(None if text is None else {"text": text}, "the row")

    def _incidents(self, request: Request) -> Response:
        own = ("key", "kind", "state", "from", "to", "mark", "offset", "limit")
        given = Parameters(request.query_params, *own)
        offset, limit = given.part()
        page = self._page
        return Json(incidents.listed(page.store.now, page.of_incidents(), given.incidents(), offset, limit))

    def _incident(self, request: Request) -> Response:
        Parameters(request.query_params)
        name = request.path_params["incident"]
        return found(incidents.whole(self._page.store.now, self._page.of_incidents(), name), "the incident")

    def _health(self, request: Request) -> Response:
        Parameters(request.query_params)
        health = self._page.health
        return Json(health.read()) if health else wrong(_NO_METRICS, 404)

    def _metrics(self, request: Request) -> Response:
        given = Parameters(request.query_params, "buckets")
        most, history = given.integer("buckets", 1, 1000) or 240, self._page.history
        return Json(history.series(most)) if history else wrong(_NO_METRICS, 404)

    def _compare(self, request: Request) -> Response:
        given = Parameters(request.query_params, "key", "from", "to")
        found = self._page.compared(given.filter())
        return Json(found) if found else wrong("nothing to compare with; give --compare URI", 404)

    def _marks(self, request: Request) -> Response:
        Parameters(request.query_params)
        return Json({"marks": self._page.marks.all() if self._page.marks else []})

    def _labels(self, request: Request) -> Response:
        Parameters(request.query_params)
        lines = marks.labels(self._page.store.now, self._page.of_incidents())
        named = {"content-disposition": 'attachment; filename="labels.jsonl"'}
        return Response(lines, media_type="application/x-ndjson", headers=named)

    async def _mark(self, request: Request) -> Response:
        store = self._page.marks
        if store is None:
            return wrong("the page may not write marks; start it with --marks URI", 403)
        wanted = marks.requested(await body_of(request))
        try:
            return Json({"mark": await run_in_threadpool(store.write, self._page.store.now, wanted)})
        except SourceError as error:
            return wrong(str(error), 503)

    async def _select(self, request: Request) -> Response:
        body = await body_of(request)
        return await run_in_threadpool(self._selected, body)

    def _selected(self, body: bytes) -> Response:
        try:
            numbers = orjson.loads(body)["rows"]
            rows = np.array(numbers, np.int64) if all(type(each) is int for each in numbers) else None
        except (orjson.JSONDecodeError, KeyError, TypeError, OverflowError):
            rows = None
        if rows is None or rows.ndim != 1 or len(rows) > MOST_SELECTED:
            return wrong(f"rows must be a list of at most {MOST_SELECTED} row numbers")
        return Json({"selection": self._page.filters.select(rows)})


def _no_map(events: int) -> str:
    if not events:
        return "the scored rows have no embeddings; run the flow with sink.embeddings = true"
    return f"{events} events have come, and the map needs {LEAST_EVENTS}; wait for more"


def _alive(request: Request) -> Response:
    return PlainTextResponse("ok")


def _wrong_parameter(request: Request, error: Exception) -> Response:
    return wrong(str(error))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Json({"error": error.detail}, error.status_code, headers=dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> Response:
    return wrong("the server failed; its log says why", 500)
