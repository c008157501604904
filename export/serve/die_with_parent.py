"""``python die_with_parent.py PARENT COMMAND...``: becomes COMMAND, which dies when its parent dies.

PARENT is the process id of the parent. The kernel kills COMMAND however the parent ends, also by ``kill -9``.
Standard library only: :mod:`export.serve.supervisor` starts the model server with it, and the demo starts the
dataflow with it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # the parent died before the call above
        sys.exit(1)
    # Python ignores these signals, and a program that replaces Python would go on ignoring them.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(sys.argv[2], sys.argv[2:])
