"""What the state in a recovery store was made with. A flow resumes only from state that fits its settings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from dataflow.recovery.partitions import reading, writing
from dataflow.settings import Score, Settings, Window, has_budget

#: The number of the format of the state that the steps write. A change of the format increases it.
FORMAT = 9

#: A flow cannot resume from state that was made with another value of one of these. The model is not among
#: them: rows that another model of the same dimension embedded are embedded again
#: (:func:`dataflow.embed.batch.one_version`).
FIXED = (
    "format",
    "source.key_field",
    "source.mask",
    "window.kind",
    "window.length",
    "window.slide",
    "window.align_to",
    "window.gap",
    "window.watermark",
    "window.key_groups",
    "window.allowed_lateness",
    "window.max_window_rows",
    "window.max_window_bytes",
    "score.start",
    "score.reference",
    "score.reference_rows",
    "score.half_life",
    "score.novelty_neighbours",
    "score.columns",
    "score.novelty_window",
    "alert.per",
    "embed.store",
    "embedding.dim",
)

_TABLE = "driftline_made_with"
_IDENTITY = "driftline_identity"


def made_with(settings: Settings, *, dim: int | None, model: str) -> dict[str, str]:
    """The values of ``FIXED`` that matter to these windows, and the model, all as texts.

    ``dim``: the dimension of the embeddings; ``None``: it is not known, and the result does not contain it.
    """
    window = settings.window
    values: dict[str, object] = {
        "format": FORMAT,
        "source.key_field": settings.source.key_field or "unset",
        "source.mask": _mask(settings.source.mask),
        "window.kind": window.kind,
        **_extent(window),
        "window.watermark": window.watermark,
        "window.key_groups": window.key_groups,
        # The values may change. Rows that were not counted by key, or as a sample, cannot be counted later.
        "window.allowed_lateness": "set" if window.allowed_lateness else "zero",
        "window.max_window_rows": "set" if window.max_window_rows else "unset",
        "window.max_window_bytes": "set" if window.max_window_bytes else "unset",
        "score.start": settings.score.start,
        **_reference(settings.score),
        "alert.per": has_budget(settings.alert, window) if settings.score.reference else None,
        "embed.store": settings.embed.store,
        "embedding.dim": dim,
        "model": model,
    }
    return {name: _text(value) for name, value in values.items() if value is not None}


def differences(
    recorded: Mapping[str, str], made_with: Mapping[str, str], fixed: Collection[str]
) -> list[str]:
    """Why a flow with ``made_with`` cannot resume from state with ``recorded``: a phrase for each reason.

    >>> differences({"window.length": "60s"}, {"window.length": "90s"}, ["window.length"])
    ['window.length=60s, and now it is 90s']
    >>> differences({"score.reference": "False"}, {"score.reference": "True"}, ["score.reference"])
    ['score.reference=false, and now it is true']
    """
    if not recorded:
        return ["an older version of driftline, which did not record its settings"]
    names = [name for name in (*recorded, *made_with) if name in fixed]
    return [
        f"{name}={_shown(recorded, name)}, and now it is {_shown(made_with, name)}"
        for name in dict.fromkeys(names)
        if recorded.get(name) != made_with.get(name)
    ]


def read(paths: Sequence[Path]) -> dict[str, str]:
    """What the state of these partitions was made with; empty if the partitions do not record that."""
    for path in paths:
        with reading(path) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone():
                return dict(database.execute(f"SELECT name, value FROM {_TABLE}"))
    return {}


def write(path: Path, made_with: Mapping[str, str]) -> None:
    """Record ``made_with`` in the partition at ``path``."""
    with writing(path) as database:
        database.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        database.execute(f"DELETE FROM {_TABLE}")
        database.executemany(f"INSERT INTO {_TABLE} VALUES (?, ?)", list(made_with.items()))


def identity(path: Path) -> str:
    """The identity of the store that has the partition at ``path``; the first call makes it."""
    with writing(path) as database:
        database.execute(f"CREATE TABLE IF NOT EXISTS {_IDENTITY} (id TEXT NOT NULL)")
        # In one statement, because every process of a cluster may come first.
        database.execute(
            f"INSERT INTO {_IDENTITY} SELECT ? WHERE NOT EXISTS (SELECT 1 FROM {_IDENTITY})", (uuid4().hex,)
        )
        found: str = database.execute(f"SELECT id FROM {_IDENTITY}").fetchone()[0]
        return found


def _extent(window: Window) -> dict[str, object]:
    if window.kind == "session":
        return {"window.gap": window.gap}
    slide = {"window.slide": window.slide} if window.kind == "sliding" else {}
    return {"window.length": window.length, **slide, "window.align_to": window.align_to}


def _reference(score: Score) -> dict[str, object]:
    if not score.reference:
        return {"score.reference": False}
    names = ("reference", "reference_rows", "half_life", "novelty_neighbours")
    values: dict[str, object] = {f"score.{name}": getattr(score, name) for name in names}
    if "surge" not in score.columns:
        # Sampled events know what was near them in their windows only if it was needed then.
        values |= {"score.columns": "without surge", "score.novelty_window": score.novelty_window}
    return values


def _mask(patterns: Sequence[str]) -> str:
    """The patterns as one text. The order of the named ones means nothing, the order of the others does."""
    own = [pattern for pattern in patterns if "=" in pattern]
    return " ".join([*own, *sorted(set(patterns) - set(own))]) or "unset"


def _shown(values: Mapping[str, str], name: str) -> str:
    """The value as a user writes it."""
    value = values.get(name, "unset")
    return value.lower() if value in {"True", "False"} else value


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    return value.isoformat() if isinstance(value, datetime) else str(value)
