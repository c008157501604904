"""Reads the topics of Kafka to which the sinks of a flow write."""

import time
from collections.abc import Mapping
from typing import Any

from dashboard.readers.block import Block, block_of, parsed, recognised
from dashboard.streams import FORMATS, STREAMS, Stream
from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError, UnreachableError
from dataflow.settings import Settings

_MESSAGES, _WAIT_S = 2000, 0.3
#: How often new partitions are looked for, in seconds.
_LOOK_S = 30.0
_SCHEMA = "driftline."


class TopicReader:
    """The messages of topics: of each partition, the newest ``most`` and all that come."""

    def __init__(self, settings: Settings, uri: Uri, most: int, stream: Stream | None = None) -> None:
        self._settings, self._uri, self._most = settings, uri, most
        self.stream = self._given = stream
        self._consumer: Any = None
        self._partitions: set[str] = set()
        self._looked = 0.0
        self._down: str | None = None
        self._blocks: list[Block] = []

    def read(self) -> Block | None:
        """See :meth:`Reader.read <dashboard.readers.block.Reader.read>`."""
        if self._blocks:
            return self._blocks.pop(0)
        if time.monotonic() - self._looked > _LOOK_S:
            self._look()
        messages = self._consumer.consume(_MESSAGES, _WAIT_S)
        good = [message for message in messages if message.error() is None]
        if good:
            self._down = None
        elif self._down is not None:
            self._ask()
        self._blocks = self._sorted(good, behind=len(messages) == _MESSAGES)
        return self._blocks.pop(0) if self._blocks else None

    def close(self) -> None:
        """See :meth:`Reader.close <dashboard.readers.block.Reader.close>`."""
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None

    def _look(self) -> None:
        """Find the partitions that are there, and read those that are new."""
        topics = kafka.find_topics(self._settings, self._uri)
        if self._consumer is None:
            own = {"group.id": "driftline-page", "enable.auto.commit": False, "error_cb": self._fail}
            self._consumer = kafka.open_client("Consumer", {**topics.config, **own})
        new = [name for name in topics.names if name not in self._partitions]
        starts = []
        for name in new:
            low, high = self._consumer.get_watermark_offsets(kafka.position(name), timeout=kafka.TIMEOUT_S)
            starts.append(kafka.position(name, max(low, high - self._most)))
        if starts:
            self._consumer.incremental_assign(starts)
        self._partitions |= set(new)
        self._looked = time.monotonic()

    def _fail(self, error: Any) -> None:
        if error.code() == kafka.library().KafkaError._ALL_BROKERS_DOWN:
            self._down = error.str()

    def _ask(self) -> None:
        """Raise ``UnreachableError`` while no broker answers."""
        try:
            self._consumer.list_topics(timeout=1.0)
        except kafka.library().KafkaException:
            raise UnreachableError(
                f"{self._uri}: no broker answers ({self._down}); start a broker, or correct the address"
            ) from None
        self._down = None

    def _sorted(self, messages: list[Any], *, behind: bool) -> list[Block]:
        """The messages as blocks, one for each stream and version that their headers name."""
        parts: dict[tuple[Stream | None, str | None], list[bytes]] = {}
        for message in messages:
            headers = {name: value or b"" for name, value in message.headers() or ()}
            parts.setdefault(self._kind(headers), []).append(message.value() or b"")
        return [self._block(*kind, values, behind=behind) for kind, values in parts.items()]

    def _kind(self, headers: Mapping[str, bytes]) -> tuple[Stream | None, str | None]:
        name = headers.get("schema", b"").decode("utf-8", "replace").removeprefix(_SCHEMA)
        found = self._given or next((stream for stream in STREAMS if stream == name), None)
        version = headers.get("schema-version")
        return found, None if version is None else version.decode("utf-8", "replace")

    def _block(
        self, stream: Stream | None, version: str | None, values: list[bytes], *, behind: bool
    ) -> Block:
        objects, bad = parsed(values)
        found = stream or recognised(objects) or self.stream
        if found is None:
            raise SourceError(
                f"{self._uri}: the messages are of no stream of Driftline; name the topic of a sink"
            )
        self.stream = self.stream or found
        if version is not None and version not in map(str, FORMATS[found]):
            return Block(found, old=version, behind=behind)
        why = "a message is not JSON" if bad else None
        return block_of(found, objects, behind=behind, broken=len(bad), why=why)
