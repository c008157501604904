"""The reference of settings, from the classes of ``dataflow.settings``."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from sphinx.pycode import ModuleAnalyzer

from dataflow.score.scorers import SCORERS, open_scorer
from dataflow.settings import PREFIX, Score, Settings
from docs.extensions.markdown import duration, markdown, table

SETTINGS = f"""\
# Settings

Each setting is a variable `{PREFIX}<STAGE>__<FIELD>`, such as `{PREFIX}WINDOW__LENGTH=10m`, or a field in
a table `[stage]` of the TOML file that `DRIFTLINE_CONFIG` names. A variable wins over the file. An unknown
name, a bad value or a bad file ends the start with one line and exit code 2.

A duration is `10m`, `90s`, `1h30m`, `250ms`, `2d` or ISO 8601 (`PT10M`). A flag is `true` or `false`.
The items of a list are separated by blanks; in TOML they may be a list of strings.
[Sources and sinks](../guides/sources-and-sinks.md) explains URIs, the fields of a record and the formats of
times. [Time and windows](../explanation/time.md) explains windows,
[scores and the reference](../explanation/scores.md) explains what `score.reference` and
`score.start` add.

Workers, processes, recovery and snapshots are flags of Bytewax itself: see [command lines](commands.md).
"""

SCORERS_INTRODUCTION = """
### Scorers

`DRIFTLINE_SCORE__KIND` is one of these names, or `module:function`. A higher score is more anomalous.

"""


def settings_page() -> str:
    """The text of docs/reference/settings.md."""
    sections = [
        f"\n## {stage}\n\n{markdown(group.annotation.__doc__ or '')}\n\n{_fields(stage, group.annotation)}"
        + (_scorers() if stage == "score" else "")
        for stage, group in Settings.model_fields.items()
        if isinstance(group.annotation, type) and issubclass(group.annotation, BaseModel)
    ]
    return SETTINGS + "".join(sections)


def _fields(stage: str, group: type[BaseModel]) -> str:
    docs = ModuleAnalyzer.for_module(group.__module__).find_attr_docs()
    rows = [
        (
            f"`{PREFIX}{stage}__{name}`".upper(),
            _type(field.annotation, field),
            _default(field.get_default(call_default_factory=True)),
            markdown(" ".join(docs[group.__name__, name])),
        )
        for name, field in group.model_fields.items()
    ]
    return table(("variable", "type", "default", "meaning"), rows)


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
