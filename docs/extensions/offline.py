"""Warns if a page would load anything from the network: a reader may have none."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

_LOADS = {
    ".html": re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//[^>]*>"),
    ".css": re.compile(r"(?:@import\s+|url\()\s*[\"']?(?:https?:)?//[^)\"';]+"),
    ".js": re.compile(r"(?:fetch|import|importScripts)\(\s*[\"'`]https?://[^\"'`]+"),
}
_log = logging.getLogger(__name__)


def loads(folder: Path) -> list[tuple[Path, str]]:
    """(file, what it loads) for each load from another host in the files of a site."""
    return [
        (path, found[0])
        for path in sorted(folder.rglob("*"))
        if path.suffix in _LOADS
        for found in _LOADS[path.suffix].finditer(path.read_text(encoding="utf-8"))
    ]


def _check(app: Sphinx, error: Exception | None) -> None:
    for path, what in loads(Path(app.outdir)) if error is None else ():
        _log.warning("%s loads %s", path, what)


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
