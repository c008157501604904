"""What each receiver gets for each state of an incident; texts cannot break out of a format."""

import json
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.alerts import ALERT_KINDS, ALERT_STATES, OVER
from dataflow.sink.encoding import json_rows
from dataflow.sink.webhook.formats import FORMATS, render
from dataflow.sink.webhook.slack import _TITLES, escaped
from tests.support.webhooks import batch, row

OPTIONS = {"pagerduty": {"routing_key": "r0ute"}}
TEXTS = st.text(max_size=3) | st.sampled_from(["<!channel>", "&amp;", "\x00", "'\"", "é" * 5000, "<" * 5000])


def body(name: str, **more: Any) -> Any:
    """The body for a row as it is in the spool."""
    return json.loads(
        render(name, OPTIONS.get(name, {}))(json_rows(batch(row(**more)))[0].removesuffix(b"\n"))
    )


def test_json_is_the_row_of_the_stream() -> None:
    found = body("json", incident="i", sequence=2)
    assert found == json.loads(json_rows(batch(row("i", 2)))[0])


@pytest.mark.parametrize("kind", ALERT_KINDS)
@pytest.mark.parametrize("state", ALERT_STATES)
def test_an_incident_that_is_over_is_over_for_each_receiver(state: str, kind: str) -> None:
    more = {"merged_into": "older"} if state == "merged" else {}
    found = {name: body(name, incident="i", state=state, kind=kind, **more) for name in FORMATS}
    over = state in OVER
    event = found["pagerduty"]
    assert event["event_action"] == ("resolve" if over else "trigger")
    assert (event["dedup_key"], event["routing_key"]) == ("i", "r0ute")
    assert event["payload"]["custom_details"]["merged_into"] == more.get("merged_into")
    (alert,) = found["alertmanager"]
    assert alert["labels"]["incident"] == "i"
    assert alert["labels"]["alertname"] == ("DriftlineDrift" if kind == "drift" else "DriftlineIncident")
    assert alert["startsAt"] <= alert["endsAt"]
    assert (alert["endsAt"] < "2027") == over
    assert alert["annotations"].get("merged_into") == more.get("merged_into")
    message = found["slack"]
    assert message["text"].startswith(_TITLES[state])
    assert ("(drift)" in message["text"]) == (kind == "drift")


def test_the_rows_of_an_incident_are_one_alert() -> None:
    rows = [{"sequence": n, "state": state} for n, state in enumerate(ALERT_STATES)]
    assert len({orjson.dumps(body("alertmanager", **each)[0]["labels"]) for each in rows}) == 1
    assert len({body("pagerduty", **each)["dedup_key"] for each in rows}) == 1


@settings(max_examples=30, deadline=None)
@given(key=TEXTS, message=TEXTS, text=TEXTS, kind=st.sampled_from(ALERT_KINDS), copies=st.integers(0, 30))
def test_any_text_keeps_to_the_limits(key: str, message: str, text: str, kind: str, copies: int) -> None:
    (one,) = row()["examples"]
    more = {"key": key, "message": message, "examples": [one | {"text": text}] * copies, "kind": kind}
    for state in ALERT_STATES:
        slack = body("slack", state=state, **more)
        assert len(slack["text"]) <= 4000
        assert len(slack["blocks"][-1]["elements"]) <= 10
        parts = [block["text"] for block in slack["blocks"] if block["type"] == "section"]
        for part in [*parts, *slack["blocks"][-1]["elements"]]:
            assert 1 <= len(part["text"]) <= 3000
            assert part["verbatim"]
        for shown in (slack["text"], *(part["text"] for part in parts)):
            assert "<" not in shown
            assert ">" not in shown
        payload = body("pagerduty", state=state, **more)["payload"]
        assert 1 <= len(payload["summary"]) <= 1024
        assert payload["source"]
        assert len(json.dumps(payload)) < 500_000
        (alert,) = body("alertmanager", state=state, **more)
        assert all(
            isinstance(each, str) for each in (*alert["labels"].values(), *alert["annotations"].values())
        )
        assert datetime.fromisoformat(alert["startsAt"].replace("Z", "+00:00"))


@given(st.text(alphabet="a<>&", max_size=30), st.integers(3, 40))
def test_a_text_is_cut_between_two_characters(text: str, most: int) -> None:
    found = escaped(text, most)
    assert len(found) <= most
    plain = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert plain == text or (found.endswith("...") and text.startswith(plain.removesuffix("...")))
