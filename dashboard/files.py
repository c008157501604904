"""The built page: one HTML file and its assets."""

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

#: A name with the hash of its content: ``index-B1a2C3d4.js``. Other content has another name.
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.\w+$")
_MISSING = """<!doctype html><html lang="en"><title>Driftline</title><p>The page is not built. Run
<code>make page</code> in a checkout; the wheel has the built page.</p></html>"""


class Files:
    """Answers ``/`` and ``/assets/*`` from the folder that Vite builds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def routes(self) -> list[BaseRoute]:
        """The routes of the folder."""
        assets = _Assets(directory=self._folder / "assets", check_dir=False)
        return [Route("/", self._index), Mount("/assets", assets)]

    def _index(self, request: Request) -> Response:
        index = self._folder / "index.html"
        if not index.is_file():
            return HTMLResponse(_MISSING, 503)
        return FileResponse(index, headers={"cache-control": "no-cache"})


class _Assets(StaticFiles):
    async def check_config(self) -> None:
        if not Path(str(self.directory)).is_dir():
            raise HTTPException(404)

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        lasting = "public, max-age=31536000, immutable"
        answer.headers["cache-control"] = lasting if _HASHED.search(path) else "no-cache"
        return answer
