"""An incident is true if more than half of its examples have a label."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.backtest.incidents import Incident
from dataflow.backtest.precision import Precision, by_label, precision
from dataflow.backtest.recorded import Recorded, open_recorded
from dataflow.errors import SettingsError
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import SCORED

LABELS = {"1": "burst", "2": True, "3": None, "4": False, "5": 0, "6": ""}


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    row = {"key": "k", "window_start": 0, "window_end": 1, "revision": 0, "ts": 0, "text": "", "score": 0.0}
    row |= {"cluster": 0, "model": "m", "model_version": "1", "embedding": [0.0]}
    rows = [row | {"id": id, "attributes": json.dumps({"label": label})} for id, label in LABELS.items()]
    rows.append(row | {"id": "1", "key": "other", "attributes": "{}"})
    table = pa.Table.from_pylist(rows, schema=pa.schema([*SCORED, embedding_field(1)]))
    pq.write_table(table, tmp_path / "a.parquet")
    return open_recorded(str(tmp_path))


def incident(ids: str, key: str = "k", state: str = "closed") -> Incident:
    return Incident(
        ids, "events", key, state, 0, 0, 0, 1, 2.0, "m", None, tuple({"id": each} for each in ids)
    )


@pytest.mark.parametrize(
    ("ids", "is_true"),
    [("12", True), ("123", True), ("13", False), ("3456", False), ("9", None), ("19", True)],
)
def test_more_than_half_of_the_known_examples_have_a_label(
    recorded: Recorded, ids: str, is_true: bool | None
) -> None:
    assert by_label(recorded, "label", [incident(ids)])(incident(ids)) is is_true


def test_an_event_of_another_key_is_another_event(recorded: Recorded) -> None:
    found = [incident("1"), incident("1", key="other")]
    judge = by_label(recorded, "label", found)
    assert [judge(each) for each in found] == [True, False]


def test_incidents_that_are_no_more_do_not_count(recorded: Recorded) -> None:
    found = [incident("1"), incident("3"), incident("9"), incident("3", state="merged")]
    judged = precision([*found, incident("3", state="withdrawn")], by_label(recorded, "label", found))
    assert judged == Precision(true=1, false=1, unknown=1)
    assert judged.share == 0.5


def test_an_attribute_that_no_event_has_is_refused(recorded: Recorded) -> None:
    with pytest.raises(
        SettingsError, match=r"^--labels colour: the events have no such attribute; there are label$"
    ):
        by_label(recorded, "colour", [incident("12")])
