"""The model of capacity: more events need more pods, costs add up, the bottleneck is what is used most."""

import json
from dataclasses import fields
from math import isinf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scale
from benchmarks.kit.assumptions import Assumptions, changed, documented, measured
from benchmarks.kit.capacity import Pod, Stage, plan
from benchmarks.scale import planned, sensitivity

FILL = 0.5
RESOURCES = ("cores", "network")
NAMES = ("a", "b", "c")
PODS = [Pod(name, price, dict.fromkeys(RESOURCES, 2.0)) for name, price in zip(NAMES, (1, 2, 4), strict=True)]
RATES = st.floats(1, 1e6)
TAKES = st.floats(1e-6, 1)


@st.composite
def stages(draw: st.DrawFn) -> list[Stage]:
    places = st.tuples(st.sampled_from(NAMES), st.sampled_from(RESOURCES), TAKES)
    found = draw(st.lists(places, min_size=1, max_size=8))
    return [Stage(f"stage {number}", *place) for number, place in enumerate(found)]


@given(RATES, stages())
def test_twice_the_rate_needs_at_least_as_many_pods(rate: float, some: list[Stage]) -> None:
    once, twice = plan(rate, some, PODS, FILL), plan(2 * rate, some, PODS, FILL)
    assert all(twice.pods[name] >= once.pods[name] for name in NAMES)
    assert twice.dollars_an_hour >= once.dollars_an_hour


@given(RATES, stages())
def test_a_plan_is_the_smallest_that_leaves_room(rate: float, some: list[Stage]) -> None:
    found = plan(rate, some, PODS, FILL)
    for pod in PODS:
        takes = {
            name: rate * sum(stage.takes for stage in some if (stage.pod, stage.resource) == (pod.name, name))
            for name in RESOURCES
        }
        has = found.pods[pod.name] * 2.0 * FILL
        assert all(amount <= has * (1 + 1e-9) for amount in takes.values())
        assert found.pods[pod.name] == 0 or any(amount > has - 2.0 * FILL for amount in takes.values())


@given(RATES, stages())
def test_the_bottleneck_is_what_is_used_most(rate: float, some: list[Stage]) -> None:
    found = plan(rate, some, PODS, FILL)
    first = found.bottleneck
    assert first.used == max(load.used for load in found.loads)
    assert first.used == pytest.approx(sum(found.used(stage) for stage in first.stages))
    assert found.used(first.biggest) == max(found.used(stage) for stage in first.stages)
    # With that many events, this resource is used in full, and no other one is used more.
    full = found.saturates_at / rate
    assert first.used * full == pytest.approx(1)
    assert all(load.used * full <= 1 + 1e-9 for load in found.loads)


@given(
    RATES,
    st.lists(st.tuples(st.sampled_from(NAMES), TAKES), min_size=1, max_size=3, unique_by=lambda s: s[0]),
)
def test_alone_on_its_pods_the_stage_of_the_highest_utilisation_is_the_bottleneck(
    rate: float, some: list[tuple[str, float]]
) -> None:
    alone = [Stage(pod, pod, "cores", takes) for pod, takes in some]
    found = plan(rate, alone, PODS, FILL)
    assert found.used(found.bottleneck.biggest) == max(map(found.used, alone))


@given(RATES, stages())
def test_costs_add_up(rate: float, some: list[Stage]) -> None:
    whole = plan(rate, some, PODS, FILL)
    parts = [plan(rate, [stage for stage in some if stage.pod == name], PODS, FILL) for name in NAMES]
    assert whole.dollars_an_hour == pytest.approx(sum(part.dollars_an_hour for part in parts))
    assert whole.dollars_an_hour == pytest.approx(sum(pod.price * whole.pods[pod.name] for pod in PODS))
    assert whole.dollars_a_million * whole.rate * 3600 / 1e6 == pytest.approx(whole.dollars_an_hour)


@given(RATES, stages(), st.sampled_from(NAMES), st.sampled_from(RESOURCES))
def test_a_stage_with_infinite_speed_never_saturates(
    rate: float, some: list[Stage], pod: str, resource: str
) -> None:
    free = Stage("free", pod, resource, 0.0)
    without, found = plan(rate, some, PODS, FILL), plan(rate, [*some, free], PODS, FILL)
    assert found.used(free) == 0
    assert (found.pods, found.dollars_an_hour) == (without.pods, without.dollars_an_hour)
    assert found.bottleneck.biggest != free
    assert isinf(plan(rate, [free], PODS, FILL).saturates_at)


def test_each_assumption_has_a_unit_and_a_source() -> None:
    found = documented(Assumptions())
    assert [each.name for each in found] == [each.name for each in fields(Assumptions)]
    assert all(each.unit and each.source for each in found)
    prices = [each for each in found if "$" in each.unit]
    assert prices
    assert all("not verified" in each.source or "202" in each.source for each in prices)


def test_figures_of_the_benchmarks_replace_defaults(tmp_path: Path) -> None:
    assert measured(tmp_path / "missing.json") == {}
    wanted = [each for each in fields(Assumptions) if each.metadata["figure"]]
    assert wanted
    benchmarks = [
        {
            "name": each.metadata["figure"][0],
            "figures": [{"name": each.metadata["figure"][1], "value": number}],
        }
        for number, each in enumerate(wanted, start=1)
    ]
    file = tmp_path / "bench.json"
    file.write_text(json.dumps({"benchmarks": [*benchmarks, {"name": "other", "figures": []}]}))
    assert measured(file) == {each.name: number for number, each in enumerate(wanted, start=1)}


@pytest.mark.parametrize(
    ("values", "message"),
    [({"speed": 1}, "speed is no assumption"), ({"fill": 1.5}, "from 0 to 1"), ({"dim": -1}, "from 0 on")],
)
def test_a_bad_assumption_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(Assumptions(), values)


@given(st.integers(1, 10))
def test_rows_stay_until_their_last_window_has_ended(overlap: int) -> None:
    given = changed(Assumptions(), {"overlap": overlap, "window_s": 600, "delay_s": 100})
    slide, at = 600 / overlap, np.arange(0.5, 6000)
    last_end = np.floor(at / slide) * slide + 600
    assert given.held_s == pytest.approx((last_end - at).mean() + 100, rel=1e-3)


@pytest.mark.parametrize("model", ["GPU", "CPU"])
def test_more_work_costs_more(model: scale.Model) -> None:
    base = planned(Assumptions(), model)
    for name in ("base_us", "reference_us", "dim", "row_bytes", "flow_dollars"):
        more = changed(Assumptions(), {name: getattr(Assumptions(), name) * 20})
        assert planned(more, model).dollars_a_million > base.dollars_a_million, name
    cached = changed(Assumptions(), {"distinct": 0})
    assert planned(cached, model).pods[scale.SERVER] == 0


def test_the_sensitivity_begins_with_what_moves_the_cost_most() -> None:
    found = sensitivity(Assumptions(), "GPU")
    moves = [abs(each.twice - each.half) for each in found]
    assert moves == sorted(moves, reverse=True)
    assert len(found) == len(fields(Assumptions)) - 1


def test_the_script_prints_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.json")
    command = ["scale", "--out", str(tmp_path), "--bench", missing, "--set", "rate=1000", "gpu_dollars=1"]
    monkeypatch.setattr("sys.argv", command)
    scale.main()
    out = capsys.readouterr().out
    assert "| gpu_dollars | 1 | $/h | --set |" in out
    assert "First to saturate:" in out
    assert (tmp_path / "scale.png").stat().st_size < 60_000
