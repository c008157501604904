"""What plays the brokers where no broker fails, or grows, on demand."""

from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from dataflow.endpoints import kafka


class Message:
    """A message at ``offset``, or an error, which librdkafka hands over as a message too."""

    def __init__(
        self,
        offset: int = -1001,
        error: int | None = None,
        value: bytes | None = b"v",
        headers: list[tuple[str, bytes | None]] | None = None,
    ) -> None:
        self._offset, self._error, self._value, self._headers = offset, error, value, headers

    def error(self) -> KafkaError | None:
        return None if self._error is None else KafkaError(self._error)

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self._headers

    def key(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return (0, -1)  # TIMESTAMP_NOT_AVAILABLE


class TopicMetadata(NamedTuple):
    partitions: dict[int, object]
    error: KafkaError | None = None


class FakeConsumer:
    """``watermarks`` are the ends of each partition, ``topics`` the number of partitions of each topic."""

    def __init__(
        self,
        batches: list[list[Message]] | None = None,
        watermarks: tuple[int, int] = (0, 100),
        stamps: dict[int, int] | None = None,
        topics: dict[str, int] | None = None,
    ) -> None:
        self.batches, self.watermarks = batches or [], watermarks
        self.stamps, self.topics = stamps or {}, topics or {}
        #: Errors of the next requests, in order.
        self.errors: list[int] = []
        self.config: dict[str, Any] = {}
        self.assigned: list[Any] = []

    def get_watermark_offsets(
        self, position: object, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        return self.watermarks

    def offsets_for_times(self, asked: list[Any], timeout: float) -> list[Any]:
        """As a broker answers: the first message with the timestamp that is asked for, or a later one."""
        self._fail()
        (position,) = asked
        later = [offset for offset, stamp in self.stamps.items() if stamp >= position.offset]
        return [kafka.position(kafka.name_of(position), min(later, default=-1))]

    def list_topics(self, topic: str | None = None, timeout: float = 0) -> Any:
        self._fail()
        found = {
            name: TopicMetadata(dict.fromkeys(range(count)))
            for name, count in self.topics.items()
            if topic in (None, name)
        }
        if topic and topic not in found:
            found[topic] = TopicMetadata({}, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return type("Metadata", (), {"topics": found})

    def _fail(self) -> None:
        if self.errors:
            raise KafkaException(KafkaError(self.errors.pop(0)))

    def assign(self, positions: list[Any]) -> None:
        self.assigned = positions

    def consume(self, rows: int, timeout: float) -> list[Message]:
        return self.batches.pop(0)

    def close(self) -> None: ...
