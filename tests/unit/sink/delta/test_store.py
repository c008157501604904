"""Tables in an object store: a sink writes, a source follows, and both wait while the store is away."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from dataflow.errors import SourceError, UnreachableError
from dataflow.settings import Delta, Settings, Source
from dataflow.sink import open_sink
from dataflow.source import open_source
from tests.support.delta_sinks import late
from tests.support.object_store import ObjectStore, object_store
from tests.support.sources import NOW, rows

URI = "delta:s3://bucket/deep/late"


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


def settings(store: ObjectStore, uri: str = URI) -> Settings:
    options: Any = {"storage_options": store.options, "append_every": timedelta(0), "poll_interval": "1ms"}
    return Settings(delta=Delta(**options), source=Source(uri=uri, id_field="id"))


def writing(store: ObjectStore, state: Any = None) -> Any:
    sink: Any = open_sink(URI, settings(store), stream="late", store="s")
    return sink.build_part("s", sink.list_parts()[0], state)


def reading(store: ObjectStore, options: str = "") -> Any:
    source: Any = open_source(settings(store, URI + options), clock=lambda: NOW, check_format=lambda *_: None)
    return source.build_part("s", source.list_parts()[0], None)


def ids(part: Any, batches: int = 10_000) -> list[str]:
    return [json.loads(raw)["id"] for _, raw in rows(part, batches)]


def test_rows_go_to_the_store_and_come_from_it(store: ObjectStore) -> None:
    sink = writing(store)
    sink.write_batch([late("a", "b")])
    state = sink.snapshot()
    sink.write_batch([late("c")])
    sink.snapshot()
    resumed = writing(store, state)
    resumed.write_batch([late("d", "c")])
    resumed.snapshot()
    assert ids(reading(store, "?tail=false")) == ["a", "b", "c", "d"]
    assert ids(reading(store, "?tail=false&filter=id > 'a' and id <= 'c'&columns=")) == ["b", "c"]
    assert ids(reading(store, "?tail=false&start=2000-01-01")) == ["a", "b", "c", "d"]
    assert store.users() == {"me"}


def test_a_table_in_the_store_is_followed(store: ObjectStore) -> None:
    sink = writing(store)
    sink.write_batch([late("a")])
    sink.snapshot()
    source = reading(store)
    assert ids(source, 5) == ["a"]
    sink.write_batch([late("b")])
    sink.snapshot()
    assert ids(source, 50) == ["b"]


def test_both_wait_while_the_store_is_away(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = writing(store)
    sink.write_batch([late("a")])
    sink.snapshot()
    source = reading(store)
    store.set_away(True)
    assert ids(source, 20) == []
    slept = []

    def come_back(seconds: float) -> None:
        slept.append(seconds)
        store.set_away(len(slept) < 3)

    monkeypatch.setattr(sink._table._outage, "_sleep", come_back)
    sink.write_batch([late("b")])
    sink.snapshot()
    assert len(slept) == 3
    assert ids(source, 50) == ["a", "b"]


def test_a_table_is_compacted_and_vacuumed_in_the_store(store: ObjectStore, tmp_path: Path) -> None:
    sink = writing(store)
    for each in "abc":
        sink.write_batch([late(each)])
        sink.snapshot()
    table = DeltaTable("s3://bucket/deep/late", storage_options=store.options)
    assert table.optimize.compact()["numFilesRemoved"] == 3
    sink.write_batch([late("d")])
    sink.snapshot()
    assert sorted(ids(reading(store, "?tail=false&start=snapshot"))) == ["a", "b", "c", "d"]


def test_at_the_start_a_store_that_is_away_is_unreachable(
    store: ObjectStore,
) -> None:
    with pytest.raises(SourceError, match="no Delta table"):
        reading(store)
    store.set_away(True)
    for start in (reading, writing):
        with pytest.raises(UnreachableError) as caught:
            start(store)
        assert "sesame" not in str(caught.value)
