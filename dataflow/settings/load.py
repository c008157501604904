"""Every setting of the dataflow: one frozen object, a group a stage.

Read from ``DRIFTLINE_<STAGE>__<FIELD>`` variables, and from the TOML file that ``DRIFTLINE_CONFIG``
names (tables are stages; a variable wins over the file). Unknown names are refused. This is the only
module that reads the environment.
"""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from dataflow.errors import SettingsError
from dataflow.settings.groups import Log, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The beginning of each variable.
PREFIX = "DRIFTLINE_"
#: The variable that names the TOML file.
CONFIG_VARIABLE = "DRIFTLINE_CONFIG"


def load_log(environ: Mapping[str, str] | None = None) -> Log:
    """The ``log`` group alone, to say what is wrong with the others; its defaults if it is wrong itself."""
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
    except (TypeError, ValueError):  # of pydantic, too
        return Log()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises ``SettingsError``, its text one line naming the setting."""
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
                f"{variable}: no such setting; names are {PREFIX}<STAGE>__<FIELD>, stages {_stages()}"
            )
        values.setdefault(stage, {})[name] = text
        origin[stage, name] = variable
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error, origin)) from None


def changed(settings: Settings) -> dict[str, str]:
    """``stage.field`` -> value, of those that are not at their default; secrets are masked."""
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
    """The first problem of ``error`` as one line; a secret's value is never shown."""
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
