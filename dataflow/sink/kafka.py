"""``kafka://host:port,.../topic``: a message a row; JSON values, the row's identity as key. At least once.

A batch counts as written when the brokers have all of it, so a snapshot never gets ahead of them. Rows
since the last snapshot come again after a crash, under the same keys: compact the topic, or drop those
already seen. A dead letter's record is cut to what a broker takes by default: a record that stopped the
flow here would stop it again after each restart.
"""

from typing import Any

import pyarrow as pa
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.errors import OutageError, SourceError
from dataflow.settings import Settings
from dataflow.sink import Stream
from dataflow.sink.encoding import cut_dead_letter, json_rows, row_ids

_MAX_MESSAGE_BYTES = 64 << 20  # the topic's own limit is the one that counts
#: A broker takes 1 MiB by default, with the key and what Kafka adds.
_MAX_DEAD_LETTER_BYTES = 1_000_000


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "KafkaSink":
    """Raises ``SourceError`` if no broker answers or there is no such topic."""
    uri.allow()
    return KafkaSink(kafka.reach(settings, uri), stream)


class KafkaSink(DynamicSink[tuple[str, pa.RecordBatch]]):
    """Each worker has a producer of its own."""

    def __init__(self, topic: kafka.Topic, stream: Stream) -> None:
        self._topic, self._stream = topic, stream

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_KafkaPartition":
        producer = kafka.client().Producer(
            self._topic.config
            | {"enable.idempotence": True, "linger.ms": 5, "message.max.bytes": _MAX_MESSAGE_BYTES}
        )
        return _KafkaPartition(producer, self._topic.name, self._stream)


class _KafkaPartition(StatelessSinkPartition[tuple[str, pa.RecordBatch]]):
    def __init__(self, producer: Any, topic: str, stream: Stream) -> None:
        self._producer, self._topic, self._stream = producer, topic, stream
        self._failed: list[Any] = []

    def write_batch(self, items: list[tuple[str, pa.RecordBatch]]) -> None:
        for _, batch in items:
            for key, value in zip(row_ids(batch, self._stream), json_rows(batch), strict=True):
                row = value.removesuffix(b"\n")
                if self._stream == "dead_letters":
                    row = cut_dead_letter(row, _MAX_DEAD_LETTER_BYTES - len(key))
                self._produce(key, row)
        # Ends when each message is delivered or given up (librdkafka's delivery.timeout.ms, 5 minutes).
        self._producer.flush()
        if self._failed:
            self._fail(self._failed[0])

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
                return
            except BufferError:  # the queue is full: let it drain
                self._producer.poll(0.1)
            if self._failed:
                self._fail(self._failed[0])

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def _fail(self, error: Any) -> None:
        codes = kafka.client().KafkaError
        if error.code() in (codes._MSG_TIMED_OUT, codes._ALL_BROKERS_DOWN, codes._TRANSPORT):
            raise OutageError(f"kafka: topic {self._topic!r}: {error.str()}")
        hint = ""
        if error.code() == codes.MSG_SIZE_TOO_LARGE:
            hint = "; raise the topic's max.message.bytes, or lower source.max_record_bytes"
        raise SourceError(f"kafka: topic {self._topic!r}: {error.str()}{hint}")
