"""A dataflow that is started again whenever it ends, as Kubernetes does."""

import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.flows import FLOW
from tests.support.forked import Forked

#: No start may take longer until the source is open, and no end of the input until the process ends.
HUNG_S = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_NUMBER = re.compile(r"\d+(\.\d+)?")
#: The folder of a run, which has another name each time.
_FOLDER = re.compile(r"/\S*?/(chaos|calm)/")
_MOST_TEXT = 90


class HungError(RuntimeError):
    """The dataflow does nothing for long, although everything that it needs is there."""


class Supervised:
    """A dataflow with the settings ``env`` and the flags of Bytewax ``flags``. A context manager.

    ``started`` is called with the id of each new process. All logs are appended to ``log``. ``exits``: how
    often the dataflow ended, by exit code and reason. ``warnings``: the warnings of the log, by their event.
    """

    def __init__(
        self, env: Mapping[str, str], flags: Sequence[str], log: Path, started: Callable[[int], None]
    ) -> None:
        self._env, self._flags, self._log, self._started = env, flags, log, started
        self.exits: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.starts = 0
        self._changed = threading.Condition()
        self._process: subprocess.Popen[Any] | None = None
        self._up = self._ending = False
        self._thread = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> "Supervised":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait_until_up(self) -> None:
        """Return when a process has opened its source. Raises ``HungError``."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._up, HUNG_S):
                raise HungError(f"the dataflow does not come up; see {self._log}")

    def kill(self) -> None:
        """``kill -9``, if a process runs."""
        if process := self._process:
            process.kill()

    def terminate(self) -> None:
        """SIGTERM, if a process runs."""
        if process := self._process:
            process.terminate()

    def end(self) -> None:
        """Ask for an orderly end, and start no process any more."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        asked = None
        while self._thread.is_alive():
            if (process := self._process) is not asked and process is not None:
                process.terminate()  # once: a second signal would be no orderly end
                asked = process
            self._thread.join(0.1)

    def read_to_the_end(self, env: Mapping[str, str]) -> None:
        """Run the dataflow with the settings ``env`` until it ends with code 0. Raises ``HungError``.

        Call this after :meth:`end`.
        """
        hung = time.monotonic() + HUNG_S
        self._env = env
        while time.monotonic() < hung:
            if self._run(hung) == 0:
                return
            time.sleep(_FIRST_PAUSE_S)
        raise HungError(f"the dataflow does not reach the end of its input; see {self._log}")

    def _supervise(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._ending:
            before = time.monotonic()
            self._run()
            # As with Kubernetes, a process that ran for a while is started again at once.
            quick = time.monotonic() - before < 2 * _LONGEST_PAUSE_S
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S) if quick else _FIRST_PAUSE_S
            with self._changed:
                self._changed.wait_for(lambda: self._ending, pause_s)

    def _run(self, until: float | None = None) -> int:
        process = Forked(
            "bytewax.run",
            FLOW,
            *self._flags,
            env=dict(self._env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.starts += 1
        self._started(process.pid)
        timer = threading.Timer(until - time.monotonic(), process.kill) if until else None
        if timer:
            timer.start()
        self._process = process
        reason = self._read(process)
        code = process.wait()
        with self._changed:
            self._process, self._up = None, False
        if timer:
            timer.cancel()
        self.exits[f"code {code}{reason}"] += 1
        return code

    def _read(self, process: "subprocess.Popen[Any]") -> str:
        """Read the log of a process to its end; why the process ended, if it says so."""
        assert process.stderr
        reason = ""
        with process.stderr, self._log.open("ab") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()
                event = _event(line)
                if event.get("level") == "warning":
                    self.warnings[str(event["event"])] += 1
                if event.get("event") == "partition_opened":
                    with self._changed:
                        self._up = True
                        self._changed.notify_all()
                elif event.get("event") == "error":
                    text = _NUMBER.sub("N", _FOLDER.sub("", str(event["message"])))
                    reason = f": {text[:_MOST_TEXT]}"
        return reason


def _event(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
