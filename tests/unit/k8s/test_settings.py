"""The dataflow accepts the settings that the manifests give, and reaches what they name."""

import pytest

from dataflow import settings
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError
from export.__main__ import _parser
from tests.support import manifests
from tests.support.manifests import Object, export_arguments, loaded, one, pod

DIMENSIONS = {"all-MiniLM-L6-v2": 384, "all-mpnet-base-v2": 768}


def test_the_settings_are_accepted(overlay: list[Object]) -> None:
    found = loaded(overlay)
    model = _parser().parse_args(export_arguments(overlay)).model
    assert found.embed.kind == "triton"
    assert found.embed.dim == DIMENSIONS[model]
    # A stream from Kafka never ends, so only the idle timeout closes the last windows of a quiet partition.
    assert found.window.idle_timeout


def test_the_credentials_reach_the_settings() -> None:
    kafka = loaded(manifests.built("gpu", *manifests.COMPONENTS)).kafka
    assert (kafka.security_protocol, kafka.sasl_username) == ("SASL_SSL", "driftline")
    assert kafka.sasl_password
    assert kafka.sasl_password.get_secret_value() == "not a secret"


def test_no_service_adds_variables_that_are_no_settings(overlay: list[Object]) -> None:
    with pytest.raises(SettingsError, match="DRIFTLINE_SERVICE_HOST"):
        settings.load({"DRIFTLINE_SERVICE_HOST": "10.0.0.1"})
    assert pod(overlay)["enableServiceLinks"] is False


def test_the_network_policy_lets_the_dataflow_reach_kafka() -> None:
    objects = manifests.built("gpu")
    found = loaded(objects)
    used = [found.source.uri, *found.sink.scores, *found.sink.late, *found.sink.dead_letters]
    hosts = {host for uri in used for host in parse_uri(uri).authority.split(",")}
    allowed = {
        f"{to['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}.svc:{port['port']}"
        for rule in one(objects, "NetworkPolicy")["spec"]["egress"]
        for to in rule["to"]
        if "podSelector" not in to
        for port in rule["ports"]
    }
    assert {host.partition(".")[2] for host in hosts} == allowed
