"""Records decoded in a test, and what became of them."""

from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from dataflow.decode.batch import decode_batch
from dataflow.items.schemas import Decoded
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from tests.support.batches import raw

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
#: When the records were read.
ARRIVAL = NOW - timedelta(seconds=3)
#: The time of each :func:`line`.
TS = "2026-11-23T11:00:00Z"


def run(
    *records: bytes, format: str = "jsonl", header: bytes | None = None, now: datetime = NOW, **options: Any
) -> Decoded:
    batch = raw(records, format=format, header=header, arrival=ARRIVAL)
    return decode_batch(batch, Settings(source=SourceOptions(**options)), now=now)


def line(**fields: Any) -> bytes:
    """A record of JSON lines with a time and a text, and more ``fields``."""
    return orjson.dumps({"ts": TS, "text": "hello"} | fields)


def event(decoded: Decoded) -> dict[str, Any]:
    """The only event; there is no dead letter."""
    assert decoded.dead_letters.to_pylist() == []
    (row,) = decoded.events.to_pylist()
    found: dict[str, Any] = row
    return found


def rejection(decoded: Decoded) -> tuple[str, str]:
    """The reason and the message of the only dead letter; there is no event."""
    assert decoded.events.num_rows == 0
    (row,) = decoded.dead_letters.to_pylist()
    return row["reason"], row["message"]


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
