"""URIs of sources and sinks."""

import pytest

from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "scheme", "authority", "path", "options"),
    [
        ("events.jsonl", "file", "", "events.jsonl", {}),
        ("logs/*.log?format=text", "file", "", "logs/*.log", {"format": "text"}),
        ("a?.jsonl", "file", "", "a?.jsonl", {}),
        ("a?.jsonl?format=csv", "file", "", "a?.jsonl", {"format": "csv"}),
        ("file:a%20b%3F.csv", "file", "", "a b?.csv", {}),
        ("file:///var/log/auth.log", "file", "", "/var/log/auth.log", {}),
        ("/var/log/auth.log", "file", "", "/var/log/auth.log", {}),
        ("stdin:", "stdin", "", "", {}),
        ("STDIN:?format=csv", "stdin", "", "", {"format": "csv"}),
        ("kafka://h:1,i:2/t?start=latest", "kafka", "h:1,i:2", "/t", {"start": "latest"}),
        ("delta:abfss://box@account/x", "delta", "", "abfss://box@account/x", {}),
        ("abfss://box@account/x", "abfss", "box@account", "/x", {}),
    ],
)
def test_parse(text: str, scheme: str, authority: str, path: str, options: dict[str, str]) -> None:
    uri = parse_uri(text)
    assert (uri.scheme, uri.authority, uri.path, uri.options) == (scheme, authority, path, options)
    assert str(uri) == text


@pytest.mark.parametrize("text", ["kafka://me:hunter2@h:1/t", "kafka:me:hunter2@h/t", "x://me:hunter2@h/t"])
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="DRIFTLINE_KAFKA__SASL_PASSWORD") as caught:
        parse_uri(text)
    assert "hunter2" not in str(caught.value)


def test_options_are_refused_by_name_only() -> None:
    with pytest.raises(
        SettingsError, match="no such option 'sasl_password'; there are start, tail"
    ) as caught:
        parse_uri("kafka://h:1/t?sasl_password=hunter2").allow("start", "tail")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError, match="must be one of earliest, latest"):
        parse_uri("kafka://h:1/t?start=now").choice("start", "earliest", "latest")
