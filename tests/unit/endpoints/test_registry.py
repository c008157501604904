"""A schema registry: outages, unknown schemas, and users that it refuses."""

import base64
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dataflow.endpoints.registry import Registry, UnknownSchemaError
from dataflow.errors import OutageError, SettingsError, SourceError
from dataflow.settings import Registry as RegistrySettings
from tests.support.registry import FakeRegistry, registry


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with registry() as fake:
        fake.schemas[7] = {"schema": '"string"'}
        yield fake


class Clock:
    """Sleeping is what makes this clock go on. ``causes``: of the outages; ``ended``: how many ended."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps = self.ended = 0
        self.causes: list[str] = []

    def end(self, seconds: float, retries: int) -> None:
        self.ended += 1

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1

    def __call__(self) -> float:
        return self.now


def opened(server: FakeRegistry, clock: Clock, **options: Any) -> Registry:
    settings = RegistrySettings(url=server.url, **options)
    return Registry(settings, began=clock.causes.append, ended=clock.end, sleep=clock.sleep, clock=clock)


def text(schema: Any, found: Registry) -> str:
    return str(schema.schema_str)


def fails(schema: Any, found: Registry) -> str:
    raise KeyError("name")


def test_a_schema_is_asked_for_once(server: FakeRegistry) -> None:
    found = opened(server, Clock())
    assert [found.schema(7, None, text) for _ in range(3)] == ['"string"'] * 3
    assert len(server.asked) == 1
    assert server.users == [None]


@pytest.mark.parametrize("failures", [[500], [503, 429, 502], [0, 500], [408]])
def test_an_outage_is_waited_for(server: FakeRegistry, failures: list[int]) -> None:
    server.failures, clock = list(failures), Clock()
    assert opened(server, clock).schema(7, None, text) == '"string"'
    assert clock.sleeps == len(failures)
    assert (len(clock.causes), clock.ended) == (1, 1)


def test_a_registry_that_is_away_for_too_long_ends_the_flow(server: FakeRegistry) -> None:
    server.failures = [503] * 100
    with pytest.raises(OutageError, match=r"gave no answer for .*status 503.*REGISTRY__MAX_OUTAGE"):
        opened(server, Clock(), max_outage="20s").schema(7, None, text)


def test_a_server_that_is_not_there_is_an_outage_too() -> None:
    nowhere = FakeRegistry(url="http://127.0.0.1:9")
    with pytest.raises(OutageError, match="ConnectError"):
        opened(nowhere, Clock(), max_outage="1s").schema(7, None, text)


def test_an_unknown_schema_is_asked_for_again_later(server: FakeRegistry) -> None:
    clock = Clock()
    found = opened(server, clock)
    for _ in range(3):
        with pytest.raises(UnknownSchemaError, match="the registry has no schema 8"):
            found.schema(8, None, text)
    assert len(server.asked) == 1
    server.schemas[8] = {"schema": '"int"'}
    clock.sleep(61)
    assert found.schema(8, None, text) == '"int"'


def test_a_schema_that_cannot_be_used_is_named(server: FakeRegistry) -> None:
    with pytest.raises(UnknownSchemaError, match="schema 7 cannot be used: KeyError: 'name'"):
        opened(server, Clock()).schema(7, None, fails)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_user_ends_the_flow(server: FakeRegistry, status: int) -> None:
    server.failures = [status]
    with pytest.raises(SourceError, match=rf"refuses the user \({status}\); set registry.username"):
        opened(server, Clock()).schema(7, None, text)


def test_the_user_is_sent(server: FakeRegistry) -> None:
    opened(server, Clock(), username="me", password="hunter2").schema(7, None, text)
    assert server.users == [f"Basic {base64.b64encode(b'me:hunter2').decode()}"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "registry.url: set it"),
        ({"url": "https://me:hunter2@h"}, "a user and a password do not belong in a URL"),
        ({"url": "registry:8081"}, "registry.url=registry:8081: "),
        ({"url": "https://h", "ssl_ca_location": "/nowhere/ca.pem"}, "registry.url=https://h: "),
    ],
)
def test_wrong_settings_are_named(options: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        Registry(RegistrySettings.model_validate(options), began=print, ended=print)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(SettingsError, match=r"pip install 'driftline\[registry\]'"):
        Registry(RegistrySettings(url="http://h"), began=print, ended=print)
