"""``kafka://host:port,.../topic``: each partition of the topic is a partition; values are JSON or text.

Options: ``start=earliest|latest`` (where to start without a snapshot), ``tail=true|false`` (wait for more
messages at the end of the topic, or stop there), ``format=jsonl|text``. The state of a partition is the
offset of the next message, which Bytewax's recovery keeps; no consumer group is used. The key, timestamp,
partition and offset of a message are passed on with its record.

Bytewax's own ``KafkaSource`` is not used, for three reasons. It makes a Python object of each message. It
knows no transient errors: it ends the process, or takes the offset of the error for the offset of a message.
And it waits forever if a topic was deleted and created again.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.batching import Backlog, raw_batch
from dataflow.source.lag import LAGS, PartitionLag
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound
from dataflow.telemetry.logs import Line

_LAST_MESSAGE_TIMEOUT_S = 5.0
#: The largest value that librdkafka accepts for ``queued.max.messages.kbytes``.
_LARGEST_QUEUE_KB = 2_097_151
_log = logging.getLogger(__name__)

#: Errors that do not end by themselves. librdkafka recovers from all other errors.
_PERMANENT = (
    "_AUTHENTICATION",
    "_UNKNOWN_PARTITION",
    "_UNKNOWN_TOPIC",
    "_AUTO_OFFSET_RESET",
    "OFFSET_OUT_OF_RANGE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "UNKNOWN_TOPIC_OR_PART",
)


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "KafkaSource":
    """Find the topic. Raises ``SourceError`` if no broker answers or the topic does not exist."""
    uri.allow("start", "tail", "format")
    start = uri.choice("start", "earliest", "latest")
    tail = uri.choice("tail", "true", "false") == "true"
    format = uri.choice("format", "jsonl", "text")
    check_format(format, None)
    topic = kafka.find_topic(settings, uri)
    return KafkaSource(settings, topic, clock, format=format, latest=start == "latest", tail=tail)


class Ends(NamedTuple):
    """The offsets of a partition. ``low``: its first message; ``high``: the offset after its last message."""

    low: int
    high: int


class KafkaSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """A partition for each partition of the topic. Its state is the offset of the next message."""

    def __init__(
        self, settings: Settings, topic: kafka.Topic, clock: Clock, *, format: str, latest: bool, tail: bool
    ) -> None:
        self._options, self._topic, self._clock = settings.source, topic, clock
        self._waits = WaitOncePerRound()
        self._schema, self._latest, self._tail = raw_schema(format), latest, tail

    def list_parts(self) -> list[str]:
        return [f"{self._topic.name}:{partition}" for partition in self._topic.partitions]

    def partitions_with_data(self) -> list[str]:
        """See :func:`dataflow.source.partitions_with_data`."""
        return [] if self._latest else [p for p in self.list_parts() if self._has_messages(p)]

    def _has_messages(self, part: str) -> bool:
        ends = self.ends(part)
        return ends.high > ends.low

    def ends(self, part: str) -> Ends:
        """Ask the brokers for the offsets of the partition ``part``."""
        name, _, number = part.rpartition(":")
        consumer = kafka.library().Consumer(self._topic.config | {"group.id": "driftline"})
        try:
            return _ends(consumer, kafka.library().TopicPartition(name, int(number)))
        finally:
            consumer.close()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_KafkaPartition":
        name, _, number = for_part.rpartition(":")
        client = kafka.library()
        consumer = client.Consumer(
            self._topic.config
            | {
                "group.id": "driftline",  # must be set, but `assign` joins no group
                "enable.auto.commit": False,
                "enable.partition.eof": not self._tail,
                "auto.offset.reset": "error",
                # The limit of each partition; the default is 64 MiB.
                "queued.max.messages.kbytes": min(max(self._options.batch_bytes >> 10, 1), _LARGEST_QUEUE_KB),
            }
        )
        position = client.TopicPartition(name, int(number))
        try:
            offset = self._first(consumer, position, resume_state)
        except BaseException:
            consumer.close()
            raise
        consumer.assign([client.TopicPartition(name, int(number), offset)])
        batch = partial(self._batch, for_part)
        return _KafkaPartition(consumer, position, offset, self._options, batch, self._waits)

    def _batch(self, partition: str, messages: list[Any]) -> pa.RecordBatch:
        stamps = [m.timestamp() for m in messages]
        return raw_batch(
            # A message without a value (a tombstone) is a record too. The decode step rejects it.
            [m.value() or b"" for m in messages],
            [m.offset() for m in messages],
            partition,
            self._clock(),
            self._schema,
            message_keys=[m.key() for m in messages],
            message_ts_ms=[at if kind else None for kind, at in stamps],
        )

    def _first(self, consumer: Any, position: Any, resume_state: int | None) -> int:
        """The offset to start at. Raises ``SourceError`` if the topic ends before ``resume_state``."""
        where = f"{position.topic}:{position.partition}"
        ends = _ends(consumer, position)
        if resume_state is None:
            return ends.high if self._latest else ends.low
        # Some brokers report an end that is too low, so the last message that was read decides.
        if resume_state > ends.high and not _exists(consumer, position, resume_state - 1):
            raise SourceError(
                f"{where}: was read up to offset {resume_state} before, but ends at offset {ends.high}: the "
                f"topic was deleted and created again; start with an empty recovery directory"
            )
        if resume_state < ends.low:
            sentence = (
                f"{where}: retention deleted offsets {resume_state} to {ends.low - 1} before they were read"
            )
            fields = {"partition": where, "first": resume_state, "last": ends.low - 1}
            _log.warning(Line("offsets_lost", sentence, **fields))
        return max(resume_state, ends.low)


def _ends(consumer: Any, position: Any) -> Ends:
    try:
        low, high = consumer.get_watermark_offsets(position, timeout=kafka.TIMEOUT_S)
    except kafka.library().KafkaException as error:
        where = f"{position.topic}:{position.partition}"
        raise SourceError(f"{where}: the brokers gave no offsets: {error.args[0].str()}") from None
    return Ends(int(low), int(high))


def _exists(consumer: Any, position: Any, offset: int) -> bool:
    position.offset = offset
    consumer.assign([position])
    message = consumer.poll(_LAST_MESSAGE_TIMEOUT_S)
    return message is not None and message.error() is None and message.offset() == offset


def _size(message: Any) -> int:
    return len(message.value() or b"") + len(message.key() or b"")


class _KafkaPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    def __init__(
        self,
        consumer: Any,
        position: Any,
        offset: int,
        options: SourceOptions,
        batch: Callable[[list[Any]], pa.RecordBatch],
        waits: WaitOncePerRound,
    ) -> None:
        self._consumer, self._position, self._offset = consumer, position, offset
        self._name = f"{position.topic}:{position.partition}"
        self._rows, self._batch, self._waits = options.batch_rows, batch, waits
        self._backlog = Backlog[Any](options, _size)
        self._end = False
        self._lag = LAGS.add(PartitionLag())
        error = kafka.library().KafkaError
        self._eof = error._PARTITION_EOF
        self._permanent = {getattr(error, code) for code in _PERMANENT}

    def next_batch(self) -> list[pa.RecordBatch]:
        if not self._waits.poll(self._name, self._read) and self._end:
            raise StopIteration
        messages = self._backlog.take()
        if messages:
            self._offset = messages[-1].offset() + 1
        # The end that the last fetch reported; no request is sent. It is negative before the first fetch.
        _, high = self._consumer.get_watermark_offsets(self._position, cached=True)
        self._lag.messages = max(0, high - self._offset) if high >= 0 else None
        return [self._batch(messages)] if messages else []

    def _read(self, wait_s: float) -> bool:
        if not self._backlog.full and not self._end:
            messages = self._consumer.consume(self._rows, timeout=wait_s)
            self._backlog.extend(m for m in messages if self._is_data(m))
        return len(self._backlog) > 0

    def _is_data(self, message: Any) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == self._eof:
            self._end = True
        elif error.fatal() or error.code() in self._permanent:
            raise SourceError(f"{self._name}: {error.str()}")
        else:
            sentence = f"{self._name}: {error.str()}; the source continues"
            _log.warning(Line("source_trouble", sentence, partition=self._name, cause=error.name()))
        return False

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> int:
        return self._offset

    def close(self) -> None:
        self._consumer.close()
