"""Reads one partition of a Kafka topic."""

import logging
from datetime import datetime
from typing import Any

import pyarrow as pa
from bytewax.inputs import StatefulSourcePartition

from dataflow.endpoints import kafka
from dataflow.errors import SourceError
from dataflow.settings import Source as SourceOptions
from dataflow.source.batching import Backlog
from dataflow.source.kafka.messages import Messages
from dataflow.source.lag import LAGS, PartitionLag
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound
from dataflow.telemetry.logs import Line

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


def _size(message: Any) -> int:
    return len(message.value() or b"") + len(message.key() or b"")


class KafkaPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    """Reads the partition ``position``, which ``consumer`` was assigned, from ``offset`` on.

    ``tail``: whether to wait for more messages at the end.
    """

    def __init__(
        self,
        consumer: Any,
        position: Any,
        offset: int,
        options: SourceOptions,
        messages: Messages,
        waits: WaitOncePerRound,
        *,
        tail: bool,
    ) -> None:
        self._tail = tail
        self._consumer, self._position, self._offset = consumer, position, offset
        self._name = kafka.name_of(position)
        self._rows, self._messages, self._waits = options.batch_rows, messages, waits
        self._backlog = Backlog[Any](options, _size)
        self._end = False
        #: Where the partition ended when its end was last reached. The marks of transactions that stand there
        #: are no messages.
        self._reached = 0
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
        read = self._offset if len(self._backlog) else max(self._offset, self._reached)
        self._lag.messages = max(0, high - read) if high >= 0 else None
        batch = self._messages.batch(self._name, messages)
        return [] if batch is None else [batch]

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
            self._reached, self._end = message.offset(), not self._tail
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
