"""The reference of settings, from the classes of ``dataflow.settings``."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from sphinx.pycode import ModuleAnalyzer

from dataflow.score.scorers import SCORERS, open_scorer
from dataflow.settings import PREFIX, PROFILES, STAGES, Score, Settings
from dataflow.settings.group import Group
from docs.extensions.markdown import duration, markdown, table

#: The head of a table of settings.
HEAD = ("variable", "type", "default", "meaning")

SETTINGS = f"""\
# Settings

Each setting is a variable `{PREFIX}<STAGE>__<FIELD>`, such as `{PREFIX}WINDOW__LENGTH=10m`, or a field in
a table `[stage]` of the TOML file that `DRIFTLINE_CONFIG` names. A variable wins over the file. A setting
that is in neither has the default of the [profile](#profile). An unknown name, a bad value or a bad file ends
the start with one line and exit code 2.

A duration is `10m`, `90s`, `1h30m`, `250ms`, `2d` or ISO 8601 (`PT10M`). A flag is `true` or `false`.
The items of a list are separated by blanks; in TOML they may be a list of strings.
[Sources and sinks](../guides/sources-and-sinks.md) explains URIs, the fields of a record and the formats of
times. [Time and windows](../explanation/time.md) explains windows,
[scores and the reference](../explanation/scores.md) explains what `score.reference` adds.

Workers, processes, recovery and snapshots are flags of Bytewax itself: see [command lines](commands.md).
"""

PROFILE = """
## profile

The profile is a variable, or `profile = "logs"` at the top of the TOML file, above the first table.
[Prose or logs](../explanation/scores.md#prose-or-logs) says which one to choose.

"""

PROFILES_INTRODUCTION = """
The defaults that depend on the profile:

"""

SCORERS_INTRODUCTION = """
### Scorers

`DRIFTLINE_SCORE__KIND` is one of these names, or `module:function`. A higher score is more anomalous.

"""


def settings_page() -> str:
    """The text of docs/reference/settings.md."""
    top = [_row("", Settings, name) for name in Settings.model_fields if name not in STAGES]
    profile = PROFILE + table(HEAD, top) + PROFILES_INTRODUCTION + _profiles()
    sections = [
        f"\n## {stage}\n\n{markdown(group.__doc__ or '')}\n\n"
        + table(HEAD, (_row(f"{stage}__", group, name) for name in group.model_fields))
        + (_scorers() if stage == "score" else "")
        for stage, group in STAGES.items()
    ]
    return SETTINGS + profile + "".join(sections)


def _row(prefix: str, group: type[Group], name: str) -> tuple[str, ...]:
    docs = ModuleAnalyzer.for_module(group.__module__).find_attr_docs()
    field = group.model_fields[name]
    return (
        f"`{PREFIX}{prefix}{name}`".upper(),
        _type(field.annotation, field),
        _default(field.get_default(call_default_factory=True)),
        markdown(" ".join(docs[group.__name__, name])),
    )


def _profiles() -> str:
    """The settings whose defaults depend on the profile."""
    settings = [Settings.model_validate({"profile": name}) for name in PROFILES]
    places = dict.fromkeys(
        (stage, field) for profile in PROFILES.values() for stage in profile for field in profile[stage]
    )
    rows = [
        (f"`{stage}.{field}`", *(_default(getattr(getattr(each, stage), field)) for each in settings))
        for stage, field in places
    ]
    return table(("setting", *(f"`{name}`" for name in PROFILES)), rows)


def _type(annotation: Any, field: FieldInfo) -> str:
    """A short name of the type, or the values that are allowed."""
    options = [option for option in get_args(annotation) if option is not type(None)]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{option}`" for option in options)
    if type(None) in get_args(annotation):
        return _type(options[0], field)
    if get_origin(annotation) is tuple:
        return "list"
    bases = get_args(annotation)[:1] or (annotation,)
    names = {
        bool: "flag",
        int: "integer",
        float: "number",
        str: "string",
        timedelta: "duration",
        datetime: "time",
        Path: "path",
        SecretStr: "secret",
    }
    return names[bases[0]]


def _default(value: Any) -> str:
    if value is None or value == ():
        return "unset"
    if isinstance(value, timedelta):
        return f"`{duration(value)}`"
    if isinstance(value, datetime):
        return f"`{value:%Y-%m-%dT%H:%M:%SZ}`"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    if isinstance(value, tuple):
        return f"`{' '.join(value)}`"
    return f"`{value}`"


def _scorers() -> str:
    rows = [(f"`{name}`", markdown(type(open_scorer(Score(kind=name))).__doc__ or "")) for name in SCORERS]
    return SCORERS_INTRODUCTION + table(("name", "score"), rows)
