"""Load the settings from environment variables and from a TOML file."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from dataflow.errors import SettingsError
from dataflow.settings.groups import STAGES, Settings
from dataflow.settings.log import Log

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The beginning of each variable.
PREFIX = "DRIFTLINE_"
#: The variable that names the TOML file.
CONFIG_VARIABLE = "DRIFTLINE_CONFIG"

#: Where a setting is: ``("profile",)``, or the stage and the field.
Place = tuple[str, ...]


class Given(NamedTuple):
    """A value that the user wrote. ``origin``: the variable, or the file and the field."""

    value: Any
    origin: str


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
                values = dict(_toml(Path(path), "").get("log", {}))
        values |= {
            name.removeprefix(group).lower(): environ[name] for name in environ if name.startswith(group)
        }
        return Log.model_validate(values)
    except (TypeError, ValueError):  # pydantic's ValidationError is a ValueError
        return Log()


def load(environ: Mapping[str, str] | None = None, *, config: Path | None = None) -> Settings:
    """Load the settings of this process. ``environ``: the environment variables; unset: those of the process.
    ``config``: the TOML file, in place of the one that ``DRIFTLINE_CONFIG`` names.

    Raises ``SettingsError``, whose text is one line that names the setting.

    >>> load({"DRIFTLINE_WINDOW__LENGTH": "2h"}).window.length
    datetime.timedelta(seconds=7200)
    >>> load({"DRIFTLINE_SCORE__CLUSTERS": "0"})
    Traceback (most recent call last):
    dataflow.errors.SettingsError: DRIFTLINE_SCORE__CLUSTERS='0': Input should be greater than or equal to 1
    """
    environ = os.environ if environ is None else environ
    if config:
        given = _in_file(config, "")
    else:
        path = environ.get(CONFIG_VARIABLE)
        given = _in_file(Path(path), f"{CONFIG_VARIABLE}=") if path else {}
    given |= _in_variables(environ)
    values: dict[str, Any] = {}
    for (*stage, name), (value, _) in given.items():
        (values.setdefault(stage[0], {}) if stage else values)[name] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        origin = {place: each.origin for place, each in given.items()}
        raise SettingsError(_explain(error, origin)) from None


def _in_file(path: Path, said: str) -> dict[Place, Given]:
    given: dict[Place, Given] = {}
    for stage, fields in _toml(path, said).items():
        if stage not in Settings.model_fields:
            raise SettingsError(
                f"{path}: {stage!r}: no such setting; there are profile, and the tables {_stages()}"
            )
        if stage not in STAGES:
            given[(stage,)] = Given(fields, f"{path}: {stage}")
        elif isinstance(fields, dict):
            given |= {(stage, name): Given(fields[name], f"{path}: {stage}.{name}") for name in fields}
        else:
            raise SettingsError(f"{path}: {stage!r} is not a table; write [{stage}]")
    return given


def _in_variables(environ: Mapping[str, str]) -> dict[Place, Given]:
    given: dict[Place, Given] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        place = tuple(variable.removeprefix(PREFIX).lower().split("__", 1))
        if place[0] not in Settings.model_fields or len(place) != 1 + (place[0] in STAGES):
            raise SettingsError(
                f"{variable}: no such setting; a name is {PREFIX}PROFILE or {PREFIX}<STAGE>__<FIELD>, "
                f"the stages are {_stages()}"
            )
        given[place] = Given(text, variable)
    return given


def changed(settings: Settings) -> dict[str, str]:
    """The settings that differ from the defaults of their profile: ``profile`` or ``stage.field`` -> value as
    text. Secrets are masked.

    >>> changed(load({"DRIFTLINE_SCORE__KIND": "knn", "DRIFTLINE_SCORE__CLUSTERS": "8"}))
    {'score.kind': 'knn'}
    >>> changed(load({"DRIFTLINE_PROFILE": "logs", "DRIFTLINE_SCORE__EVIDENCE": "sum"}))
    {'profile': 'logs', 'score.evidence': 'sum'}
    """
    default = Settings(profile=settings.profile)
    profile = {} if settings.profile == Settings().profile else {"profile": settings.profile}
    return profile | {
        f"{stage}.{name}": _shown(value)
        for stage in STAGES
        for name, value in getattr(settings, stage)
        if value != getattr(getattr(default, stage), name)
    }


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _stages() -> str:
    return ", ".join(STAGES)


def _toml(path: Path, said: str) -> dict[str, Any]:
    """The tables of a file. ``said``: what an error says before the path."""
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{said}{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{said}{path}: not TOML: {error}") from None
    return tables


def _is_secret(place: Place) -> bool:
    stage, *field = place
    fields = STAGES[stage].model_fields if stage in STAGES else {}
    return any("SecretStr" in str(fields[name].annotation) for name in field if name in fields)


def _explain(error: ValidationError, origin: Mapping[Place, str]) -> str:
    """The first problem of ``error`` as one line. The value of a secret is never shown."""
    first = error.errors(include_url=False)[0]
    where = tuple(str(part) for part in first["loc"])
    place = where[:2]
    name = origin.get(place, ".".join(where))
    if first["type"] == "extra_forbidden":
        return f"{name}: no such setting; there are {', '.join(STAGES[where[0]].model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    shown = f"={first['input']!r}" if place in origin and not _is_secret(place) else ""
    # A problem of several stages together names the settings itself.
    return f"{name}{shown}: {message}" if name else message
