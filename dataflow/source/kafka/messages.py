"""Messages of Kafka as record batches."""

from collections.abc import Collection
from typing import Any

import orjson
import pyarrow as pa

from dataflow.clock import Clock
from dataflow.source.batching import raw_batch
from dataflow.telemetry import metrics


class Messages:
    """Makes batches of ``schema``.

    ``headers``: the names of the headers that are passed on; ``*`` means all. ``skip_tombstones``: whether
    messages without a value are left out, and counted; otherwise each is an empty record.
    """

    def __init__(
        self, schema: pa.Schema, clock: Clock, headers: Collection[str], *, skip_tombstones: bool
    ) -> None:
        self._schema, self._clock, self._skip = schema, clock, skip_tombstones
        self._all_headers, self._headers = "*" in headers, frozenset(headers)

    def batch(self, partition: str, messages: list[Any]) -> pa.RecordBatch | None:
        """The batch of ``messages``, at least one; ``None`` if all of them are left out."""
        if self._skip:
            with_value = [m for m in messages if m.value() is not None]
            metrics.TOMBSTONES.inc(len(messages) - len(with_value))
            messages = with_value
        if not messages:
            return None
        stamps = [m.timestamp() for m in messages]
        return raw_batch(
            [m.value() or b"" for m in messages],
            [m.offset() for m in messages],
            partition,
            self._clock(),
            self._schema,
            message_keys=[m.key() for m in messages],
            message_ts_ms=[at if kind else None for kind, at in stamps],
            message_headers=[self._chosen(m.headers()) for m in messages] if self._headers else None,
        )

    def _chosen(self, headers: list[tuple[str, bytes | None]] | None) -> bytes | None:
        """The headers as a JSON object; of a header that comes twice, the last value."""
        found = {
            name: None if value is None else value.decode(errors="backslashreplace")
            for name, value in headers or ()
            if self._all_headers or name in self._headers
        }
        return orjson.dumps(found) if found else None
