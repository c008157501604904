"""How Kafka is reached, for source and sink alike: ``kafka://host:port,.../topic``."""

import logging
import re
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pydantic import SecretStr

from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.settings import Settings

#: How long to wait for a broker, in seconds.
TIMEOUT_S = 10.0
_TOPIC = re.compile(r"/([A-Za-z0-9._-]{1,249})")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Topic:
    """A topic that is there, and the librdkafka configuration that reaches it, secrets and all."""

    name: str
    partitions: tuple[int, ...]
    config: dict[str, Any] = field(repr=False)


def client() -> ModuleType:
    """The module ``confluent_kafka``. Raises ``SettingsError`` if it is not installed."""
    try:
        import confluent_kafka  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SettingsError(
            "kafka: confluent-kafka is not installed; pip install 'driftline[kafka]'"
        ) from None
    module: ModuleType = confluent_kafka
    return module


def reach(settings: Settings, uri: Uri) -> Topic:
    """Look the topic up. Raises ``UnreachableError`` if no broker answers, ``SourceError`` if one refuses us
    or has no such topic.
    """
    kafka = client()
    match = _TOPIC.fullmatch(uri.path)
    if not uri.authority or match is None:
        raise SettingsError("kafka: URI: write kafka://host:port,host:port/topic")
    name = match[1]
    config = {"bootstrap.servers": uri.authority} | _configured(settings)
    # Quiet: what goes wrong here is said in one line, below.
    errors: list[Any] = []
    quiet = {"group.id": "driftline", "log_level": 0, "error_cb": errors.append}
    consumer = _consumer(kafka, config | quiet)
    try:
        metadata = consumer.list_topics(name, timeout=TIMEOUT_S).topics[name]
    except kafka.KafkaException as error:
        consumer.poll(0)  # hands over what went wrong meanwhile
        raise _no_answer(kafka, uri.authority, [*errors, error.args[0]]) from None
    finally:
        consumer.close()
    if metadata.error is not None or not metadata.partitions:
        reason = metadata.error.str() if metadata.error else "it has no partitions"
        raise SourceError(f"kafka: topic {name!r} at {uri.authority}: {reason}")
    return Topic(name, tuple(sorted(metadata.partitions)), config | {"logger": _log})


def _no_answer(kafka: ModuleType, where: str, errors: list[Any]) -> SourceError:
    """What explains that no broker answered: of all causes the one that somebody has to mend."""
    codes = kafka.KafkaError
    of_code = {error.code(): error.str() for error in reversed(errors)}
    for code, setting in ((codes._AUTHENTICATION, "SASL_USERNAME"), (codes._SSL, "SSL_CA_LOCATION")):
        if code in of_code:
            return SourceError(f"kafka: {where} refuses us, see DRIFTLINE_KAFKA__{setting}: {of_code[code]}")
    cause = of_code.get(codes._RESOLVE) or of_code.get(codes._TRANSPORT) or errors[-1].str()
    return UnreachableError(f"kafka: no answer from {where} in {TIMEOUT_S:g} s: {cause}")


def _consumer(kafka: ModuleType, config: dict[str, Any]) -> Any:
    try:
        return kafka.Consumer(config)
    except kafka.KafkaException as error:
        raise SettingsError(f"kafka: {error.args[0].str()}") from None


def _configured(settings: Settings) -> dict[str, Any]:
    """The settings that are set, under librdkafka's names."""
    values = {name: getattr(settings.kafka, name) for name in type(settings.kafka).model_fields}
    return {
        name.replace("_", "."): value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
        if value is not None
    }
