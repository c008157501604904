"""Which tests run in which process of pytest-xdist.

The group marks of pytest-xdist 3.8 have no effect with pytest 9.2, so the groups are made here.
"""

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

#: Modules of tests/integration that use the real model. Its server and torch use all cores, and take seconds
#: to start. So one process runs all these tests, while the others run tests that wait for processes.
_MODEL = {
    "article",
    "attack",
    "deploy_triton",
    "doctor_model",
    "export",
    "manage",
    "precision",
    "readme",
    "sidecar",
    "triton",
}
#: Imports torch, too.
_TORCH = "tests/unit/export/convert/test_cuda.py"
#: Long tests that share no fixture of their module.
_ALONE = (
    "tests/flow/test_flow.py",
    "tests/flow/test_stop.py",
    "tests/integration/test_demo.py",
    "tests/integration/test_delivery.py",
    "tests/integration/test_deploy.py",
    "tests/integration/test_documented_commands.py",
)


#: Tests that start processes take longest. If one came last, the other processes would wait for it.
_LONG = ("tests/integration/", "tests/flow/")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """One process runs all tests of a group, as a rule the tests of a module. The tests of the real model
    come first, then those that start processes, then all others. Of each kind, groups with many tests come
    first.
    """

    def _split_scope(self, nodeid: str) -> str:
        """The group of a test."""
        module = nodeid.partition("::")[0]
        if module in _ALONE:
            return nodeid
        if module == _TORCH:
            return "model"
        if module.startswith("tests/integration/"):
            name = module.removeprefix("tests/integration/test_").removesuffix(".py")
            return "model" if name in _MODEL else module
        return module

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = max(self.workqueue, key=lambda group: (group == "model", group.startswith(_LONG)))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)
