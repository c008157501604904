"""How the Kafka source and the Kafka sink reach a topic: ``kafka://host:port,.../topic``."""

import logging
import re
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pydantic import SecretStr

from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.settings import Settings

#: How long to wait for an answer of a broker, in seconds.
TIMEOUT_S = 10.0
_TOPIC = re.compile(r"/([A-Za-z0-9._-]{1,249})")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Topic:
    """A topic that exists. ``config``: librdkafka's configuration that reaches the topic, with secrets."""

    name: str
    partitions: tuple[int, ...]
    config: dict[str, Any] = field(repr=False)


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


def find_topic(settings: Settings, uri: Uri) -> Topic:
    """Ask the brokers of ``uri`` for its topic.

    Raises ``UnreachableError`` if no broker answers, ``SourceError`` if a broker refuses the connection or
    has no such topic, and ``SettingsError`` if ``uri`` names no topic or librdkafka refuses a setting.
    """
    kafka = library()
    match = _TOPIC.fullmatch(uri.path)
    if not uri.authority or match is None:
        raise SettingsError("kafka: URI: write kafka://host:port,host:port/topic")
    name = match[1]
    config = {"bootstrap.servers": uri.authority} | _librdkafka_config(settings)
    # librdkafka logs nothing here: the error that is raised below says in one line what went wrong.
    errors: list[Any] = []
    quiet = {"group.id": "driftline", "log_level": 0, "error_cb": errors.append}
    consumer = _consumer(kafka, config | quiet)
    try:
        metadata = consumer.list_topics(name, timeout=TIMEOUT_S).topics[name]
    except kafka.KafkaException as error:
        consumer.poll(0)  # calls error_cb with the errors since the last call
        raise _no_answer(kafka, uri.authority, [*errors, error.args[0]]) from None
    finally:
        consumer.close()
    if metadata.error is not None or not metadata.partitions:
        reason = metadata.error.str() if metadata.error else "it has no partitions"
        raise SourceError(f"kafka: topic {name!r} at {uri.authority}: {reason}")
    return Topic(name, tuple(sorted(metadata.partitions)), config | {"logger": _log})


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


def _consumer(kafka: ModuleType, config: dict[str, Any]) -> Any:
    try:
        return kafka.Consumer(config)
    except kafka.KafkaException as error:
        raise SettingsError(f"kafka: {error.args[0].str()}") from None


def _librdkafka_config(settings: Settings) -> dict[str, Any]:
    """The Kafka settings that have a value, under librdkafka's names."""
    values = {name: getattr(settings.kafka, name) for name in type(settings.kafka).model_fields}
    return {
        name.replace("_", "."): value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
        if value is not None
    }
