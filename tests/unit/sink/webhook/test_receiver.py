"""What the URI of a webhook may say; no error and no name holds a secret."""

import re

import pytest

from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError
from dataflow.settings import changed, load
from dataflow.sink.step_ids import step_id
from dataflow.sink.webhook.receiver import receiver
from tests.support.webhooks import settings

SECRET = "T0/B0/s3cr3t"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https:///hook", "write https://HOST:PORT/PATH"),
        ("https:hook", "write https://HOST:PORT/PATH"),
        ("https://host:port/hook", "Port could not be cast"),
        ("https://host:99999/hook", "Port out of range"),
        ("https://{slack}/hook", "write https://HOST:PORT/PATH"),
        ("https://host/{other}", "there is no secret 'other'; set DRIFTLINE_WEBHOOK__SECRETS='other=SECRET'"),
        ("https://host/hook#format=xml", "format=xml: there are json, slack, pagerduty, alertmanager"),
        (
            "https://host/hook#pigeon=1",
            "no such option 'pigeon' of the format json; there are format, header",
        ),
        ("https://host/hook#format=slack&severity=info", "no such option 'severity' of the format slack"),
        ("https://host/hook#format", "bad query field"),
        ("https://host/hook#header=Authorization", "write a header as #header=NAME:VALUE"),
        ("https://host/hook#header=Host:x", "the header Host cannot be set"),
        ("https://host/hook#header=Idempotency-Key:x", "the header Idempotency-Key cannot be set"),
        ("https://host/hook#header=A:b%0d%0aC:d", "write a header as"),
        ("https://host/hook#format=pagerduty", "needs routing_key={NAME}"),
        (
            "https://host/hook#format=pagerduty&routing_key={slack}&severity=x",
            "severity=x: there are critical",
        ),
    ],
)
def test_a_wrong_uri_is_refused_in_one_line(uri: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)) as caught:
        receiver(settings(uri, secrets=f"slack={SECRET}"), parse_uri(uri))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("sink.alerts=")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (f"https://hooks.slack.com/services/{SECRET}", "the path of a Slack webhook is a secret"),
        (
            f"https://HOOKS.slack.com/services/{SECRET}#format=slack",
            "the path of a Slack webhook is a secret",
        ),
        ("https://me:s3cr3t@host/hook", "DRIFTLINE_WEBHOOK__SECRETS"),
        ("http://s3cr3t@host/hook", "DRIFTLINE_WEBHOOK__SECRETS"),
    ],
)
def test_a_uri_that_is_a_secret_is_refused_and_not_repeated(uri: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        parse_uri(uri)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("text", ["slack", "=x", "a-b=c", "slack=T0/B0/s3cr3t s3cr3t", "a=b\u00e9s3cr3t"])
def test_secrets_that_are_none_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match=r"WEBHOOK__SECRETS: entry \d is not NAME=SECRET") as caught:
        load({"DRIFTLINE_WEBHOOK__SECRETS": text})
    assert "s3cr3t" not in str(caught.value)


def test_secrets_are_in_no_name_and_no_setting_that_is_shown() -> None:
    uri = "https://hooks.slack.com/services/{slack}#format=slack"
    options = settings(uri, secrets=f"slack={SECRET}")
    to = receiver(options, parse_uri(uri))
    assert to.address.target == f"/services/{SECRET}"
    assert re.fullmatch(r"hooks\.slack\.com-[0-9a-f]{8}", to.name)
    for shown in (str(changed(options)), repr(options), repr(to), step_id("alerts", uri)):
        assert "s3cr3t" not in shown


def test_webhooks_that_differ_are_two_sinks() -> None:
    uris = [
        "https://host/a",
        "https://host/a?b=1",
        "https://host/a#format=slack",
        "http://host/a",
        "https://host/A",
    ]
    found = [receiver(settings(uri), parse_uri(uri)).name for uri in uris]
    assert len(set(found)) == len({step_id("alerts", uri) for uri in uris}) == len(uris)


def test_the_path_of_a_request_has_only_characters_that_it_may_have() -> None:
    uri = "https://host/é/a%20b/{key}?q={key}&r=ü"
    to = receiver(settings(uri, secrets='key="<>'), parse_uri(uri))
    assert to.address.target == "/%C3%A9/a%20b/%22%3C%3E?q=%22%3C%3E&r=%C3%BC"


def test_an_address_of_ipv6() -> None:
    uri = "http://[::1]:8080/hook"
    to = receiver(settings(uri), parse_uri(uri))
    assert (to.address.host, to.address.port) == ("::1", 8080)
    assert "/" not in to.name
    assert ":" not in to.name
