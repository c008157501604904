"""Writes one page per package into docs/reference/api, and warns of public names without documentation."""

import re
from pathlib import Path
from typing import Any

from docutils.nodes import Element
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from dataflow.settings.groups import STAGES, Settings
from docs.extensions.public_names import PACKAGES, modules, protocols, undocumented

FOLDER = Path("reference") / "api"
#: How autodoc writes ``NDArray[X]``.
_ARRAY = re.compile(r"~numpy\.ndarray\[tuple\[(?:~typing\.)?Any, \.\.\.\], ~numpy\.dtype\[([\w.~]+)\]\]")
_log = logging.getLogger(__name__)


def pages() -> dict[str, list[str]]:
    """Package -> its modules, the package first."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for module in modules(package):
            name = module.__name__
            home = name if hasattr(module, "__path__") else name.rpartition(".")[0]
            found.setdefault(home, []).append(name)
    return {package: sorted(names) for package, names in sorted(found.items())}


def page(package: str, names: list[str]) -> str:
    """The page of one package, in reStructuredText."""
    lines = [package, "=" * len(package), ""]
    for name in names:
        if name != package:
            title = name.removeprefix(f"{package}.")
            lines += [title, "-" * len(title), ""]
        lines += [f".. automodule:: {name}", "   :ignore-module-all:", ""]
    return "\n".join(lines)


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / f"{package}.rst": page(package, names) for package, names in pages().items()}
    for path in set(folder.glob("*.rst")) - set(written):
        path.unlink()
    for path, text in written.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _check(_: Sphinx) -> None:
    covered = [module for package in PACKAGES for module in modules(package)]
    contracts = protocols(covered)
    for module in covered:
        for name in undocumented(module, contracts):
            _log.warning("%s is public and has neither a docstring nor a `#:` comment", name)


def _signature(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Arrays by their short name; no signature for a protocol and for a group of settings."""
    if isinstance(value, type) and (issubclass(value, BaseModel) or getattr(value, "_is_protocol", False)):
        return "", ""
    short = [text and _ARRAY.sub(r"~numpy.typing.NDArray[\1]", text) for text in (signature, returns)]
    return short[0], short[1]


def _skip(app: Sphinx, what: str, *_: Any) -> bool | None:
    """No fields of the settings: the settings reference has them."""
    kinds = [Settings, *STAGES.values()]
    modules = {kind.__module__ for kind in kinds}
    return True if what == "class" and app.env.temp_data.get("autodoc:module") in modules else None


def _find(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Element) -> Element | None:
    """The target of a short name such as ``Scorer``, where exactly one full name ends in it."""
    if node.get("refdomain") != "py" or node.get("refspecific"):
        return None
    short = node.deepcopy()
    short["refspecific"] = True
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], short, text
    )


def _docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Drop the text that Python itself gives to the fields of a named tuple."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.connect("builder-inited", _write)
    app.connect("builder-inited", _check)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _find)
    return {"parallel_read_safe": True}
