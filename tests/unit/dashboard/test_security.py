"""Who may ask, and what browsers may do with the answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dashboard.answers import MOST_BYTES
from dashboard.security import COOKIE, HEADERS, Access
from tests.support.page import Opened, opened, scored, written

TOKEN = "0123456789abcdef"


@pytest.fixture(params=["local", "token"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    path = written(tmp_path / "scores.jsonl", [scored(1)])
    access = Access() if request.param == "local" else Access(TOKEN, loopback=False)
    with opened(path, access=access) as client:
        if request.param == "token":
            client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


def test_each_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/", "/healthz", "/api/state", "/api/rows?limit=x", "/api/none", "/assets/none.js"):
        answer = client.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path
        assert "cache-control" in answer.headers
        assert "server" not in answer.headers


def test_the_policy_allows_no_inline_script_and_no_other_host() -> None:
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("[::1]:1", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8765", 421),
        ("", 421),
    ],
)
def test_a_name_of_another_machine_is_refused(tmp_path: Path, host: str, status: int) -> None:
    """A page of the attacker whose name resolves to 127.0.0.1 sends its own name."""
    with opened(tmp_path) as client:
        assert client.get("/api/state", headers={"host": host}).status_code == status


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Opened]:
    access = Access(TOKEN, loopback=False)
    with opened(tmp_path, marks=tmp_path / "marks.jsonl", access=access) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/updates", "/assets/a.js", "/api/marks", "/none"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"cookie": f"{COOKIE}=wrong"}],
)
def test_without_the_token_there_is_nothing(guarded: TestClient, path: str, headers: dict[str, str]) -> None:
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_health_needs_no_token(guarded: TestClient) -> None:
    assert guarded.get("/healthz").text == "ok"


def test_the_token_in_the_address_becomes_a_cookie(guarded: TestClient) -> None:
    answer = guarded.get(f"/?token={TOKEN}&view=map", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?view=map")
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert guarded.get("/api/state").status_code == 200
    assert guarded.get("/?token=wrong", headers={"cookie": ""}).status_code == 401
    away = guarded.get(f"http://testserver//evil.example/?token={TOKEN}", follow_redirects=False)
    assert away.headers["location"] == "/evil.example/"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_can_write_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    with opened(tmp_path, marks=tmp_path / "marks.jsonl") as client:
        for path in ("/api/marks", "/api/selections"):
            assert client.post(path, json={}, headers=headers).status_code == 403
        own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
        assert client.post("/api/selections", json={"rows": []}, headers=own).status_code == 200


def test_bodies_are_bounded_and_of_json(client: TestClient) -> None:
    assert client.post("/api/selections", content=b"{}").status_code == 415
    assert client.post("/api/selections", data={"rows": "1"}).status_code == 415
    long = b'{"rows": [' + b"1," * (MOST_BYTES // 2) + b"1]}"
    headers = {"content-type": "application/json"}
    assert client.post("/api/selections", content=long, headers=headers).status_code == 413
    for body in (b"", b"[]", b'{"rows": 1}', b'{"rows": [1.5]}', b'{"rows": [true]}', b'{"rows": ["1"]}'):
        assert client.post("/api/selections", content=body, headers=headers).status_code == 400
    many = {"rows": list(range(50_001))}
    assert client.post("/api/selections", json=many).status_code == 400


def test_files_beside_the_page_are_not_served(client: TestClient) -> None:
    for path in ("/assets/../app.py", "/assets/%2e%2e/app.py", "/../app.py", "/assets//etc/passwd"):
        assert client.get(path).status_code == 404
