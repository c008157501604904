"""The clock: integers agree with ``datetime`` wherever ``datetime`` can express the time."""

from datetime import datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.clock import EPOCH, FOREVER, NEVER, micros, rfc3339, utc_now

TIMES = st.datetimes(timezones=st.just(timezone.utc))


@given(TIMES)
@example(datetime.min.replace(tzinfo=timezone.utc))
@example(datetime.max.replace(tzinfo=timezone.utc))
def test_micros_count_from_the_epoch(time: datetime) -> None:
    assert EPOCH + timedelta(microseconds=micros(time)) == time
    assert micros(time - EPOCH) == micros(time)


#: Together with a time, they are durations that ``timedelta`` can express.
DURATIONS = st.timedeltas(timedelta(days=-(10**8)), timedelta(days=10**8))


@given(DURATIONS, TIMES)
def test_micros_of_a_duration_do_not_round(duration: timedelta, time: datetime) -> None:
    assert timedelta(microseconds=micros(duration)) == duration
    assert micros(time) + micros(duration) == micros(time - EPOCH + duration)


@given(TIMES)
def test_a_zone_does_not_change_the_moment(time: datetime) -> None:
    inner = max(min(time, datetime(9999, 1, 1, tzinfo=timezone.utc)), datetime(2, 1, 1, tzinfo=timezone.utc))
    assert micros(inner.astimezone(timezone(timedelta(hours=5, minutes=30)))) == micros(inner)


@given(TIMES)
def test_rfc3339_agrees_with_datetime(time: datetime) -> None:
    for unit, timespec in (("us", "microseconds"), ("ms", "milliseconds"), ("s", "seconds")):
        expected = time.isoformat(timespec=timespec).replace("+00:00", "Z")
        assert rfc3339(micros(time), unit) == expected  # type: ignore[arg-type]


def test_rfc3339_has_years_that_datetime_has_not() -> None:
    first = micros(datetime.min.replace(tzinfo=timezone.utc))
    assert rfc3339(first - 1) == "0000-12-31T23:59:59.999999Z"
    last = micros(datetime.max.replace(tzinfo=timezone.utc))
    assert rfc3339(last + 1) == "10000-01-01T00:00:00.000000Z"


@given(TIMES, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_525)))
def test_never_and_forever_are_beyond_all_times(time: datetime, duration: timedelta) -> None:
    assert NEVER + micros(duration) < micros(time) < FOREVER - micros(duration)


def test_the_system_clock_is_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)
