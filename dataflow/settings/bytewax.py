"""What Bytewax is asked to do, as far as the flow must know."""

import argparse
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class BytewaxRun(NamedTuple):
    """What Bytewax is asked to do. ``recovery``: the store; ``addresses``: those of a cluster's processes."""

    recovery: Path | None
    addresses: tuple[str, ...]

    @property
    def cluster(self) -> bool:
        """Whether this is one process of several."""
        return len(self.addresses) > 1


def bytewax_run(arguments: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> BytewaxRun:
    """What the arguments of ``bytewax.run`` and Bytewax's own variables say; an argument wins."""
    environ = os.environ if environ is None else environ
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-r", "--recovery-directory", default=environ.get("BYTEWAX_RECOVERY_DIRECTORY"))
    parser.add_argument("-a", "--addresses", default=environ.get("BYTEWAX_ADDRESSES"))
    options, _ = parser.parse_known_args(arguments)
    addresses = options.addresses.split(";") if options.addresses else []
    if not addresses and (path := environ.get("BYTEWAX_HOSTFILE_PATH")):
        with contextlib.suppress(OSError):
            addresses = Path(path).read_text(encoding="utf-8").split()
    store = options.recovery_directory
    return BytewaxRun(Path(store) if store else None, tuple(filter(None, map(str.strip, addresses))))
