"""How a topic is found, and what is said if it is not."""

import sys

import pytest
from confluent_kafka import KafkaError

from dataflow.endpoints import kafka
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import DriftlineError, SettingsError, UnreachableError
from dataflow.settings import Kafka, Settings


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(SettingsError, match=r"pip install 'driftline\[kafka\]'"):
        kafka.find_topic(Settings(), parse_uri("kafka://h:1/t"))


def test_settings_go_to_librdkafka_under_its_names() -> None:
    settings = Settings(kafka=Kafka.model_validate({"sasl_username": "me", "sasl_password": "hunter2"}))
    assert settings.kafka.librdkafka == {"sasl.username": "me", "sasl.password": "hunter2"}


@pytest.mark.parametrize(
    "uri",
    ["kafka:", "kafka://h:1", "kafka://h:1/", "kafka://h:1/a/b", "kafka:/t", "kafka:/^t", "kafka://h:1/a,"],
)
def test_a_uri_without_brokers_or_topic_is_refused(uri: str) -> None:
    with pytest.raises(SettingsError, match=r"^kafka: URI: write kafka://host:port,host:port/topic; "):
        kafka.find_topic(Settings(), parse_uri(uri))


class FakeError:
    def __init__(self, code: int, text: str) -> None:
        self._code, self._text = code, text

    def code(self) -> int:
        return self._code

    def str(self) -> str:
        return self._text


def test_the_cause_that_a_user_must_fix_comes_first() -> None:
    down = FakeError(KafkaError._ALL_BROKERS_DOWN, "all down")
    refused = FakeError(KafkaError._TRANSPORT, "refused")
    password = FakeError(KafkaError._AUTHENTICATION, "wrong password")

    def said(*errors: FakeError) -> DriftlineError:
        return kafka._no_answer(kafka.library(), "h:1", list(errors))

    assert str(said(down)) == "kafka: no answer from h:1 in 10 s: all down"
    assert isinstance(said(down, refused), UnreachableError)
    assert str(said(down, refused)) == "kafka: no answer from h:1 in 10 s: refused"
    assert not isinstance(said(refused, password, down), UnreachableError)
    assert "refuses the connection, see DRIFTLINE_KAFKA__SASL_USERNAME: wrong password" in str(
        said(refused, password, down)
    )
