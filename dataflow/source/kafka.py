"""``kafka://host:port,.../topic``: one partition a topic partition; JSON or text values.

Options: ``start=earliest|latest`` (without a snapshot), ``tail=true|false`` (wait for more at the end,
or stop there), ``format=jsonl|text``. The state is the offset of the next message, kept by bytewax's
recovery; no consumer group is used. Kafka's key, timestamp, partition and offset are passed on.

Bytewax's own ``KafkaSource`` makes an object a message, knows no transient errors (it ends the process,
or takes the offset of the error for that of a message), and waits forever at a topic made anew.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import Clock
from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.items import schemas
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source import Check
from dataflow.source.framing import Backlog, raw_batch
from dataflow.source.idle import AT_ONCE, Idle
from dataflow.source.lag import PARTITIONS, PartitionLag
from dataflow.telemetry.logs import Line

_LAST_MESSAGE_TIMEOUT_S = 5.0
#: The largest value that librdkafka takes for ``queued.max.messages.kbytes``.
_LARGEST_QUEUE_KB = 2_097_151
_log = logging.getLogger(__name__)

#: Errors that waiting does not mend; librdkafka gets over all others by itself.
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


def open_source(settings: Settings, uri: Uri, clock: Clock, check: Check) -> "KafkaSource":
    """Raises ``SourceError`` if no broker answers or there is no such topic."""
    uri.allow("start", "tail", "format")
    start = uri.choice("start", "earliest", "latest")
    tail = uri.choice("tail", "true", "false") == "true"
    format = uri.choice("format", "jsonl", "text")
    check(format, None)
    topic = kafka.reach(settings, uri)
    return KafkaSource(settings, topic, clock, format=format, latest=start == "latest", tail=tail)


class KafkaSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """A partition for each partition of the topic; its state is the offset of the next message."""

    def __init__(
        self, settings: Settings, topic: kafka.Topic, clock: Clock, *, format: str, latest: bool, tail: bool
    ) -> None:
        self._options, self._topic, self._clock = settings.source, topic, clock
        self._idle = Idle()
        self._schema, self._latest, self._tail = schemas.raw_schema(format), latest, tail

    def list_parts(self) -> list[str]:
        return [f"{self._topic.name}:{partition}" for partition in self._topic.partitions]

    def partitions_with_data(self) -> list[str]:
        """The partitions with messages that were not read."""
        return [] if self._latest else [p for p in self.list_parts() if self._holds_messages(p)]

    def _holds_messages(self, part: str) -> bool:
        low, high = self.ends(part)
        return high > low

    def ends(self, part: str) -> tuple[int, int]:
        """The first offset that a partition still has, and the one after its last."""
        name, _, number = part.rpartition(":")
        consumer = kafka.client().Consumer(self._topic.config | {"group.id": "driftline"})
        try:
            return self._ends(consumer, kafka.client().TopicPartition(name, int(number)))
        finally:
            consumer.close()

    def _ends(self, consumer: Any, position: Any) -> tuple[int, int]:
        try:
            low, high = consumer.get_watermark_offsets(position, timeout=kafka.TIMEOUT_S)
        except kafka.client().KafkaException as error:
            where = f"{position.topic}:{position.partition}"
            raise SourceError(f"{where}: no offsets: {error.args[0].str()}") from None
        return int(low), int(high)

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_KafkaPartition":
        name, _, number = for_part.rpartition(":")
        client = kafka.client()
        consumer = client.Consumer(
            self._topic.config
            | {
                "group.id": "driftline",  # must be set, but `assign` joins no group
                "enable.auto.commit": False,
                "enable.partition.eof": not self._tail,
                "auto.offset.reset": "error",
                # Of each partition; the default is 64 MiB.
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
        return _KafkaPartition(consumer, position, offset, self._options, batch, self._idle)

    def _batch(self, partition: str, messages: list[Any]) -> pa.RecordBatch:
        stamps = [m.timestamp() for m in messages]
        return raw_batch(
            # A message without a value (a tombstone) is a record too: decode says what is wrong.
            [(m.offset(), m.value() or b"") for m in messages],
            partition,
            self._clock(),
            self._schema,
            message_keys=[m.key() for m in messages],
            message_ts_ms=[at if kind else None for kind, at in stamps],
        )

    def _first(self, consumer: Any, position: Any, resume_state: int | None) -> int:
        """The offset to start at. Raises ``SourceError`` if the topic ends before the snapshot's."""
        where = f"{position.topic}:{position.partition}"
        low, high = self._ends(consumer, position)
        if resume_state is None:
            return high if self._latest else low
        # Some brokers understate the end, so the last message that was read decides.
        if resume_state > high and not _is_there(consumer, position, resume_state - 1):
            raise SourceError(
                f"{where}: had been read up to offset {resume_state}, but ends at {high}: the topic was "
                f"made anew; start with an empty recovery directory"
            )
        if resume_state < low:
            sentence = f"{where}: offsets {resume_state} to {low - 1} are lost to the topic's retention"
            fields = {"partition": where, "first": resume_state, "last": low - 1}
            _log.warning(Line("offsets_lost", sentence, **fields))
        return max(resume_state, low)


def _is_there(consumer: Any, position: Any, offset: int) -> bool:
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
        options: SourceSettings,
        batch: Callable[[list[Any]], pa.RecordBatch],
        idle: Idle,
    ) -> None:
        self._consumer, self._position, self._offset = consumer, position, offset
        self._name = f"{position.topic}:{position.partition}"
        self._rows, self._batch, self._idle = options.batch_rows, batch, idle
        self._backlog = Backlog[Any](options, _size)
        self._end = False
        self._lag = PARTITIONS.add(PartitionLag())
        error = kafka.client().KafkaError
        self._eof = error._PARTITION_EOF
        self._permanent = {getattr(error, code) for code in _PERMANENT}

    def next_batch(self) -> list[pa.RecordBatch]:
        if not self._idle.poll(self._name, self._read) and self._end:
            raise StopIteration
        messages = self._backlog.take()
        if messages:
            self._offset = messages[-1].offset() + 1
        # What the last fetch told: no request is sent. Negative until there was one.
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
            sentence = f"{self._name}: {error.str()}; going on"
            _log.warning(Line("source_trouble", sentence, partition=self._name, cause=error.name()))
        return False

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> int:
        return self._offset

    def close(self) -> None:
        self._consumer.close()
