"""Answers to requests."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

#: The most bytes of a body.
MOST_BYTES = 1 << 20


class Json(Response):
    """JSON. A number that is not known is null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


def wrong(text: str, status: int = 400) -> Json:
    """An answer that says in one sentence what is wrong."""
    return Json({"error": text}, status)


def found(content: Mapping[str, Any] | None, what: str) -> Json:
    """The content, or an answer that it is not there."""
    return Json(content) if content is not None else wrong(f"{what} is not known (any more)", 404)


async def body_of(request: Request) -> bytes:
    """The body of a request of JSON. Raises ``HTTPException`` if it is too long, or of another type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "content-type must be application/json")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise HTTPException(413, f"the body is longer than {MOST_BYTES} bytes; send less")
        parts.append(part)
    return b"".join(parts)
