"""Load the settings from environment variables and from a TOML file."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dataflow.errors import SettingsError
from dataflow.settings.groups import Settings
from dataflow.settings.log import Log

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The beginning of each variable.
PREFIX = "DRIFTLINE_"
#: The variable that names the TOML file.
CONFIG_VARIABLE = "DRIFTLINE_CONFIG"


def load_log(environ: Mapping[str, str] | None = None) -> Log:
    """Load the ``log`` group alone, so that an error in another group can be logged as the user asked.

    Returns the defaults if the ``log`` group is wrong itself.
    """
    environ = os.environ if environ is None else environ
    group = f"{PREFIX}LOG__"
    values: dict[str, str] = {}
    try:
        if path := environ.get(CONFIG_VARIABLE):
            with contextlib.suppress(SettingsError):
                values = dict(_toml(Path(path)).get("log", {}))
        values |= {
            name.removeprefix(group).lower(): environ[name] for name in environ if name.startswith(group)
        }
        return Log.model_validate(values)
    except (TypeError, ValueError):  # pydantic's ValidationError is a ValueError
        return Log()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Load the settings of this process. ``environ``: the environment variables; unset: those of the process.

    Raises ``SettingsError``, whose text is one line that names the setting.

    >>> load({"DRIFTLINE_WINDOW__LENGTH": "2h"}).window.length
    datetime.timedelta(seconds=7200)
    >>> load({"DRIFTLINE_SCORE__CLUSTERS": "0"})
    Traceback (most recent call last):
    dataflow.errors.SettingsError: DRIFTLINE_SCORE__CLUSTERS='0': Input should be greater than or equal to 1
    """
    environ = os.environ if environ is None else environ
    values: dict[str, dict[str, Any]] = {}
    origin: dict[tuple[str, ...], str] = {}
    if path := environ.get(CONFIG_VARIABLE):
        for stage, fields in _toml(Path(path)).items():
            if stage not in Settings.model_fields:
                raise SettingsError(f"{path}: [{stage}]: no such table; there are {_stages()}")
            if not isinstance(fields, dict):
                raise SettingsError(f"{path}: {stage!r} is not a table; write [{stage}]")
            values[stage] = dict(fields)
            origin |= {(stage, name): f"{path}: {stage}.{name}" for name in fields}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        stage, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
        if not separator or stage not in Settings.model_fields:
            raise SettingsError(
                f"{variable}: no such setting; a name is {PREFIX}<STAGE>__<FIELD>, the stages are {_stages()}"
            )
        values.setdefault(stage, {})[name] = text
        origin[stage, name] = variable
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error, origin)) from None


def changed(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults: ``stage.field`` -> value as text. Secrets are masked.

    >>> changed(load({"DRIFTLINE_SCORE__KIND": "knn", "DRIFTLINE_SCORE__CLUSTERS": "8"}))
    {'score.kind': 'knn'}
    """
    default, groups = Settings(), Settings.model_fields
    return {
        f"{stage}.{name}": _shown(value)
        for stage in groups
        for name, value in getattr(settings, stage)
        if value != getattr(getattr(default, stage), name)
    }


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _stages() -> str:
    return ", ".join(Settings.model_fields)


def _toml(path: Path) -> dict[str, Any]:
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{CONFIG_VARIABLE}={path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{CONFIG_VARIABLE}={path}: not TOML: {error}") from None
    return tables


def _explain(error: ValidationError, origin: Mapping[tuple[str, ...], str]) -> str:
    """The first problem of ``error`` as one line. The value of a secret is never shown."""
    first = error.errors(include_url=False)[0]
    where = tuple(str(part) for part in first["loc"])
    name = origin.get(where[:2], ".".join(where))
    if first["type"] == "extra_forbidden":
        group = Settings.model_fields[where[0]].annotation if where[0] in Settings.model_fields else None
        known = ", ".join(getattr(group, "model_fields", Settings.model_fields))
        return f"{name}: no such setting; there are {known}"
    message = first["msg"].removeprefix("Value error, ")
    shown = "" if "password" in name.lower() or len(where) < 2 else f"={first['input']!r}"
    return f"{name}{shown}: {message}"
