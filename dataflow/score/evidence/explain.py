"""Says in words what is unusual about an event."""

import re
from collections.abc import Sequence

import pyarrow as pa

from dataflow.clock import NEVER, rfc3339
from dataflow.items.schemas import EXPLANATION
from dataflow.score.evidence.beside import Nearest

_WORD = re.compile(r"[^\W\d_]+")
#: The sentence names so many words.
_WORDS = 6


def explain(text: str, nearest: Nearest) -> dict[str, object]:
    """The explanation of an event, a value of ``EXPLANATION``.

    >>> nearest = Nearest("Failed password for root", 1_700_000_000_000_000, 0.82, alike=0, rows=946)
    >>> for part in str(explain("Accepted password for fztu", nearest)["sentence"]).split("; "):
    ...     print(part)
    nearest of 946 earlier events: "Failed password for root" (similarity 0.82, 2023-11-14T22:13:20Z)
    new: accepted, fztu
    missing: failed, root
    this form was never seen
    """
    mine, others = words(text), words(nearest.text)
    new = [word for word in mine if word not in others]
    missing = [word for word in others if word not in mine]
    time = "" if nearest.ts == NEVER else f", {rfc3339(nearest.ts, 's')}"
    parts = [
        f"nearest of {nearest.rows} {'pinned' if nearest.is_pinned else 'earlier'} events: "
        f'"{nearest.text}" (similarity {nearest.similarity:.2f}{time})'
    ]
    parts += [f"{name}: {_listed(some)}" for name, some in (("new", new), ("missing", missing)) if some]
    parts.append(_seen(nearest.alike))
    return {
        "nearest": nearest.text,
        "nearest_ts": None if nearest.ts == NEVER else nearest.ts,
        "similarity": nearest.similarity,
        "new": new,
        "missing": missing,
        "seen": nearest.alike,
        "sentence": "; ".join(parts),
    }


def words(text: str) -> list[str]:
    """The different words of a text in lower case, in their order. Numbers are no words.

    >>> words("Invalid user admin from 5.36.59.76, invalid")
    ['invalid', 'user', 'admin', 'from']
    """
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))


def column(explanations: Sequence[dict[str, object] | None]) -> pa.Array:
    """A column of ``EXPLANATION``; ``None`` becomes null."""
    return pa.array(explanations, EXPLANATION.type)


def _listed(some: Sequence[str]) -> str:
    more = f" and {len(some) - _WORDS} more" if len(some) > _WORDS else ""
    return ", ".join(some[:_WORDS]) + more


def _seen(alike: int) -> str:
    if not alike:
        return "this form was never seen"
    return "this form was seen once" if alike == 1 else f"this form was seen {alike} times"
