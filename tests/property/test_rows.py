"""The values of a table's rows come out of the decode step as they went in, whatever their type."""

import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import reduce
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.source.rows import json_records
from tests.support.decoding import event, rejection, run

UTC = timezone.utc


@dataclass(frozen=True)
class Kind:
    """An Arrow type, the Python values of a column of this type, and the JSON value of each."""

    type: pa.DataType
    values: st.SearchStrategy[Any]
    json: Callable[[Any], Any] = lambda value: value

    def of(self, value: Any) -> Any:
        return None if value is None else self.json(value)


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(raw).decode()}


def written(spec: str, end: str = "") -> Callable[[datetime], str]:
    return lambda at: at.replace(tzinfo=None).isoformat(timespec=spec) + end


local = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
in_utc = local.map(lambda at: at.replace(tzinfo=UTC))
to_ms = local.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
texts, binaries = st.text(max_size=8), st.binary(max_size=8)
ints = st.integers(-(2**63), 2**63 - 1)
longest = timedelta(microseconds=2**63 - 1)
durations = st.timedeltas(-longest, longest)
decimals = st.decimals(1 - 10**7, 10**7 - 1, places=3).map(lambda value: value.quantize(Decimal("0.001")))

SCALARS = [
    Kind(pa.bool_(), st.booleans()),
    Kind(pa.int8(), st.integers(-128, 127)),
    Kind(pa.int64(), ints),
    Kind(pa.uint64(), st.integers(0, 2**64 - 1)),
    Kind(pa.float32(), st.floats(width=32), finite),
    Kind(pa.float64(), st.floats(), finite),
    *(Kind(type, texts) for type in (pa.string(), pa.large_string(), pa.string_view())),
    *(Kind(type, binaries, text) for type in (pa.binary(), pa.large_binary(), pa.binary_view())),
    Kind(pa.binary(2), st.binary(min_size=2, max_size=2), text),
    Kind(pa.timestamp("s"), local.map(lambda at: at.replace(microsecond=0)), written("seconds")),
    Kind(pa.timestamp("ms"), to_ms, written("milliseconds")),
    Kind(pa.timestamp("us"), local, written("microseconds")),
    Kind(pa.timestamp("us", "UTC"), in_utc, written("microseconds", "Z")),
    Kind(pa.timestamp("us", "Europe/Zurich"), in_utc, written("microseconds", "Z")),
    Kind(pa.date32(), st.dates(), date.isoformat),
    Kind(pa.time64("us"), st.times(), lambda at: at.isoformat(timespec="microseconds")),
    Kind(pa.time32("s"), st.builds(time, st.integers(0, 23), st.integers(0, 59)), time.isoformat),
    Kind(pa.duration("us"), durations, timedelta.total_seconds),
    Kind(pa.decimal128(10, 3), decimals, str),
    Kind(pa.decimal256(50, 3), decimals, str),
    Kind(pa.null(), st.none()),
]


def maybe(kind: Kind) -> st.SearchStrategy[Any]:
    return st.none() | kind.values


def struct(fields: dict[str, Kind]) -> Kind:
    return Kind(
        pa.struct([(name, kind.type) for name, kind in fields.items()]),
        st.fixed_dictionaries({name: maybe(kind) for name, kind in fields.items()}),
        lambda row: {name: kind.of(row[name]) for name, kind in fields.items()},
    )


def list_of(make: Callable[[pa.DataType], pa.DataType]) -> Callable[[Kind], Kind]:
    return lambda kind: Kind(
        make(kind.type), st.lists(maybe(kind), max_size=3), lambda row: [kind.of(value) for value in row]
    )


def fixed_list(kind: Kind) -> Kind:
    return Kind(
        pa.list_(kind.type, 2),
        st.lists(maybe(kind), min_size=2, max_size=2),
        lambda row: [kind.of(value) for value in row],
    )


def map_of(kind: Kind) -> Kind:
    return Kind(
        pa.map_(pa.string(), kind.type),
        st.dictionaries(texts, maybe(kind), max_size=3).map(lambda row: list(row.items())),
        lambda row: {key: kind.of(value) for key, value in row},
    )


