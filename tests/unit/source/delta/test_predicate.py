"""Conditions on rows: read as SQL reads them, and refused in one line."""

import operator
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import SettingsError
from dataflow.source.delta.predicate import parse_predicate

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
NUMBERS, WORDS = st.integers(-3, 3), st.sampled_from(["", "a", "b'c", "and"])
VALUES = {"n": NUMBERS, 'a "word"': WORDS}
SCHEMA = pa.schema([("n", pa.int64()), ('a "word"', pa.string())])
Row = dict[str, Any]
#: The text of a condition, and whether a row meets it.
Condition = tuple[str, Callable[[Row], bool]]


def quoted(name: str) -> str:
    return name if name.isidentifier() else '"{}"'.format(name.replace('"', '""'))


def literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else "'{}'".format(value.replace("'", "''"))


def compared(name: str, sign: str, value: Any) -> Condition:
    def meets(row: Row) -> bool:
        return row[name] is not None and SIGNS[sign](row[name], value)

    return f"{quoted(name)}{sign}{literal(value)}", meets


def one_of(name: str, values: list[Any]) -> Condition:
    return f"{quoted(name)} IN ({', '.join(map(literal, values))})", lambda row: row[name] in values


def null(name: str, negated: bool) -> Condition:
    text = f"{quoted(name)} is {'not ' * negated}null"
    return text, lambda row: (row[name] is None) != negated


names = st.sampled_from(list(VALUES))
conditions = names.flatmap(
    lambda name: st.one_of(
        st.builds(compared, st.just(name), st.sampled_from(list(SIGNS)), VALUES[name]),
        st.builds(one_of, st.just(name), st.lists(VALUES[name], min_size=1, max_size=3)),
        st.builds(null, st.just(name), st.booleans()),
    )
)
rows = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


@given(st.lists(conditions, min_size=1, max_size=3), st.lists(rows, max_size=8))
def test_the_rows_that_meet_a_condition_are_found(joined: list[Condition], table: list[Row]) -> None:
    predicate = parse_predicate(" and ".join(text for text, _ in joined), SCHEMA)
    found = pa.Table.from_pylist(table, SCHEMA).filter(predicate.expression).to_pylist()
    assert found == [row for row in table if all(meets(row) for _, meets in joined)]


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (
            pa.timestamp("us", "UTC"),
            "'2026-11-23T12:00:00+01:00'",
            datetime(2026, 11, 23, 11, tzinfo=timezone.utc),
        ),
        (pa.timestamp("us"), "'2026-11-23 11:00:00'", datetime(2026, 11, 23, 11)),
        (pa.date32(), "'2026-11-23'", date(2026, 11, 23)),
        (pa.decimal128(10, 2), "1.50", Decimal("1.50")),
        (pa.float64(), "-1e3", -1000.0),
        (pa.bool_(), "true", True),
        (pa.string(), "7", "7"),
    ],
)
def test_a_value_is_read_as_the_type_of_its_column(type: pa.DataType, text: str, value: Any) -> None:
    table = pa.table({"c": pa.array([value, None], type)})
    assert table.filter(parse_predicate(f"c = {text}", table.schema).expression).num_rows == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a column at ''"),
        ("n", "expected a comparison at ''"),
        ("n =", "expected a value at ''"),
        ("n = other", "expected a value at 'other'"),
        ("n = 'x'", "'x' is not a value of n, a int64"),
        ("n = 1 or n = 2", "expected 'and' at 'or n = 2'"),
        ("n in 1", "expected '(' at '1'"),
        ("n in (1", "expected ')' at ''"),
        ("n is 3", "expected 'null' at '3'"),
        ("m = 1", "no column 'm'; the table has n, a"),
        ("n = 1; drop", "expected 'and' at '; drop'"),
        ("(n = 1)", "expected a column at '(n = 1)'"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_predicate(text, SCHEMA)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
