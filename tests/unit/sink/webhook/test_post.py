"""One post to a real server that answers, fails, hangs, or sends a byte now and then."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.clock import utc_now
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.sink.webhook import receiver_of
from dataflow.sink.webhook.post import Address, Answer, Result, post, tls_context
from dataflow.sink.webhook.spool import Change
from tests.support.ports import free_port
from tests.support.tls import authority, certificate
from tests.support.webhooks import CLOSES, DRIPS, HANGS, Receiver, Reply, settings

CHANGE = Change("a", 3, b'{"incident":"a","sequence":3}')


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def posted(receiver: Receiver, timeout_s: float = 5, body: bytes = b"{}") -> Answer:
    return post(Address("127.0.0.1", receiver.port, None, "/hook", {}), {}, body, timeout_s, utc_now)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        *((status, "taken") for status in (200, 201, 202, 204, 299)),
        *((status, "refused") for status in (400, 413, 414, 415, 422, 431)),
        *((status, "failed") for status in (300, 302, 307, 401, 403, 404, 408, 409, 410, 425, 429)),
        *((status, "failed") for status in (500, 501, 502, 503, 504, 599)),
    ],
)
def test_a_status_says_whether_the_receiver_has_the_change(
    receiver: Receiver, status: int, result: Result
) -> None:
    receiver.answer = lambda _: Reply(status, body=b"" if status == 204 else b"said")
    answer = posted(receiver)
    assert (answer.status, answer.result) == (status, result)
    assert answer.said == ("" if status == 204 else "said")


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.answer = lambda _: Reply(307, {"Location": other.uri})
        assert posted(receiver).result == "failed"
        assert not other.posts


@pytest.mark.parametrize(
    ("reply", "cause"),
    [(CLOSES, "RemoteDisconnected"), (HANGS, "no answer in 0.3 s"), (DRIPS, "no answer in 0.3 s")],
)
def test_no_answer_is_a_failure(receiver: Receiver, reply: Reply, cause: str) -> None:
    receiver.answer = lambda _: reply
    answer = posted(receiver, 5 if reply == CLOSES else 0.3)
    assert (answer.status, answer.result, answer.cause) == (None, "failed", cause)


def test_nobody_listens() -> None:
    address = Address("127.0.0.1", free_port(), None, "/", {})
    assert post(address, {}, b"", 5, utc_now).cause == "Connection refused"


def test_a_name_without_an_address() -> None:
    answer = post(Address("nowhere.invalid", 80, None, "/", {}), {}, b"", 5, utc_now)
    assert answer.result == "failed"
    assert answer.cause


def test_a_long_answer_is_cut(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, body=b"\xff" * 100_000)
    assert len(posted(receiver).said) == 4096


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("0", 0), ("7", 7), ("999999999", 3600), ("soon", None), ("-1", None), ("", None), ("١", None)],
)
def test_the_wish_of_a_receiver(receiver: Receiver, wish: str, seconds: float | None) -> None:
    receiver.answer = lambda _: Reply(429, {"Retry-After": wish} if wish != "١" else {})
    assert posted(receiver).retry_after == seconds


def test_what_is_sent(receiver: Receiver) -> None:
    uri = f"{receiver.uri}/deep?team=a%20b&x={{api}}#header=Authorization:Bearer+{{api}}&header=X-Team:a"
    options = settings(uri, secrets="api=s3/cr3t")
    receiver.answer = lambda _: Reply(400, body=b"s3/cr3t is wrong, s3%2Fcr3t is, too")
    to = receiver_of(options, parse_uri(uri), "alerts")
    answer = to.post(CHANGE)
    assert answer.said == "{api} is wrong, {api} is, too"
    (sent,) = receiver.posts
    assert sent.path == "/hook/deep?team=a%20b&x=s3/cr3t"
    assert sent.body == CHANGE.row
    assert {
        "authorization": "Bearer s3/cr3t",
        "x-team": "a",
        "idempotency-key": "a-3",
        "content-type": "application/json",
        "driftline-schema": "alert/4",
    }.items() <= sent.headers.items()
    assert sent.headers["user-agent"].startswith("driftline/")
    assert "cr3t" not in repr(to) + to.name + to.uri


def test_tls_checks_the_receiver(receiver: Receiver, tmp_path: Path) -> None:
    authority(tmp_path, "ca")
    certificate(tmp_path, "server")
    receiver.stop()
    receiver.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    receiver.tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    receiver.start()
    for options, cause in (
        (settings(receiver.uri, ca=str(tmp_path / "ca.pem")), "status 200"),
        (settings(receiver.uri), "its certificate is not trusted: "),
    ):
        to = receiver_of(options, parse_uri(receiver.uri), "alerts")
        assert to.post(CHANGE).cause.startswith(cause)
        if cause == "status 200":
            to.reach()
        else:
            with pytest.raises(SourceError, match="not trusted"):
                to.reach()
    assert len(receiver.posts) == 1


def test_reach_says_that_nobody_listens() -> None:
    uri = f"http://127.0.0.1:{free_port()}/hook"
    with pytest.raises(UnreachableError, match="Connection refused"):
        receiver_of(settings(uri), parse_uri(uri), "alerts").reach()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"webhook\.ca=.*: (No such file|no certificates)"):
        tls_context(str(path))
