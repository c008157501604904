"""Strategies of Hypothesis for records: good ones, odd ones, and any bytes."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
HEADER = b"id,key,ts,text,more"
UTC = timezone.utc

moments = st.datetimes(datetime(2, 1, 1), datetime(2026, 11, 23, 12), timezones=st.just(UTC))
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))])
times = st.builds(lambda m, z, sep: m.astimezone(z).isoformat(sep), moments, zones, st.sampled_from("T "))
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=8), times)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=3), v, max_size=2)
)
valid = st.builds(
    lambda more, record: more | record,
    st.dictionaries(st.text(max_size=5), values, max_size=3),
    st.fixed_dictionaries(
        {"id": st.integers(0, 2**63) | st.text(min_size=1), "key": st.text(), "ts": times, "text": st.text()}
    ),
)
odd = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "key", "ts", "text", "more"), values))


def encode(record: dict[str, Any], ascii: bool) -> bytes:
    return json.dumps(record, ensure_ascii=ascii).encode(errors="surrogatepass")


lines = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    st.sampled_from([b"{}", b'{"a":[{}', b"{}]}", b"{},{}", b'"', b'a,"b', b'c",d', b"NaN", b'["\\ud8"]']),
    st.builds(encode, valid | odd, st.booleans()),
    valid.map(lambda r: ",".join('"' + str(v).replace('"', '""') + '"' for v in r.values()).encode()),
)  # fmt: skip
formats = st.sampled_from(["jsonl", "csv", "text"])
