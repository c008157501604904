"""Listens for signals before the slow imports, so that an early Ctrl-C ends in one line too."""

import sys

from demo.processes import Interrupts

if __name__ == "__main__":
    interrupts = Interrupts()
    try:
        # An exception in the middle of a native module's import can crash Python.
        interrupts.shielded = True
        from demo.run import main

        interrupts.unshield()
        code = main(interrupts)
    except KeyboardInterrupt:
        print("\ninterrupted; everything that the demo started is stopped", file=sys.stderr)
        code = 130
    sys.exit(code)
