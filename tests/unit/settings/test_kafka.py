"""The other settings of librdkafka."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from dataflow.errors import SettingsError
from dataflow.settings import load
from dataflow.settings.kafka import _CALLBACK, _OWN


def loaded(options: str, **others: str) -> dict[str, str]:
    return load({"DRIFTLINE_KAFKA__OPTIONS": options, **others}).kafka.librdkafka


def test_they_reach_librdkafka_as_texts() -> None:
    options = {"client.rack": "a", "fetch.min.bytes": 10, "check.crcs": True, "socket.timeout.ms": "500"}
    found = loaded(json.dumps(options), DRIFTLINE_KAFKA__SASL_USERNAME="me")
    assert found == {
        "sasl.username": "me",
        "client.rack": "a",
        "fetch.min.bytes": "10",
        "check.crcs": "true",
        "socket.timeout.ms": "500",
    }


def test_in_toml_the_names_may_have_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[kafka.options]\nfetch.min.bytes = 10\nfetch.wait.max.ms = 5\n"client.rack" = "a"\n')
    found = load({}, config=path).kafka.librdkafka
    assert found == {"fetch.min.bytes": "10", "fetch.wait.max.ms": "5", "client.rack": "a"}


@pytest.mark.parametrize("name", [*sorted(_OWN), "stats_cb", "sasl.password", "security.protocol"])
def test_what_driftline_sets_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(
        SettingsError, match=f"^DRIFTLINE_KAFKA__OPTIONS: {name} cannot be set here: "
    ) as error:
        loaded(json.dumps({"client.rack": "a", name: "hunter2"}))
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("text", ["client.rack=a", "[]", '{"client.rack": null}', '{"a": ["b"]}'])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="DRIFTLINE_KAFKA__OPTIONS: "):
        loaded(text)


def test_they_are_not_shown() -> None:
    assert "hunter2" not in repr(load({"DRIFTLINE_KAFKA__OPTIONS": '{"ssl.keystore.password": "hunter2"}'}))


def complaint(kind: Any, config: dict[str, Any]) -> str:
    try:
        kind(config)
    except (KafkaException, TypeError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(name for name, why in _OWN.items() if why != _CALLBACK))
def test_the_refused_names_are_names_of_librdkafka(name: str) -> None:
    """A name with a mistake would let the setting through."""
    for kind in (Consumer, Producer):
        assert "No such configuration property" not in complaint(kind, {"group.id": "g", name: "1"})
