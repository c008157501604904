"""``python -m benchmarks.chaos``: nothing is lost and nothing comes twice, whatever fails."""

import argparse
import sys

from benchmarks.chaos import kills, proofs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    kills.add_arguments(what.add_parser("kills", help=kills.HELP, description=kills.HELP))
    proofs.add_arguments(what.add_parser("delivery", help=proofs.HELP, description=proofs.HELP))
    options = parser.parse_args()
    return kills.main(options) if options.what == "kills" else proofs.main(options)


if __name__ == "__main__":
    sys.exit(main())
