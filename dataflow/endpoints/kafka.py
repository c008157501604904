"""How the Kafka source and the Kafka sink reach topics: ``kafka://host:port,.../topic``.

A source may read several topics, ``/topic,other``, or the topics that a regular expression matches,
``/^logs-``.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.settings import Settings

#: How long to wait for an answer of a broker, in seconds.
TIMEOUT_S = 10.0
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
#: The topics that Kafka makes for itself begin with this.
_INTERNAL = "__"
_log = logging.getLogger(__name__)
# The source and the sinks share their options, so each client is told settings of the other kind.
_log.addFilter(lambda record: "property and will be ignored by this" not in record.getMessage())


class Wanted(NamedTuple):
    """The topics that a URI names: by their names, or by a regular expression.

    ``pattern`` matches the beginning of a name.
    """

    names: tuple[str, ...]
    pattern: "re.Pattern[str] | None" = None

    def matches(self, name: str) -> bool:
        """Whether ``pattern`` matches the topic ``name``. Topics of Kafka itself do not count."""
        return bool(self.pattern and self.pattern.match(name)) and not name.startswith(_INTERNAL)


@dataclass(frozen=True)
class Topics:
    """Topics that exist. ``partitions``: topic -> the numbers of its partitions, in order; ``config``:
    librdkafka's configuration that reaches the topics, with secrets.
    """

    wanted: Wanted
    partitions: Mapping[str, tuple[int, ...]]
    config: dict[str, Any] = field(repr=False)

    @property
    def names(self) -> list[str]:
        """``topic:partition`` for each partition."""
        return [f"{topic}:{number}" for topic, numbers in self.partitions.items() for number in numbers]


def library() -> ModuleType:
    """The module ``confluent_kafka``. Raises ``SettingsError`` if it is not installed."""
    try:
        import confluent_kafka  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SettingsError(
            "kafka: confluent-kafka is not installed; pip install 'driftline[kafka]'"
        ) from None
    module: ModuleType = confluent_kafka
    return module


def find_topic(settings: Settings, uri: Uri) -> Topics:
    """The only topic of ``uri``, as :func:`find_topics` finds it. Raises ``SettingsError`` for several."""
    if len(wanted_topics(uri).names) != 1:
        raise SettingsError("kafka: URI: a sink writes to one topic: kafka://host:port,host:port/topic")
    return find_topics(settings, uri)


def find_topics(settings: Settings, uri: Uri) -> Topics:
    """Ask the brokers of ``uri`` for its topics.

    Raises ``UnreachableError`` if no broker answers, ``SourceError`` if a broker refuses the connection or
    has no such topic, and ``SettingsError`` if ``uri`` names no topic or librdkafka refuses a setting.
    """
    kafka, asked = library(), wanted_topics(uri)
    config = {"bootstrap.servers": uri.authority, **settings.kafka.librdkafka}
    # librdkafka logs nothing here: the error that is raised below says in one line what went wrong.
    errors: list[Any] = []
    quiet = {"group.id": "driftline", "log_level": 0, "error_cb": errors.append}
    consumer = open_client("Consumer", config | quiet)
    try:
        found = look_up(consumer, asked)
    except kafka.KafkaException as error:
        consumer.poll(0)  # calls error_cb with the errors since the last call
        raise _no_answer(kafka, uri.authority, [*errors, error.args[0]]) from None
    finally:
        consumer.close()
    for name, metadata in found.items():
        if metadata.error is not None or not metadata.partitions:
            reason = metadata.error.str() if metadata.error else "it has no partitions"
            raise SourceError(f"kafka: topic {name!r} at {uri.authority}: {reason}")
    if not found:
        raise SourceError(f"kafka: no topic at {uri.authority} matches {uri.path[1:]!r}; make one first")
    partitions = {name: tuple(sorted(metadata.partitions)) for name, metadata in found.items()}
    return Topics(asked, partitions, config | {"logger": _log})


def wanted_topics(uri: Uri) -> Wanted:
    """The topics that ``uri`` names. Raises ``SettingsError`` if it names none.

    >>> from dataflow.endpoints.uri import parse_uri
    >>> wanted_topics(parse_uri("kafka://h:9092/orders,payments")).names
    ('orders', 'payments')
    >>> wanted_topics(parse_uri("kafka://h:9092/^logs-")).matches("logs-eu")
    True
    """
    path = uri.path[1:]
    if uri.authority and path.startswith("^"):
        try:
            return Wanted((), re.compile(path))
        except re.error as error:
            raise SettingsError(f"kafka: URI: {path!r} is not a regular expression: {error}") from None
    names = tuple(dict.fromkeys(path.split(",")))
    if not uri.authority or not all(map(_TOPIC.fullmatch, names)):
        raise SettingsError(
            "kafka: URI: write kafka://host:port,host:port/topic; a source also takes /topic,topic and "
            "/^regular-expression"
        )
    return Wanted(names)


def look_up(consumer: Any, asked: Wanted) -> dict[str, Any]:
    """Topic -> what the brokers say of it now. Raises ``KafkaException`` if no broker answers."""
    if asked.pattern is None:
        return {name: consumer.list_topics(name, timeout=TIMEOUT_S).topics[name] for name in asked.names}
    topics = consumer.list_topics(timeout=TIMEOUT_S).topics
    return {name: topics[name] for name in sorted(topics) if asked.matches(name)}


def open_client(kind: str, config: dict[str, Any]) -> Any:
    """A ``Consumer`` or a ``Producer``. Raises ``SettingsError`` if librdkafka refuses a setting."""
    kafka = library()
    try:
        return getattr(kafka, kind)(config)
    except kafka.KafkaException as error:
        raise SettingsError(f"kafka: {error.args[0].str()}; see the settings of the group kafka") from None


def _no_answer(kafka: ModuleType, where: str, errors: list[Any]) -> SourceError:
    """The error that explains why no broker answered. A cause that a user must fix comes before others."""
    codes = kafka.KafkaError
    of_code = {error.code(): error.str() for error in reversed(errors)}
    for code, setting in ((codes._AUTHENTICATION, "SASL_USERNAME"), (codes._SSL, "SSL_CA_LOCATION")):
        if code in of_code:
            return SourceError(
                f"kafka: {where} refuses the connection, see DRIFTLINE_KAFKA__{setting}: {of_code[code]}"
            )
    cause = of_code.get(codes._RESOLVE) or of_code.get(codes._TRANSPORT) or errors[-1].str()
    return UnreachableError(f"kafka: no answer from {where} in {TIMEOUT_S:g} s: {cause}")


def position(partition: str, offset: int | None = None) -> Any:
    """The ``TopicPartition`` of ``topic:partition``."""
    topic, _, number = partition.rpartition(":")
    of_partition = library().TopicPartition
    return of_partition(topic, int(number)) if offset is None else of_partition(topic, int(number), offset)


def name_of(position: Any) -> str:
    """``topic:partition`` of a ``TopicPartition``."""
    return f"{position.topic}:{position.partition}"
