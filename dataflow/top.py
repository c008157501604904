"""``python -m dataflow.top URI...``: the most unusual events, the incidents and the rates, in a terminal.

It reads what the sinks of a flow write, as the live page does, for machines without a browser.
"""

import sys

from dashboard.terminal.command import main

if __name__ == "__main__":
    sys.exit(main())
