"""The options of ``bytewax.run`` that the flow needs to know: the recovery store and the processes."""

import argparse
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class BytewaxRun(NamedTuple):
    """How Bytewax runs the flow."""

    #: The folder of the recovery store; ``None``: Bytewax uses no store.
    recovery: Path | None
    #: The address of each process of the cluster, ``HOST:PORT``; empty: the flow runs in one process.
    addresses: tuple[str, ...]
    #: The number of this process in the cluster, from 0 on.
    process: int = 0

    @property
    def cluster(self) -> bool:
        """Whether this process is one of several."""
        return len(self.addresses) > 1


def bytewax_run(arguments: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> BytewaxRun:
    """Read the arguments of ``bytewax.run`` and Bytewax's own variables. An argument wins over a variable.

    >>> bytewax_run(["dataflow.flow:flow", "-r", "out/db"], {}).recovery.name
    'db'
    >>> bytewax_run([], {"BYTEWAX_ADDRESSES": "a:1;b:1"}).cluster
    True
    """
    environ = os.environ if environ is None else environ
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-r", "--recovery-directory", default=environ.get("BYTEWAX_RECOVERY_DIRECTORY"))
    parser.add_argument("-a", "--addresses", default=environ.get("BYTEWAX_ADDRESSES"))
    parser.add_argument("-i", "--process-id", type=int, default=_process(environ))
    parsed, _ = parser.parse_known_args(arguments)
    addresses = parsed.addresses.split(";") if parsed.addresses else []
    if not addresses and (path := environ.get("BYTEWAX_HOSTFILE_PATH")):
        with contextlib.suppress(OSError):
            addresses = Path(path).read_text(encoding="utf-8").split()
    store = parsed.recovery_directory
    named = tuple(filter(None, map(str.strip, addresses)))
    return BytewaxRun(Path(store) if store else None, named, parsed.process_id)


def _process(environ: Mapping[str, str]) -> str:
    """The number of this process if no argument says it. That of a pod stands at the end of its name."""
    if number := environ.get("BYTEWAX_PROCESS_ID"):
        return number
    of_set = environ.get("BYTEWAX_STATEFULSET_NAME")
    pod = environ.get("BYTEWAX_POD_NAME", "")
    return pod.removeprefix(f"{of_set}-") if of_set and pod.startswith(f"{of_set}-") else "0"
