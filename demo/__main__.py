"""Sets the signal handlers before the slow imports, so an early Ctrl-C ends the demo with one line too."""

import sys

from demo.processes import Interrupts

if __name__ == "__main__":
    interrupts = Interrupts()
    try:
        # An exception during the import of a native module can crash Python.
        interrupts.shielded = True
        from demo.run import main

        interrupts.unshield()
        code = main(interrupts)
    except KeyboardInterrupt:
        print("\ninterrupted; all processes of the demo are stopped", file=sys.stderr)
        code = 130
    sys.exit(code)
