"""Where the reading of a Kafka partition begins."""

import logging
from datetime import datetime, timezone
from typing import Any, NamedTuple

from dataflow.endpoints import kafka
from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError
from dataflow.telemetry.logs import Line

_LAST_MESSAGE_TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)


class Start(NamedTuple):
    """Where to begin without a snapshot.

    ``latest``: after the last message. ``since_ms``: at the first message with this timestamp or a later one,
    in milliseconds since the Unix epoch. Neither: at the first message.
    """

    latest: bool = False
    since_ms: int | None = None


#: At the first message.
EARLIEST = Start()


class Ends(NamedTuple):
    """The offsets of a partition. ``low``: its first message; ``high``: the offset after its last message."""

    low: int
    high: int


def parse_start(uri: Uri) -> Start:
    """The option ``start`` of ``uri``. Raises ``SettingsError``.

    >>> from dataflow.endpoints.uri import parse_uri
    >>> parse_start(parse_uri("kafka://h:9092/t?start=2026-11-23T11:00:00Z"))
    Start(latest=False, since_ms=1795431600000)
    """
    text = uri.options.get("start", "earliest")
    if text in ("earliest", "latest"):
        return Start(latest=text == "latest")
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise SettingsError(
            f"{uri}: start={text}: must be earliest, latest, or a time as in 2026-11-23T11:00:00Z"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return Start(since_ms=round(at.timestamp() * 1000))


def ends_of(consumer: Any, position: Any) -> Ends:
    """Ask the brokers for the offsets of a partition. Raises ``SourceError``."""
    try:
        low, high = consumer.get_watermark_offsets(position, timeout=kafka.TIMEOUT_S)
    except kafka.library().KafkaException as error:
        raise _no_offsets(position, error.args[0]) from None
    return Ends(int(low), int(high))


def first_offset(consumer: Any, position: Any, start: Start, resume_state: int | None) -> int:
    """The offset to begin at. Raises ``SourceError`` if the topic ends before ``resume_state``."""
    where = kafka.name_of(position)
    ends = ends_of(consumer, position)
    if resume_state is None:
        return _start_offset(consumer, position, start, ends)
    # Some brokers report an end that is too low, so the last message that was read decides.
    if resume_state > ends.high and not _exists(consumer, position, resume_state - 1):
        raise SourceError(
            f"{where}: was read up to offset {resume_state} before, but ends at offset {ends.high}: the "
            f"topic was deleted and created again; start with an empty recovery directory"
        )
    if resume_state < ends.low:
        first, last = resume_state, ends.low - 1
        sentence = f"{where}: retention deleted offsets {first} to {last} before they were read"
        fields = {"partition": where, "first": first, "last": last}
        _log.warning(Line("offsets_lost", sentence, **fields))
    return max(resume_state, ends.low)


def _start_offset(consumer: Any, position: Any, start: Start, ends: Ends) -> int:
    if start.since_ms is None:
        return ends.high if start.latest else ends.low
    asked = kafka.position(kafka.name_of(position), start.since_ms)
    try:
        (found,) = consumer.offsets_for_times([asked], timeout=kafka.TIMEOUT_S)
    except kafka.library().KafkaException as error:
        raise _no_offsets(position, error.args[0]) from None
    if found.error is not None:
        raise _no_offsets(position, found.error)
    # A negative offset: no message is as late as that.
    return int(found.offset) if found.offset >= 0 else ends.high


def _no_offsets(position: Any, error: Any) -> SourceError:
    return SourceError(f"{kafka.name_of(position)}: the brokers gave no offsets: {error.str()}")


def _exists(consumer: Any, position: Any, offset: int) -> bool:
    position.offset = offset
    consumer.assign([position])
    message = consumer.poll(_LAST_MESSAGE_TIMEOUT_S)
    return message is not None and message.error() is None and message.offset() == offset
