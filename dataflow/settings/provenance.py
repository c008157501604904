"""Which settings made rows: text that a file of rows holds, so that a backtest can compare the settings."""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from dataflow.settings.groups import Settings

#: The key of the metadata of a Parquet file.
METADATA = b"driftline.settings"
#: The settings that decide what rows say, beside the embeddings, which the rows have. None is a secret.
_GROUPS: Any = {"source": {"mask"}, "window": True, "score": True, "drift": True, "alert": True}

#: Stage -> field -> value, as JSON has it.
Provenance: TypeAlias = dict[str, dict[str, Any]]


def provenance(settings: Settings) -> Provenance:
    """The settings that decide what rows say.

    >>> provenance(Settings())["window"]["length"]
    'PT10M'
    """
    found: Provenance = settings.model_dump(mode="json", include=_GROUPS)
    return found


def to_metadata(settings: Settings) -> dict[bytes, bytes]:
    """The metadata of a Parquet file with rows that ``settings`` made."""
    return {METADATA: json.dumps(provenance(settings), separators=(",", ":")).encode()}


def of_metadata(metadata: dict[bytes, bytes] | None) -> Provenance | None:
    """What :func:`to_metadata` wrote; ``None``: the file does not say which settings made it.

    >>> of_metadata(to_metadata(Settings())) == provenance(Settings())
    True
    """
    text = (metadata or {}).get(METADATA)
    found: Provenance | None = json.loads(text) if text else None
    return found


def differences(recorded: Provenance, settings: Settings) -> dict[str, tuple[Any, Any]]:
    """``stage.field`` -> the recorded value, and that of ``settings``, for each setting that differs.

    A setting that this version has and the recorded one did not have counts as its default there.

    >>> from dataflow.settings.load import load
    >>> differences(provenance(Settings()), load({"DRIFTLINE_ALERT__BUDGET": "5/d"}))
    {'alert.budget': ('20/d', '5/d')}
    """
    return dict(_differences(recorded, provenance(settings), provenance(Settings())))


def _differences(
    recorded: Provenance, now: Provenance, default: Provenance
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for stage, fields in now.items():
        before = {**default[stage], **recorded.get(stage, {})}
        for name in [*fields, *(before.keys() - fields.keys())]:
            if before[name] != fields.get(name):
                yield f"{stage}.{name}", (before[name], fields.get(name))
