"""What the state in a recovery store depends on: a restart does not go on with state that does not fit."""

from datetime import datetime, timedelta

from dataflow.settings import Settings, Window

#: Counts up when the state that the steps write changes its form.
FORMAT = 2

#: State that was made with another value of one of these cannot go on. The model is not among them: rows that
#: another model of the same dimension embedded are embedded again (:func:`dataflow.embed.batch.one_version`).
FIXED = (
    "format",
    "source.key_field",
    "window.kind",
    "window.length",
    "window.slide",
    "window.align_to",
    "window.gap",
    "window.max_window_rows",
    "embedding.dim",
)


def made_with(settings: Settings, *, dim: int | None, model: str) -> dict[str, str]:
    """Names in ``FIXED``, as far as they matter to this kind of windows, and the model, as texts.

    ``dim``: ``None`` where the model is not known; then the result says nothing about the dimension.
    """
    window = settings.window
    values: dict[str, object] = {
        "format": FORMAT,
        "source.key_field": settings.source.key_field or "unset",
        "window.kind": window.kind,
        **_extent(window),
        # A sample of another size goes on; rows that were not counted as a sample do not become one.
        "window.max_window_rows": "set" if window.max_window_rows else "unset",
        "embedding.dim": dim,
        "model": model,
    }
    return {name: _text(value) for name, value in values.items() if value is not None}


def _extent(window: Window) -> dict[str, object]:
    if window.kind == "session":
        return {"window.gap": window.gap}
    slide = {"window.slide": window.slide} if window.kind == "sliding" else {}
    return {"window.length": window.length, **slide, "window.align_to": window.align_to}


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    return value.isoformat() if isinstance(value, datetime) else str(value)
