"""Which change has its turn, and the rate."""

from hypothesis import given
from hypothesis import strategies as st

from dataflow.sink.webhook.turns import Rate, Turns

INCIDENTS = st.sampled_from("abc")


@given(st.lists(st.tuples(INCIDENTS, st.booleans())), st.lists(st.integers(0, 3)))
def test_turns_are_those_of_a_simple_reference(steps: list[tuple[str, bool]], waits: list[int]) -> None:
    """Each step adds a change and takes one, which fails or is over; a failure waits for some steps."""
    turns, waiting, not_before = Turns(), list[tuple[int, str]](), dict[str, float]()
    pauses = iter(waits * (len(steps) + 1))
    for number, (incident, fails) in enumerate(steps):
        turns.add(number, incident)
        waiting.append((number, incident))
        first = {each: number for number, each in reversed(waiting)}
        due = [(n, each) for each, n in first.items() if not_before.get(each, 0) <= number]
        assert turns.take(number) == min(due, default=None)
        if due:
            taken = min(due)
            if fails:
                not_before[taken[1]] = number + next(pauses, 0)
                turns.again(taken[1], not_before[taken[1]])
            else:
                turns.done(taken[1])
                waiting.remove(taken)
        assert len(turns) == len(waiting)


@given(INCIDENTS, st.floats(1, 10))
def test_a_change_that_failed_is_due_at_its_time(incident: str, at: float) -> None:
    turns = Turns()
    assert turns.due(0) is None
    turns.add(1, incident)
    assert turns.due(0) == 0
    turns.take(0)
    turns.again(incident, at)
    assert turns.due(0) == at
    assert turns.take(at / 2) is None
    assert turns.take(at) == (1, incident)


@given(st.integers(1, 600), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_span_of_time_has_more_posts_than_the_rate_allows(rate: int, pauses: list[float]) -> None:
    now, bucket, posts = 0.0, Rate(rate, 0.0), list[float]()
    for pause in pauses:
        now = bucket.ready(now + pause)
        bucket.take(now)
        posts.append(now)
    for first, at in enumerate(posts):
        for number, until in enumerate(posts[first:], 1):
            assert number <= max(1, rate / 6) + rate / 60 * (until - at) + 1e-6


def test_posts_without_a_pause_come_at_the_rate() -> None:
    now, bucket = 0.0, Rate(60, 0.0)
    for _ in range(70):
        now = bucket.ready(now)
        bucket.take(now)
    assert 59 < now < 61