def nest(kinds: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    wraps = [map_of, fixed_list, *map(list_of, (pa.list_, pa.large_list, pa.list_view, pa.large_list_view))]
    wrapped = st.builds(lambda wrap, kind: wrap(kind), st.sampled_from(wraps), kinds)
    return wrapped | st.dictionaries(texts, kinds, max_size=3).map(struct)


kinds = st.recursive(st.sampled_from(SCALARS), nest, max_leaves=4)
columns = kinds.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(maybe(kind), max_size=6)))


@given(columns, st.integers(0, 2))
@example((map_of(struct({"no value": SCALARS[-1]})), [[("a", {"no value": None})]] * 2), 1)
def test_each_value_comes_out_of_decode_as_it_went_in(column: tuple[Kind, list[Any]], first: int) -> None:
    kind, values = column
    array = pa.array(values, kind.type)
    batch = pa.record_batch({"x": array, "text": pa.array(["t"] * len(values), pa.string())}).slice(first)
    decoded = run(*json_records(batch), ts_field="")
    assert decoded.dead_letters.num_rows == 0
    found = [orjson.loads(row) for row in decoded.events["attributes"].to_pylist()]
    assert found == [{"x": kind.of(value)} for value in values[first:]]


@given(st.lists(st.none() | texts), st.lists(st.none() | ints))
def test_an_encoded_column_has_the_records_of_its_values(words: list[Any], numbers: list[Any]) -> None:
    for values in (pa.array(words, pa.string()), pa.array(numbers, pa.int64())):
        plain = json_records(pa.record_batch({"x": values}))
        for encoded in (values.dictionary_encode(), pc.run_end_encode(values)):
            assert json_records(pa.record_batch({"x": encoded})) == plain


@given(st.lists(st.none() | st.uuids()))
def test_an_extension_is_its_storage_and_a_uuid_is_a_string(values: list[UUID | None]) -> None:
    storage = pa.array([value and value.bytes for value in values], pa.binary(16))
    rows = json_records(pa.record_batch({"x": pa.ExtensionArray.from_storage(pa.uuid(), storage)}))
    assert [orjson.loads(row)["x"] for row in rows] == [value and str(value) for value in values]
    words = pa.array([value and str(value) for value in values], pa.string())
    rows_of_json = json_records(pa.record_batch({"x": pa.ExtensionArray.from_storage(pa.json_(), words)}))
    assert rows_of_json == rows


@given(in_utc.filter(lambda at: at.year < 2026))
def test_a_time_with_a_zone_is_the_time_of_the_event(at: datetime) -> None:
    batch = pa.record_batch({"ts": pa.array([at], pa.timestamp("us", "Asia/Tokyo")), "text": ["t"]})
    assert event(run(*json_records(batch), ts_zone="Europe/Zurich"))["ts"] == at


def test_a_time_without_a_zone_is_in_the_zone_of_the_settings() -> None:
    at = datetime(2026, 7, 1, 12, 0, 0, 5)
    batch = pa.record_batch({"ts": pa.array([at], pa.timestamp("ns")), "text": ["t"]})
    decoded = event(run(*json_records(batch), ts_zone="Europe/Zurich"))
    assert decoded["ts"] == datetime(2026, 7, 1, 10, 0, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
def test_a_time_that_no_calendar_has_is_a_bad_time(unit: str, number: int) -> None:
    ts = pa.array([number], pa.int64()).view(pa.timestamp(unit))
    assert rejection(run(*json_records(pa.record_batch({"ts": ts, "text": ["t"]}))))[0] == "bad_time"


def test_keys_of_a_map_that_are_no_strings_are_json() -> None:
    keys = [(1, "a"), (2, None)]
    batch = pa.record_batch({"x": pa.array([keys, None], pa.map_(pa.int64(), pa.string()))})
    assert json_records(batch) == [b'{"x":{"1":"a","2":null}}', b'{"x":null}']


def test_a_string_that_is_not_utf8_is_base64() -> None:
    ends = reduce(lambda found, size: [*found, found[-1] + size], [2, 3], [0])
    buffers = [None, pa.py_buffer(pa.array(ends, pa.int32()).buffers()[1]), pa.py_buffer(b"ok\xff\xfe\xfd")]
    batch = pa.record_batch({"x": pa.Array.from_buffers(pa.string(), 2, buffers)})
    assert json_records(batch) == [b'{"x":"ok"}', b'{"x":{"base64":"//79"}}']


def test_rows_without_columns_are_empty_objects() -> None:
    rows = pa.record_batch({"x": [1, 2]}).select([])
    assert json_records(rows) == [b"{}"] * rows.num_rows
