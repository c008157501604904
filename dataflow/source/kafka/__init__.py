"""``kafka://host:port,.../topic``: each partition of a topic is a partition.

``/topic,other`` names several topics; ``/^logs-`` is a regular expression, which matches the beginning of a
name. Options: ``start=earliest|latest|TIME`` (where to start without a snapshot), ``tail=true|false`` (wait
for more messages at the end, or stop there), ``format=jsonl|text|avro|protobuf`` (of the values),
``tombstones=skip|dead_letter`` (what to do with messages without a value). The state of a partition is the
offset of the next message, which Bytewax's recovery keeps; no consumer group is used. The key, timestamp,
headers, partition and offset of a message are passed on with its record.

Bytewax's own ``KafkaSource`` is not used, for three reasons. It makes a Python object of each message. It
knows no transient errors: it ends the process, or takes the offset of the error for the offset of a message.
And it waits forever if a topic was deleted and created again.
"""

from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource

from dataflow.clock import Clock
from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.source import CheckFormat
from dataflow.source.kafka.discovery import Discovery
from dataflow.source.kafka.messages import Messages
from dataflow.source.kafka.offsets import EARLIEST, Ends, Start, ends_of, first_offset, parse_start
from dataflow.source.kafka.partition import KafkaPartition
from dataflow.source.waiting import WaitOncePerRound

#: The largest value that librdkafka accepts for ``queued.max.messages.kbytes``.
_LARGEST_QUEUE_KB = 2_097_151


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "KafkaSource":
    """Find the topics. Raises ``SourceError`` if no broker answers or a topic does not exist."""
    uri.allow("start", "tail", "format", "tombstones")
    start = parse_start(uri)
    tail = uri.choice("tail", "true", "false") == "true"
    format = uri.choice("format", "jsonl", "text", "avro", "protobuf")
    skip = uri.choice("tombstones", "skip", "dead_letter") == "skip"
    check_format(format, None)
    messages = Messages(raw_schema(format), clock, settings.source.headers, skip_tombstones=skip)
    return KafkaSource(settings, kafka.find_topics(settings, uri), messages, start=start, tail=tail)


class KafkaSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """A partition for each partition of the topics. Its state is the offset of the next message."""

    def __init__(
        self, settings: Settings, topics: kafka.Topics, messages: Messages, *, start: Start, tail: bool
    ) -> None:
        self._settings, self._topics, self._messages = settings, topics, messages
        self._start, self._tail = start, tail
        self._waits = WaitOncePerRound()
        self._known = frozenset[str]()
        options = settings.source
        self._config = topics.config | {
            "group.id": "driftline",  # must be set, but `assign` joins no group
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            # The limit of each partition; the default is 64 MiB.
            "queued.max.messages.kbytes": min(max(options.batch_bytes >> 10, 1), _LARGEST_QUEUE_KB),
        }

    def list_parts(self) -> list[str]:
        return self._topics.names

    def resume(self, known: Collection[str]) -> None:
        """See :mod:`dataflow.source`: partitions that were added are read from their first message."""
        self._known = frozenset(known)

    def watch_partitions(self, added: Callable[[list[str]], None]) -> None:
        """See :mod:`dataflow.source`: ask the brokers for new partitions, as long as the process runs."""
        if self._tail:
            Discovery(self._topics, self._settings.kafka.discover_interval, added).start()

    def partitions_with_data(self) -> list[str]:
        """See :func:`dataflow.source.partitions_with_data`."""
        consumer = self._consumer()
        try:
            return [part for part in self.list_parts() if self._has_messages(consumer, part)]
        finally:
            consumer.close()

    def _has_messages(self, consumer: Any, part: str) -> bool:
        start = self._start_of(part)
        if start.latest:
            return False
        position, ends = kafka.position(part), ends_of(consumer, kafka.position(part))
        return ends.high > ends.low and first_offset(consumer, position, start, None) < ends.high

    def ends(self, part: str) -> Ends:
        """Ask the brokers for the offsets of the partition ``part``."""
        consumer = self._consumer()
        try:
            return ends_of(consumer, kafka.position(part))
        finally:
            consumer.close()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> KafkaPartition:
        consumer, position = self._consumer(), kafka.position(for_part)
        try:
            offset = first_offset(consumer, position, self._start_of(for_part), resume_state)
        except BaseException:
            consumer.close()
            raise
        consumer.assign([kafka.position(for_part, offset)])
        options, waits = self._settings.source, self._waits
        return KafkaPartition(consumer, position, offset, options, self._messages, waits, tail=self._tail)

    def _start_of(self, part: str) -> Start:
        """Where a partition without state begins. One that was added since is read from its first message."""
        return EARLIEST if self._known and part not in self._known else self._start

    def _consumer(self) -> Any:
        return kafka.open_client("Consumer", self._config)
