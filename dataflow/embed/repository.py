"""What a Triton model repository says of itself: which versions are to be served, and what each of them is.

Triton reads ``config.pbtxt``; the export writes a ``spec.json`` beside the graph, and its copy beside
``model.py``, from which the server answers ``SPEC``. Both embedders and the export ask here, and so agree.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import ContractError

_COMMENT = re.compile(r"#.*")
_SPECIFIC = re.compile(r"\bversion_policy\s*:?\s*\{\s*specific\s*:?\s*\{([^}]*)\}")
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Identity:
    """What a version of a model is. ``sha256``: of graph, tokenizer and precision, which make its vectors."""

    name: str
    precision: str
    dim: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.precision} of sha256 {self.sha256[:_SHOWN_DIGITS]}"


def label(number: str, identity: Identity | None) -> str:
    """What stands in ``model_version``: the number, and the beginning of the sum where it is known."""
    return f"{number}+{identity.sha256[:_SHOWN_DIGITS]}" if identity else number


def pinned(version: str | None) -> tuple[str, str]:
    """A setting ``1+3f0c`` as number and beginning of the sum, each empty if it is left out."""
    number, _, sha256 = (version or "").partition("+")
    return number, sha256


def parsed(spec: str) -> Identity | None:
    """The identity in the text of a ``spec.json``; None if there is none."""
    try:
        found = json.loads(spec)
        return Identity(str(found["name"]), str(found["precision"]), int(found["dim"]), str(found["sha256"]))
    except (ValueError, KeyError, TypeError):
        return None


def identity(root: Path, model: str, version: str) -> Identity | None:
    """What the repository ``root`` holds as a version; None if it is not there or does not say."""
    try:
        return parsed((root / f"{model}_encoder" / version / "spec.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def asked_for(root: Path, model: str) -> list[int] | None:
    """The versions that ``config.pbtxt`` asks the server for by number, ascending; None: the newest."""
    try:
        config = (root / model / "config.pbtxt").read_text(encoding="utf-8")
    except OSError:
        return None
    specific = _SPECIFIC.search(_COMMENT.sub("", config))
    return sorted(map(int, re.findall(r"\d+", specific[1]))) if specific else None


def newest(root: Path, model: str) -> str | None:
    """The version that Triton answers with from ``root`` when it is asked for none; None: there is none."""
    # The export writes spec.json last.
    specs = (root / f"{model}_encoder").glob("*/spec.json")
    whole = {int(path.parent.name) for path in specs if path.parent.name.isdigit()}
    asked = asked_for(root, model)
    serving = whole if asked is None else whole.intersection(asked)
    return str(max(serving)) if serving else None


def check(found: Identity | None, where: str, *, sha256: str, dim: int, held: Identity | None) -> None:
    """Raise ``ContractError`` unless ``found`` is what is expected.

    ``sha256``: its beginning, pinned; ``dim``: of the vectors that come; ``held``: what ``embed.repository``
    holds under the same number.
    """
    if found is None:
        if sha256:
            raise ContractError(
                f"{where} does not say which model it is, DRIFTLINE_EMBED__VERSION asks for {sha256}; "
                "export it again, or pin the number alone"
            )
        return
    if not found.sha256.startswith(sha256):
        raise ContractError(f"{where} is {found}, DRIFTLINE_EMBED__VERSION asks for {sha256}")
    if found.dim != dim:
        raise ContractError(f"{where} is {found}, of dimension {found.dim}, and gives {dim}; export it again")
    if held and held.sha256 != found.sha256:
        raise ContractError(
            f"{where} is {found}, embed.repository holds {held}; load that (`python -m export load`), "
            "or set DRIFTLINE_EMBED__REPOSITORY to the repository that is served"
        )
