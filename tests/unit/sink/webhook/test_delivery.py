"""Whatever the receiver does, each change arrives, in the order of its incident, with one key and body."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.sink.webhook.delivery import REFUSALS, Waits
from dataflow.sink.webhook.spool import Spool
from tests.support.processes import wait_until
from tests.support.webhooks import (
    CLOSES,
    HANGS,
    SHORT,
    Post,
    Receiver,
    Reply,
    batch,
    identity,
    partition,
    row,
    settings,
)

_folders = itertools.count()
FAILURES = [CLOSES, *map(Reply, (301, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504))]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def spooled(folder: Path, receiver: Receiver, changes: Sequence[tuple[str, int]], **more: str) -> None:
    """Write the changes, and wait until the spool is empty."""
    folder.mkdir(exist_ok=True)
    sink = partition(settings(receiver.uri, spool=str(folder), **more))
    for incident, sequence in changes:
        sink.write_batch([batch(row(incident, sequence))])
    sink.close()


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from("abc"), max_size=12),
    st.lists(st.sampled_from([*FAILURES, Reply(200), Reply(204)]), max_size=20),
    st.integers(0, 12),
)
@example(list("aaabbc"), [Reply(500)] * 9, 3)
def test_every_change_arrives_in_order_with_one_key_and_one_body(
    tmp_path: Path, receiver: Receiver, incidents: list[str], replies: list[Reply], restart_at: int
) -> None:
    """The flow stops after ``restart_at`` changes, and writes all of them again after its restart."""
    left, counts = iter(replies), defaultdict[str, int](int)
    receiver.posts, receiver.taken = [], []
    receiver.answer = lambda _: next(left, Reply(200))
    changes = []
    for incident in incidents:
        changes.append((incident, counts[incident]))
        counts[incident] += 1
    folder = tmp_path / str(next(_folders))
    spooled(folder, receiver, changes[:restart_at], drain="1ms")
    spooled(folder, receiver, changes)
    for incident in "abc":
        firsts = dict.fromkeys(each for each in map(identity, receiver.taken) if each[0] == incident)
        assert list(firsts) == [(incident, sequence) for sequence in range(counts[incident])]
        mine = [identity(post)[1] for post in receiver.posts if identity(post)[0] == incident]
        assert mine == sorted(mine)  # a change is posted only when the one before has arrived
    contents = defaultdict[str, set[bytes]](set)
    for post in receiver.posts:
        contents[post.key].add(post.body)
    assert all(len(each) == 1 for each in contents.values())
    assert len(contents) == len(changes)


def test_without_trouble_each_change_arrives_once(tmp_path: Path, receiver: Receiver) -> None:
    changes = [(incident, sequence) for sequence in range(3) for incident in "ab"]
    spooled(tmp_path, receiver, changes)
    spooled(tmp_path, receiver, changes)
    assert list(map(identity, receiver.posts)) == changes


def test_a_change_that_always_fails_holds_back_its_incident_alone(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda post: Reply(500 if identity(post) == ("a", 1) else 200)
    sink = partition(settings(receiver.uri, spool=str(tmp_path), drain="0s"))
    changes = [(incident, sequence) for sequence in range(4) for incident in "abc"]
    sink.write_batch([batch(*(row(*each) for each in changes))])
    wait_until(lambda: len(receiver.taken) == 9)
    wait_until(lambda: list(map(identity, receiver.posts)).count(("a", 1)) > 5)
    assert set(map(identity, receiver.taken)) == set(changes) - {("a", 1), ("a", 2), ("a", 3)}
    sink.close()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_change_is_kept_and_the_next_one_follows(
    tmp_path: Path, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda post: Reply(status if identity(post) == ("a", 0) else 200, body=b"no_text")
    spooled(tmp_path, receiver, [("a", 0), ("a", 1), ("b", 0)])
    assert list(map(identity, receiver.posts)).count(("a", 0)) == REFUSALS
    assert "refuses change 0 of incident a" in caplog.text
    assert "no_text" not in caplog.text  # what a receiver says may quote an event
    (path,) = tmp_path.glob("*.sqlite")
    spool = Spool(path)
    assert spool.all_refused() == [("a", 0, f"status {status}: no_text")]
    assert spool.send_again() == 1
    spool.close()
    receiver.answer = lambda _: Reply()
    spooled(tmp_path, receiver, [("a", 2)])
    assert sorted(map(identity, receiver.taken[:2])) == [("a", 1), ("b", 0)]
    assert list(map(identity, receiver.taken[2:])) == [("a", 0), ("a", 2)]


def test_refused_changes_are_sent_again_while_the_flow_runs(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(400)
    sink = partition(settings(receiver.uri, spool=str(tmp_path)))
    sink.write_batch([batch(row())])
    (path,) = tmp_path.glob("*.sqlite")
    spool = Spool(path)
    wait_until(spool.all_refused)
    receiver.answer = lambda _: Reply()
    assert spool.send_again() == 1
    wait_until(lambda: receiver.taken)
    sink.close()
    spool.close()


def test_an_outage_is_reported_once_and_so_is_its_end(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    sink = partition(settings(receiver.uri, spool=str(tmp_path)))
    receiver.stop()
    sink.write_batch([batch(row("a"), row("b"), row("a", 1))])
    wait_until(lambda: "takes no changes" in caplog.text)
    receiver.start()
    sink.close()
    assert sorted(map(identity, receiver.taken)) == [("a", 0), ("a", 1), ("b", 0)]
    events = [getattr(record.msg, "name", "") for record in caplog.records]
    assert events == ["webhook_away", "webhook_back"]
    assert "Connection refused" in caplog.text


def test_a_receiver_that_says_how_long_to_wait_is_obeyed(tmp_path: Path, receiver: Receiver) -> None:
    waited = []

    def answer(post: Post) -> Reply:
        waited.append(identity(post))
        return Reply(429, {"Retry-After": "3600"})

    receiver.answer = answer
    sink = partition(settings(receiver.uri, spool=str(tmp_path), drain="300ms"))
    sink.write_batch([batch(row("a"), row("b"))])
    sink.close()
    assert waited == [("a", 0)]  # nothing else for an hour, although waits are short


def test_a_receiver_that_hangs_gets_the_change_again(tmp_path: Path, receiver: Receiver) -> None:
    left = iter([HANGS])
    receiver.answer = lambda _: next(left, Reply())
    spooled(tmp_path, receiver, [("a", 0)], timeout="200ms")
    assert [post.key for post in receiver.posts] == ["a-0", "a-0"]


def test_the_rate_limits_the_posts_and_keeps_the_order(tmp_path: Path, receiver: Receiver) -> None:
    sink = partition(settings(receiver.uri, spool=str(tmp_path), rate="12", drain="0s"))
    sink.write_batch([batch(*(row("a", sequence) for sequence in range(5)))])
    wait_until(lambda: len(receiver.posts) == 2)  # a sixth of the rate; the next one after 5 s
    sink.close()
    assert list(map(identity, receiver.posts)) == [("a", 0), ("a", 1)]


def test_waits_grow_to_a_limit() -> None:
    waits = Waits(first=1, longest=60)
    for failures in range(1, 2000, 7):
        assert min(2 ** (failures - 1), 60) / 2 <= waits.after(failures) <= min(2 ** (failures - 1), 60)


def test_an_error_of_the_thread_reaches_the_worker(tmp_path: Path, receiver: Receiver) -> None:
    sink = partition(settings(receiver.uri, spool=str(tmp_path)), waits=SHORT)
    sink._spool._connection.execute("DROP TABLE changes")
    with pytest.raises(Exception, match="no such table"):
        sink.write_batch([batch(row())])
    sink._delivery.wake()
    wait_until(lambda: not sink._delivery._thread.is_alive())
    for call in (sink.snapshot, sink.close):
        with pytest.raises(Exception, match="no such table"):
            call()
