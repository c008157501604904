"""The settings of the source, and of where a record holds the event."""

from typing import Annotated, Literal

from pydantic import Field

from dataflow.settings.group import Group
from dataflow.settings.values import Names, Patterns, Zone


class Source(Group):
    """The source of the records, and where a record holds the event."""

    uri: str = "stdin:"
    """Where to read: ``file:PATH`` (or a glob), ``tail:PATH`` (or a glob or a folder, as one stream),
    ``stdin:``, ``kafka://HOST:PORT,.../TOPIC``, ``delta:PATH``, ``demo:?rate=..&seed=..``,
    ``dead_letters:FOLDER?send=N``.
    """

    id_field: str | None = None
    """Field with the identity of the event, a string or an integer. Unset: the position of the record,
    ``partition:offset``.
    """

    key_field: str | None = None
    """Field with the key: only events with equal keys are compared with each other. Unset: the message key of
    Kafka; all events have one key where the source has no message keys.
    """

    ts_field: str = "ts"
    """Field with the event time. Empty: the timestamp of the Kafka message, else the time of arrival. In
    lines of plain text, any name means the time at the start of the line.
    """

    ts_format: str = "rfc3339"
    """How the event time is written: ``rfc3339``, ``epoch_s``, ``epoch_ms``, or a ``strptime`` pattern."""

    ts_zone: Zone = "UTC"
    """Time zone (an IANA name) of event times without an offset."""

    ts_year: Annotated[int, Field(ge=1, le=9999)] | None = None
    """Year of event times without a year, 1 to 9999. Unset: the latest year in which the time is at most
    ``window.max_future`` ahead of the wall clock.
    """

    ts_ambiguous: Literal["earlier", "later", "reject"] = "earlier"
    """Which time is meant where the clock of ``ts_zone`` is set back and shows a time twice: the ``earlier``
    or the ``later`` one; ``reject`` makes the record a dead letter.
    """

    text_field: str = "text"
    """Field with the text, a string."""

    headers: Names = ()
    """Headers of Kafka messages that the attribute ``message_headers`` holds, an object: names separated by
    blanks, or ``*`` for all. Empty: there is no such attribute. Without effect for other sources.
    """

    mask: Patterns = ()
    """Patterns in the text that become their names before the text is embedded, so that texts of one form
    become equal: ``path``, ``uuid``, ``time``, ``hex``, ``ip``, ``number``, or ``NAME=REGEX`` with a regular
    expression (RE2) of your own, separated by blanks. The rows keep the text itself. Fixed in the recovery
    store. Empty: texts are embedded as they are.
    """

    max_record_bytes: Annotated[int, Field(ge=1)] = 1 << 20
    """Largest record in bytes, at least 1. A longer record becomes a dead letter."""

    max_dead_letter_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Highest share of dead letters among 1,000 records of a partition that follow each other, at least 0 and
    below 1. If the share is higher, the dataflow ends with one line. Unset: any number of records may become
    dead letters.
    """

    batch_rows: Annotated[int, Field(ge=1)] = 1024
    """Most records in a batch, at least 1. A batch ends at ``batch_rows`` or ``batch_bytes``, whichever comes
    first.
    """

    batch_bytes: Annotated[int, Field(ge=1)] = 8 << 20
    """Bytes of records at which a batch ends, at least 1."""
