"""The order in which pytest-xdist gets the tests."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.scheduling import Scheduling

UNIT = [f"tests/unit/test_many.py::test_{i}" for i in range(30)]
MODEL = [f"tests/integration/test_{name}.py::test_{i}" for name in ("triton", "export") for i in range(3)]
FLOW = [f"tests/flow/test_logs.py::test_{i}" for i in range(4)]
ALONE = [f"tests/flow/test_flow.py::test_{i}" for i in range(5)]
TESTS = [*UNIT, *ALONE, *MODEL, *FLOW]


class Process:
    """A process of pytest-xdist, as the scheduler sees it."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.waiting: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.waiting += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run(processes: int) -> tuple[list[str], dict[str, set[int]]]:
    """The tests in the order in which they start, and the processes that run each group. The processes take
    turns.
    """
    option = SimpleNamespace(loadscopereorder=True, debug=False, verbose=0)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["popen"] * processes)
    scheduling = Scheduling(config, None)
    nodes = [Process(number) for number in range(processes)]
    for node in nodes:
        scheduling.add_node(node)
        scheduling.add_node_collection(node, TESTS)
    scheduling.schedule()
    started: list[str] = []
    groups: dict[str, set[int]] = {}
    while any(node.waiting for node in nodes):
        for number, node in enumerate(nodes):
            if node.waiting:
                index = node.waiting.pop(0)
                started.append(TESTS[index])
                groups.setdefault(scheduling._split_scope(TESTS[index]), set()).add(number)
                scheduling.mark_test_complete(node, index)
    return started, groups


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_each_test_runs_once_and_a_group_in_one_process(processes: int) -> None:
    started, groups = run(processes)
    assert sorted(started) == sorted(TESTS)
    assert {len(where) for where in groups.values()} == {1}


def test_long_tests_start_first() -> None:
    started, _ = run(1)
    assert started == [*MODEL, *FLOW, *ALONE, *UNIT]


def test_the_tests_of_a_module_of_long_tests_are_shared_out() -> None:
    _, groups = run(4)
    assert len(set().union(*(groups[name] for name in ALONE))) > 1
