"""Who may ask, and what browsers may do with the answers."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "driftline_page"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; font-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
#: Hosts that are this machine. Another name that resolves to it (DNS rebinding) is refused.
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_OPEN = ("/healthz",)


@dataclass(frozen=True)
class Access:
    """``token``: what a request must know; ``None``: nothing. ``loopback``: only names of this machine."""

    token: str | None = None
    loopback: bool = True


class Guard:
    """Refuses requests that :class:`Access` does not allow, and adds :data:`HEADERS` to each answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """An answer in place of the one that was asked for."""
        headers = Headers(scope=scope)
        if self._access.loopback and not _LOOPBACK.fullmatch(headers.get("host", "")):
            return PlainTextResponse("the page answers to localhost alone; open it by this name", 421)
        if scope["path"] in _OPEN:
            return None
        if self._access.token is not None:
            return self._unknown(scope, headers, self._access.token)
        return _other_site(scope, headers)

    def _unknown(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if "token" in given and _same(given.pop("token"), token) and scope["method"] == "GET":
            # A path with two slashes at its beginning would lead to another host.
            path = "/" + scope["path"].lstrip("/")
            answer = RedirectResponse(path + (f"?{urlencode(given)}" if given else ""), 303)
            answer.set_cookie(
                COOKIE, token, httponly=True, samesite="strict", secure=scope["scheme"] == "https", path="/"
            )
            return answer
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(bearer.strip(), token):
            return None
        if _same(_cookies(headers).get(COOKIE, ""), token):
            return _other_site(scope, headers)
        return PlainTextResponse(
            "the token is missing or wrong; open the address that ends with ?token=TOKEN",
            401,
            {"www-authenticate": "Bearer"},
        )


def _other_site(scope: Scope, headers: Headers) -> Response | None:
    """A refusal of a request that a page of another site makes and that changes something."""
    if scope["method"] in ("GET", "HEAD"):
        return None
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or (
        origin is not None and origin.partition("://")[2] != headers.get("host")
    ):
        return PlainTextResponse("a page of another site may not do this", 403)
    return None


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _cookies(headers: Headers) -> Mapping[str, str]:
    try:
        return {name: each.value for name, each in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}
