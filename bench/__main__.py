"""``python -m bench compare``: measure the problems of the speed chart, print their table, and draw the chart.

Fit and search of every installed rival in the same run, each at its best, in processes of their own; medians. With
``--only NAME`` (repeatable) some of the problems. Every row, with its rivals, versions, machine and date, is in
bench/results/filter.json.
"""

import argparse
import json

from . import chart, rivals, table


def main() -> None:
    """Read the command line, measure and draw."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=["compare"])
    parser.add_argument("--only", action="append", default=[], choices=list(chart.PROBLEMS), help="a problem of the chart")
    parser.add_argument("--rivals", nargs="*", default=rivals.NAMES, choices=rivals.NAMES)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    print(
        table.run(
            "filter", given.only or list(chart.PROBLEMS), given.threads, False, table.RESULTS, names=tuple(given.rivals)
        )
    )
    chart.draw(json.loads(chart.RESULTS.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
