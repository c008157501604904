"""``kafka://host:port,.../topic``: each row is a message. At least once.

The value of a message is the row as JSON. The key says what the row is about: all versions of a row, and all
changes of an incident, have one key, so they are on one partition, in their order. The headers say which
stream and which version of its columns the row has. Option: ``compression=none|gzip|snappy|lz4|zstd``.

``write_batch`` returns when the brokers have all rows of the batch, so a snapshot never covers rows that the
brokers do not have. After a crash, the rows since the last snapshot are sent again, in the same order under
the same keys. A dead letter is cut to the size that a broker accepts by default: a dead letter that stopped
the flow here would stop the flow again after each restart.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.errors import OutageError, SourceError
from dataflow.items.formats import STREAM_FORMATS
from dataflow.settings import Settings
from dataflow.sink import Stream
from dataflow.sink.encoding import cut_dead_letter, json_rows, subject_ids

_MAX_MESSAGE_BYTES = 64 << 20  # more than a topic accepts: the limit of the topic decides
#: By default, a broker accepts 1 MiB, which includes the key and the bytes that Kafka adds.
_MAX_DEAD_LETTER_BYTES = 1_000_000


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "KafkaSink":
    """Find the topic. Raises ``SourceError`` if no broker answers or the topic does not exist."""
    uri.allow("compression")
    options = {}
    if "compression" in uri.options:
        options = {"compression.type": uri.choice("compression", "none", "gzip", "snappy", "lz4", "zstd")}
    topics = kafka.find_topic(settings, uri)
    sink = KafkaSink(topics, stream, options)
    sink.producer()  # so that a setting which librdkafka refuses ends the start
    return sink


class KafkaSink(DynamicSink[tuple[str, pa.RecordBatch]]):
    """Writes the rows of ``stream`` to the only topic of ``topics``. Each worker has its own producer.

    ``options``: settings of librdkafka for this sink alone.
    """

    def __init__(self, topics: kafka.Topics, stream: Stream, options: Mapping[str, str]) -> None:
        (self._topic,) = topics.partitions
        self._config = {
            "linger.ms": 5,
            **topics.config,
            "enable.idempotence": True,
            "message.max.bytes": _MAX_MESSAGE_BYTES,
            **options,
        }
        self._stream = stream

    def producer(self) -> Any:
        """A new producer. Raises ``SettingsError`` if librdkafka refuses a setting."""
        return kafka.open_client("Producer", self._config)

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_KafkaPartition":
        return _KafkaPartition(self.producer(), self._topic, self._stream)


def headers_of(stream: Stream) -> list[tuple[str, bytes]]:
    """The headers of each message of ``stream``.

    >>> headers_of("late")
    [('content-type', b'application/json'), ('schema', b'driftline.late'), ('schema-version', b'1')]
    """
    version = str(STREAM_FORMATS[stream]).encode()
    schema = f"driftline.{stream}".encode()
    return [("content-type", b"application/json"), ("schema", schema), ("schema-version", version)]


class _KafkaPartition(StatelessSinkPartition[tuple[str, pa.RecordBatch]]):
    def __init__(self, producer: Any, topic: str, stream: Stream) -> None:
        self._producer, self._topic, self._stream = producer, topic, stream
        self._headers = headers_of(stream)
        self._failed: list[Any] = []

    def write_batch(self, items: list[tuple[str, pa.RecordBatch]]) -> None:
        for _, batch in items:
            for key, value in zip(subject_ids(batch, self._stream), json_rows(batch), strict=True):
                row = value.removesuffix(b"\n")
                if self._stream == "dead_letters":
                    row = cut_dead_letter(row, _MAX_DEAD_LETTER_BYTES - len(key))
                self._produce(key, row)
        # Returns when each message is delivered or has failed (librdkafka's delivery.timeout.ms, 5 minutes).
        self._producer.flush()
        if self._failed:
            self._fail(self._failed[0])

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, value, key, headers=self._headers, on_delivery=self._delivered
                )
                return
            except BufferError:  # the queue is full; poll makes room
                self._producer.poll(0.1)
            if self._failed:
                self._fail(self._failed[0])

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def _fail(self, error: Any) -> None:
        codes = kafka.library().KafkaError
        if error.code() in (codes._MSG_TIMED_OUT, codes._ALL_BROKERS_DOWN, codes._TRANSPORT):
            raise OutageError(f"kafka: topic {self._topic!r}: {error.str()}")
        hint = ""
        if error.code() == codes.MSG_SIZE_TOO_LARGE:
            hint = "; raise the topic's max.message.bytes, or lower source.max_record_bytes"
        raise SourceError(f"kafka: topic {self._topic!r}: {error.str()}{hint}")
