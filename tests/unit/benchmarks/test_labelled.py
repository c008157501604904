"""The labels of logs: what a log without labels calls an anomaly."""

from collections.abc import Callable

from benchmarks.kit.labelled import RARE, Event, rare

STATEMENTS: dict[str, Callable[[int], str]] = {
    "invalid": lambda i: f"Invalid user u{'v' * i} from 10.0.0.{i}",
    "request": lambda i: f"input_userauth_request: invalid user u{'v' * i} [preauth]",
    "invalid password": lambda i: f"Failed password for invalid user u{'v' * i} from 10.0.0.{i} port {i}",
    "password": lambda i: f"Failed password for u{'v' * i} from 10.0.0.{i} port {i} ssh2",
    "opened": lambda i: f"pam_unix(sshd:session): session opened for user u{'v' * i} by (uid=0)",
    "authentication": lambda i: f"authentication failure; uid=0 rhost={'h' * (i + 1)}.org  user=u{'v' * i}",
    "break-in": lambda i: f"reverse mapping checking getaddrinfo for {'h' * (i + 1)}.org [10.0.0.{i}] failed",
}


def test_lines_of_a_statement_count_together_whatever_users_and_hosts_they_name() -> None:
    """Each statement but two is usual: one wrote as many lines as a rare one may, one wrote one line."""
    lines = dict.fromkeys(STATEMENTS, RARE + 1) | {"invalid": RARE, "opened": 1}
    written = [(name, STATEMENTS[name](i)) for name, count in lines.items() for i in range(count)]
    found = rare([Event({"text": text}, None) for _, text in written])
    assert [event.label for event in found] == [name in ("invalid", "opened") for name, _ in written]
