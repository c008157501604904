"""Reads the condition that rows of a table must meet, in a small part of SQL.

::

    level = 'ERROR' and amount >= 10.5 and service in ('payments', 'search') and user is not null

A condition compares a column with a literal: ``= != <> < <= > >=``, ``in (...)``, ``is null``,
``is not null``. ``and`` joins conditions. A name that is not plain is written in double quotes, and a quote
in a text is written twice. A text is read as a value of the type of its column, so it may be a time. A row
where a compared value is null does not meet the condition, as in SQL.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from dataflow.errors import SettingsError

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")+"|[A-Za-z_]\w*)"""
    r"""|(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<sign><=|>=|!=|<>|[=<>(),]))"""
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Predicate(NamedTuple):
    """A condition on rows. ``columns``: the columns that it reads, and their types."""

    expression: Any
    columns: Mapping[str, pa.DataType]


def parse_predicate(text: str, schema: pa.Schema) -> Predicate:
    """Read the condition ``text`` on the columns of ``schema``. Raises ``SettingsError``.

    >>> parse_predicate("n > 3 and n is not null", pa.schema([("n", pa.int64())])).columns
    {'n': DataType(int64)}
    """
    return _Parser(text, schema).read()


class _Parser:
    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._text, self._schema, self._at = text, schema, 0
        self._columns: dict[str, pa.DataType] = {}

    def read(self) -> Predicate:
        expression = self._condition()
        while self._rest():
            self._expect("and")
            expression &= self._condition()
        return Predicate(expression, self._columns)

    def _rest(self) -> str:
        return self._text[self._at :].strip()

    def _fail(self, wanted: str) -> SettingsError:
        here = self._rest()[:30]
        return SettingsError(
            f"delta: filter={self._text!r}: expected {wanted} at {here!r}; "
            "write conditions as in level = 'ERROR' and amount >= 10"
        )

    def _next(self, wanted: str) -> "re.Match[str]":
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._fail(wanted)
        return match

    def _takes(self, word: str) -> bool:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match[0].strip().lower() != word:
            return False
        self._at = match.end()
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._fail(repr(word))

    def _condition(self) -> Any:
        field = self._column()
        if self._takes("is"):
            negated = self._takes("not")
            self._expect("null")
            null = ds.field(field.name).is_null()
            return ~null if negated else null
        if self._takes("in"):
            self._expect("(")
            values = [self._literal(field)]
            while self._takes(","):
                values.append(self._literal(field))
            self._expect(")")
            return ds.field(field.name).isin(pa.array([value.as_py() for value in values], field.type))
        sign = self._next("a comparison")["sign"]
        if sign not in _COMPARE:
            raise self._fail("a comparison")
        self._expect(sign)
        return _COMPARE[sign](ds.field(field.name), self._literal(field))

    def _column(self) -> pa.Field:
        match = self._next("a column")
        if not match["name"]:
            raise self._fail("a column")
        name = match["name"]
        if name.startswith('"'):
            name = name[1:-1].replace('""', '"')
        if name not in self._schema.names:
            known = ", ".join(self._schema.names)
            raise SettingsError(f"delta: filter={self._text!r}: no column {name!r}; the table has {known}")
        self._at = match.end()
        field = self._schema.field(name)
        self._columns[name] = field.type
        return field

    def _literal(self, field: pa.Field) -> pa.Scalar:
        match = self._next("a value")
        token = match[0].strip()
        if match["text"]:
            token = match["text"][1:-1].replace("''", "'")
        elif not match["number"] and token.lower() not in ("true", "false"):
            raise self._fail("a value")
        try:
            value = pa.scalar(token).cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise SettingsError(
                f"delta: filter={self._text!r}: {token!r} is not a value of {field.name}, a {field.type}"
            ) from None
        self._at = match.end()
        return value
