"""The plan of faults is a function of the seed, and the input has what the proof needs."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos import plan, stream
from benchmarks.chaos.plan import ROUTES, Route, kinds_of
from tests.support.references import reference
from tests.support.windowing import Arrival, spec

FIRST_OF_SEED_7 = [
    "disk full at the sink, after 0.19 s of work, for 1.9 s, (log rotated before: copy and truncate)",
    "webhook receiver answers 500, after 1.17 s of work, for 2.9 s, (log rotated before: copy and truncate)",
    "SIGTERM, after 0.83 s of work",
]

routes = st.sampled_from(ROUTES)
seeds = st.integers(0, 2**31)


def faults(seed: int, route: Route, count: int = 30, *, triton: bool = True) -> tuple[plan.Fault, ...]:
    return plan.plan(seed, route, count, kinds_of(route, triton=triton))


def test_this_seed_always_gives_these_faults() -> None:
    """A change of this text means that a seed of an older report gives other faults."""
    assert list(map(str, faults(7, "files", 3))) == FIRST_OF_SEED_7


@given(seeds, routes, st.integers(1, 40))
def test_the_same_seed_gives_the_same_faults(seed: int, route: Route, count: int) -> None:
    assert faults(seed, route, count) == faults(seed, route, count)
    assert len(faults(seed, route, count)) == count


@given(seeds, routes)
def test_another_seed_gives_other_faults(seed: int, route: Route) -> None:
    assert faults(seed, route) != faults(seed + 1, route)


@given(seeds, routes, st.booleans())
def test_a_long_plan_has_each_kind(seed: int, route: Route, triton: bool) -> None:
    kinds = kinds_of(route, triton=triton)
    struck = Counter(fault.kind for fault in faults(seed, route, len(kinds) + 5, triton=triton))
    assert set(struck) == set(kinds)
    assert sum(struck.values()) == len(kinds) + 5


@given(seeds, routes)
def test_a_kill_takes_no_time_and_only_files_are_rotated(seed: int, route: Route) -> None:
    for fault in faults(seed, route):
        assert (fault.seconds == 0) == (fault.kind in (plan.KILL_FLOW, plan.STOP_FLOW))
        assert route == "files" or not fault.rotation


def test_each_route_has_the_faults_of_its_servers() -> None:
    assert set(ROUTES) == set(get_args(Route))
    assert plan.KILL_TRITON in kinds_of("files", triton=True)
    assert plan.KILL_TRITON not in kinds_of("files", triton=False)
    assert [kind for kind in kinds_of("kafka", triton=False) if kind.startswith("broker ")]
    assert not [kind for kind in kinds_of("delta", triton=False) if kind.startswith("broker ")]


@given(seeds)
def test_each_record_of_the_input_is_scored_late_or_dead(seed: int) -> None:
    records = stream.records(seed, 600)
    assert records == stream.records(seed, 600)
    expected = stream.expected(records)
    assert expected.records == len(records) == len({record.id for record in records})
    assert expected.dead == {record.id for record in records if record.bad}


@pytest.mark.parametrize(("seed", "count"), [(7, 6000), (11, 900)])
def test_the_input_has_late_bad_and_scored_records(seed: int, count: int) -> None:
    expected = stream.expected(stream.records(seed, count))
    assert len(expected.rows) > 1.8 * count
    assert count / 100 < len(expected.late) < count / 20
    assert count / 100 < len(expected.dead) < count / 20


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["", "", "no text"])), max_size=80))
def test_what_is_expected_is_what_the_reference_of_the_window_tests_says(
    drawn: list[tuple[int, stream.Bad]],
) -> None:
    """The times are multiples of 30 s, so that many of them are at the end of a window."""
    records = [
        stream.Record(f"r{number:06}", "s", half_minute * 30 * 10**6, "text", bad)
        for number, (half_minute, bad) in enumerate(drawn)
    ]
    good = [record for record in records if not record.bad]
    window = spec(kind="sliding", length=stream.LENGTH_S, slide=stream.SLIDE_S, delay=stream.DELAY_S)
    windows, late = reference(window, [Arrival(record.ts_us // 10**6, "p", "all") for record in good])
    found = stream.expected(records)
    assert found.late == {good[number].id for number in late}
    assert found.rows == {
        (good[number].id, start * 10**6) for (_, (start, _)), rows in windows.items() for number in rows
    }


def test_a_dead_letter_says_which_record_it_holds() -> None:
    assert stream.record_id({"raw": b'{"id": "r000017", "ts": "yesterday"}'}) == "r000017"
    assert stream.record_id({"raw": '{"id": "r000017"'}) == "r000017"
    assert stream.record_id({"raw_base64": "AAAA"}) == ""
