"""Coverage measures the first examples of a property, the first sets of parameters of a test, and the imports
of one process.
"""

import os
from types import SimpleNamespace
from typing import Any

import pluggy
import pytest
from coverage import Coverage
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.traced import CHILDREN, EXAMPLES, SETS, Measurement


class Tracer:
    def __init__(self) -> None:
        self.running = True

    def stop(self) -> None:
        assert self.running
        self.running = False

    def start(self) -> None:
        assert not self.running
        self.running = True
        os.environ[CHILDREN] = "as coverage 7.13 does"


class Hooks:
    """What pytest calls around a collection and around a test."""

    @pytest.hookspec(firstresult=True)
    def pytest_collection(self) -> object: ...

    @pytest.hookspec
    def pytest_runtest_call(self, item: Any) -> None: ...


class Process:
    """A process of tests. ``traced``: whether coverage measured, for each thing that ran."""

    def __init__(self, tracer: Tracer | None, *, imports: bool = True) -> None:
        self._tracer, self.traced = tracer, list[bool]()
        self._plugins = pluggy.PluginManager("pytest")
        self._plugins.add_hookspecs(Hooks)
        self._plugins.register(Measurement(imports=imports))
        self._plugins.register(self)

    def ran(self) -> None:
        self.traced.append(self._tracer is not None and self._tracer.running)

    @pytest.hookimpl
    def pytest_collection(self) -> object:
        self.ran()
        return True

    @pytest.hookimpl
    def pytest_runtest_call(self, item: Any) -> None:
        item.obj()

    def collect(self) -> None:
        assert self._plugins.hook.pytest_collection() is True

    def call(self, test: Any, name: str = "test_it") -> None:
        self._plugins.hook.pytest_runtest_call(item=SimpleNamespace(nodeid=name, obj=test))


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    tracer = Tracer()
    monkeypatch.setattr(Coverage, "current", lambda: tracer)
    return tracer


@pytest.mark.parametrize("imports", [False, True])
def test_the_imports_of_one_process_are_traced(imports: bool, tracer: Tracer) -> None:
    process = Process(tracer, imports=imports)
    process.collect()
    process.call(process.ran)
    assert process.traced == [imports, True]
    assert tracer.running


@pytest.mark.parametrize("are_measured", [False, True])
def test_whether_children_are_measured_stays_as_it_was(
    are_measured: bool, tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHILDREN, "")
    if not are_measured:
        monkeypatch.delenv(CHILDREN)
    process, found = Process(tracer), list[bool]()
    for number in range(SETS + 3):
        process.call(lambda: found.append(CHILDREN in os.environ), f"test_it[{number}]")
    assert found == [are_measured] * (SETS + 3)


@pytest.mark.parametrize("fails", [False, True])
def test_the_first_sets_of_parameters_are_traced(fails: bool, tracer: Tracer) -> None:
    process = Process(tracer)

    def test() -> None:
        process.ran()
        if fails:
            raise ArithmeticError

    for number in range(SETS + 3):
        if fails:
            with pytest.raises(ArithmeticError):
                process.call(test, f"test_it[{number}]")
        else:
            process.call(test, f"test_it[{number}]")
        assert tracer.running
    process.call(process.ran, "test_another[0]")
    assert process.traced == [True] * SETS + [False] * 3 + [True]


@pytest.mark.parametrize("examples", [1, EXAMPLES, EXAMPLES + 1, 3 * EXAMPLES])
@pytest.mark.parametrize("fails", [False, True])
def test_the_first_examples_are_traced_and_what_follows_the_test(
    examples: int, fails: bool, tracer: Tracer
) -> None:
    process = Process(tracer)

    @settings(max_examples=examples, database=None)
    @given(st.integers())
    def test(_: int) -> None:
        process.ran()
        if fails and len(process.traced) >= examples:
            raise ArithmeticError

    if fails:
        with pytest.raises(ArithmeticError):
            process.call(test)
    else:
        process.call(test)
    assert tracer.running
    assert len(process.traced) >= examples
    assert process.traced == [number < EXAMPLES for number in range(len(process.traced))]


def test_without_coverage_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Coverage, "current", lambda: None)
    process = Process(None, imports=False)

    @settings(max_examples=50, database=None)
    @given(st.integers())
    def test(_: int) -> None:
        process.ran()

    process.collect()
    process.call(test)
    for number in range(SETS + 3):
        process.call(process.ran, f"test_another[{number}]")
    assert len(process.traced) == 1 + 50 + SETS + 3
