"""Run the long forms of the tests, and record how many cases they had and how many failed.

    python tests/helpers/_long_runs.py [--list] [--count N] NAME ...

Outcomes go to bench/results/trust.json and, from there, to docs/trust.md. ``fuzz`` means all formats of ``_fuzz.py``; blind
runs do not watch which lines are reached, and are faster. --count is for a sample: of executions, of mutated models, of
kills, forks and signals. Without it they are those of the table.
"""

import argparse
import datetime
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from _mutation import machine

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "trust.json"

FORMATS = (
    "npy", "npz", "idx", "idx-gz", "pickle", "cifar-bin", "tar", "safetensors", "csv", "parquet", "feather", "hdf5", "zarr",
    "images", "demo", "model", "checkpoint-sgd", "checkpoint-lbfgs",
)  # fmt: skip
MOST = ("npy", "idx", "pickle", "safetensors")  # a million executions each

#: Name -> command, with COUNT in the place of the count; the count; and a pattern of the printed text, whose numbers are
#: added up. Without a pattern the cases are the count.
RUNS = {
    "kernels": ("tests/kernels/run_selftest.sh", 0, r": (\d+) values as wanted"),
    "kernels of aarch64": ("tests/kernels/run_selftest_aarch64.sh", 0, r": (\d+) values as wanted"),
    "mutated models": ("python tests/helpers/_mutated_models.py COUNT", 10_000, ""),
    "killed saves": ("python tests/helpers/_kill_saves.py COUNT", 200, r"^(\d+) kills"),
    "killed trainings": ("FASTCLS_KILLS=COUNT pytest tests/linear/test_checkpoint.py -k killed", 100, ""),
    "processes": ("FASTCLS_FORKS=COUNT pytest tests/search/test_processes.py", 100, ""),
    "signals": ("FASTCLS_SIGNALS=COUNT pytest -s tests/search/test_raising_signals.py", 100, r"'(\d+) of \d+, \d+ ms'"),
    "seeded faults": ("python tests/helpers/_seeded_faults.py", 0, r"\d+ of (\d+) faults caught"),
    "sanitizers": ("tests/kernels/run_sanitized.sh COUNT", 10_000, r"(\d+) (?:values as wanted|passed)"),
    **{
        f"fuzz {name}": (f"python tests/helpers/_fuzz.py --count COUNT {name}", 20_000, r": ([\d,]+) executions")
        for name in FORMATS
    },
    **{
        f"fuzz {name}, blind": (
            f"python tests/helpers/_fuzz.py --blind --seed 1 --count COUNT {name}",
            10**6 if name in MOST else 10**5,
            r": ([\d,]+) executions",
        )
        for name in FORMATS
    },
}

#: Name -> pattern of a line of the printed text that is recorded too.
NOTES = {"signals": r"^95th percentile of .*$"}


def run(name, count=None):
    """Run one, and record its outcome; whether all went well."""
    command, usual, pattern = RUNS[name]
    count = usual if count is None or not usual else count
    command = command.replace("COUNT", str(count))
    words = shlex.split(command)
    settings = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    words = [sys.executable, *words[1:]] if words[0] == "python" else words
    words = [sys.executable, "-m", *words] if words[0] == "pytest" else words
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True)
    print(done.stdout[-2000:])
    found = [int(number.replace(",", "")) for number in re.findall(pattern, done.stdout, re.MULTILINE)] if pattern else []
    note = re.search(NOTES[name], done.stdout, re.MULTILINE) if name in NOTES else None
    record(name, command, sum(found) if pattern else count, done.returncode, note[0] if note else "")
    return done.returncode == 0


def record(name, command, cases, failures, note=""):
    """Add an outcome to the results."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    row = {"command": command, "cases": cases, "failures": failures, "machine": machine()}
    row |= {"date": datetime.date.today().isoformat()} | ({"note": note} if note else {})
    kept.setdefault("runs", {})[name] = row
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of those that --list shows")
    parser.add_argument("--count", type=int, help="a smaller number of cases")
    parser.add_argument("--list", action="store_true", help="show the names and their commands")
    args = parser.parse_args()
    if args.list:
        print(*(f"{name}: {command.replace('COUNT', f'{count}')}" for name, (command, count, _) in RUNS.items()), sep="\n")
        sys.exit()
    names = [one for name in args.names for one in ([f"fuzz {f}" for f in FORMATS] if name == "fuzz" else [name])]
    unknown = sorted(set(names) - set(RUNS))
    if unknown or not names:
        parser.error(f"unknown: {unknown}" if unknown else "name a run; --list shows them")
    failed = [name for name in names if not run(name, args.count)]
    subprocess.run([sys.executable, ROOT / "docs" / "make_trust.py"], check=True)
    sys.exit(f"failed: {failed}" if failed else 0)
