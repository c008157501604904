"""Coverage measures the first examples of a property, and all of the tests that follow."""

import pytest
from coverage import Coverage
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.traced import EXAMPLES, first_examples_traced


class Tracer:
    def __init__(self) -> None:
        self.running = True

    def stop(self) -> None:
        assert self.running
        self.running = False

    def start(self) -> None:
        assert not self.running
        self.running = True


@pytest.mark.parametrize("examples", [1, EXAMPLES, EXAMPLES + 1, 3 * EXAMPLES])
@pytest.mark.parametrize("fails", [False, True])
def test_the_first_examples_are_traced_and_what_follows_the_test(
    examples: int, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer, traced = Tracer(), list[bool]()
    monkeypatch.setattr(Coverage, "current", lambda: tracer)

    @settings(max_examples=examples, database=None)
    @given(st.integers())
    def test(_: int) -> None:
        traced.append(tracer.running)
        if fails and len(traced) >= examples:
            raise ArithmeticError

    with first_examples_traced(test.hypothesis):  # type: ignore[attr-defined]
        if fails:
            with pytest.raises(ArithmeticError):
                test()
        else:
            test()
    assert tracer.running
    assert len(traced) >= examples
    assert traced == [number < EXAMPLES for number in range(len(traced))]


def test_without_coverage_all_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Coverage, "current", lambda: None)
    drawn: list[int] = []

    @settings(max_examples=50, database=None)
    @given(st.integers())
    def test(number: int) -> None:
        drawn.append(number)

    with first_examples_traced(test.hypothesis):  # type: ignore[attr-defined]
        test()
    assert len(drawn) == 50
