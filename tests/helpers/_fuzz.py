"""Fuzz what reads files: mutated valid inputs, millions if one likes, each in a child with limits of memory and time.

    python tests/helpers/_fuzz.py [--count 2000] [--seed 0] [--minutes M] [--corpus FOLDER] [--out FILE] [NAME ...]

`_fuzz_targets.py` has the formats, `_fuzz_bytes.py` the mutations. Inputs that reach lines of fastcls which none before has
reached are mutated further (--blind: never, which is twice as fast). A fault is

- any error but InputError, OSError and MemoryError, and a MemoryError of an input of less than 1 MB,
- more memory than the input and the result take, times eight, and 48 MB,
- more than 20 seconds of processor time, or the end of the process.

The first input of each fault is kept in build/fuzz, and the exit status is the number of different faults, at most 100.
With --corpus, small inputs that reached new lines are written to an archive for each format; those of tests/datasets/corpus
are read by the test suite. --out adds the numbers of executions and faults to a JSON file.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from _fuzz_targets import TARGETS, as_zip, can_run

import fastcls
from fastcls._validation.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "fuzz"
IN_MEMORY = Path("/dev/shm")  # folders are made and removed ten times as fast there as on a disk
ALLOWED = (InputError, OSError, MemoryError)
ROOM = 1 << 30  # bytes of addresses beyond what the child has when it begins
SLACK = 48 << 20  # bytes that any execution may take: pools of libraries, one block of a reader
SECONDS = 20
FAILED = 97  # exit status of a child whose own code fails, not what it reads
AT_A_TIME = 2000  # executions of one child
MOST_IN_POOL = 400
MOST_IN_CORPUS, LARGEST_IN_CORPUS = 40, 40_000


class Lines:
    """Lines of fastcls that an execution reaches."""

    def __init__(self, traces=True):
        self.home = str(Path(fastcls.__file__).parent)
        self.seen, self.now, self.traces, self.ours = set(), set(), traces, {}

    def _enter(self, frame, event, argument):
        code = frame.f_code
        ours = self.ours.get(code)
        if ours is None:
            ours = self.ours[code] = code.co_filename.startswith(self.home)
        return self._step if ours else None

    def _step(self, frame, event, argument):
        self.now.add((frame.f_code, frame.f_lineno))
        return self._step

    @contextlib.contextmanager
    def recorded(self):
        self.now.clear()
        if self.traces:
            threading.settrace(self._enter)
            sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def are_new(self):
        """Whether the last execution reached a line that none before has reached."""
        new = not self.now <= self.seen
        self.seen |= self.now
        return new


def _status(what):
    """Kilobytes of /proc/self/status; 0 where there is none."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(what))
    except (OSError, StopIteration):
        return 0


def _forget_peak():
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def write_files(folder, files):
    """The files of an input, in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def outcome(target, folder, size):
    """("loaded" | "refused" | "fault", text): what reading the input in a folder comes to."""
    _forget_peak()
    before, taken = _status("VmRSS"), 0
    try:
        taken, said, text = target.read(folder), "loaded", ""
    except ALLOWED as error:
        said, text = "refused", type(error).__name__
        lines = str(error).splitlines()
        if isinstance(error, InputError) and (len(lines) != 1 or len(lines[0]) > 2000):
            said, text = "fault", f"a message of {len(lines)} lines, {len(str(error))} characters"
        if isinstance(error, MemoryError) and size < 1 << 20:
            said, text = "fault", f"MemoryError: {_place(error)}"
    except RecursionError as error:
        said, text = "fault", f"RecursionError: {_place(error)}"
    except Exception as error:
        said, text = "fault", f"{type(error).__name__}: {error} {_place(error)}"
    more = (_status("VmHWM") - before) << 10
    if said != "fault" and more > SLACK + 8 * (taken + size):
        said, text = "fault", f"memory: {more >> 20} MB for {size:,} bytes that were {said} ({taken:,} bytes of result)"
    return said, text


def _place(error):
    """Where an error comes from: the last line of fastcls, and the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "fastcls" in frame.filename] or frames
    places = dict.fromkeys(f"{Path(frame.filename).name}:{frame.lineno}" for frame in (ours[-1], frames[-1]))
    return f"({', '.join(places)})"


def _child(name, seed, first, count, folder, out, blind, wants_inputs):
    """Run executions `first` to `first + count`; write one line of JSON for each to `out`."""
    target, lines = TARGETS[name], Lines(not blind)
    seeds = target.seeds()
    case, now = folder / "case", folder / "now"
    for files in seeds:
        write_files(case, files)
        with lines.recorded():
            said, text = outcome(target, case, 1 << 30)
        assert said == "loaded", f"a valid input of {name} was {said}: {text}"
        lines.are_new()
    resource.setrlimit(resource.RLIMIT_AS, ((_status("VmSize") << 10) + ROOM,) * 2)
    pool = list(seeds)
    with os.fdopen(out, "w", encoding="utf-8") as report:
        for number in range(first, first + count):
            rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
            parents = seeds if rng.random() < 0.5 else pool  # nothing that comes of a damaged input may be accepted
            files = target.mutated(rng, parents[rng.integers(len(parents))], pool)
            write_files(case, files)
            now.write_text(str(number))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its signal ends the process
            with lines.recorded():
                said, text = outcome(target, case, sum(map(len, files.values())))
            signal.setitimer(signal.ITIMER_PROF, 0)
            row = {"number": number, "said": said, "text": text}
            if lines.are_new() and not blind:
                pool[len(seeds) :] = [*pool[len(seeds) :], files][-MOST_IN_POOL:]
                if wants_inputs and sum(map(len, files.values())) < LARGEST_IN_CORPUS:
                    row["files"] = {key: content.hex() for key, content in files.items()}
            if said == "fault":
                shutil.copytree(case, folder / f"fault-{number}", dirs_exist_ok=True)
            report.write(json.dumps(row) + "\n")
            report.flush()
        report.write(json.dumps({"lines": len(lines.seen)}) + "\n")


def _kind_of(text):
    """Faults of one kind have the same text but for numbers."""
    return "".join("0" if letter.isdigit() else letter for letter in text)[:120]


def fuzz(name, count, seed=0, seconds=1e9, *, blind=False, corpus=None, says=print):
    """Run executions of one format. Returns a Counter of outcomes, and kind of fault -> (number, text)."""
    tally, faults, found, first, begun = Counter(), {}, {}, 0, time.monotonic()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as room:
        folder = Path(room)
        while first < count and time.monotonic() - begun < seconds:
            n = min(AT_A_TIME, count - first)
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                status = FAILED
                try:
                    os.close(reader)
                    quiet = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(quiet, 1)
                    os.dup2(os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
                    (folder / "now").write_text(str(first - 1))
                    _child(name, seed, first, n, folder, writer, blind, corpus is not None)
                    status = 0
                except BaseException:
                    traceback.print_exc()
                    sys.stderr.flush()
                finally:
                    os._exit(status)
            os.close(writer)
            with os.fdopen(reader, encoding="utf-8") as stream:
                for line in stream:
                    row = json.loads(line)
                    if "lines" in row:
                        tally["lines"] = max(tally["lines"], row["lines"])
                        continue
                    tally[row["said"]] += 1
                    if row["said"] == "fault":
                        _keep(name, row["number"], folder / f"fault-{row['number']}", row["text"], faults, says)
                    if "files" in row and len(found) < MOST_IN_CORPUS:
                        key = f"{row['said']}-{row['number']}"
                        found[key] = {file: bytes.fromhex(content) for file, content in row["files"].items()}
            _, status = os.waitpid(child, 0)
            first += n
            if status:
                number = int((folder / "now").read_text())
                code = os.waitstatus_to_exitcode(status)
                how = {-signal.SIGPROF: f"more than {SECONDS} s"}.get(code, f"the process ended ({code})")
                if number < first - n or code == FAILED:
                    raise SystemExit(f"{name}: the child failed:\n{(folder / 'stderr').read_text()[-3000:]}")
                tally["fault"] += 1
                _keep(name, number, folder / "case", how, faults, says)
                first = number + 1
    if corpus is not None and found:
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / f"{name}.zip").write_bytes(as_zip(found))
    return tally, faults


def _keep(name, number, folder, text, faults, says):
    kind = _kind_of(text)
    if kind in faults:
        return
    faults[kind] = number, text
    shutil.copytree(folder, KEPT / f"{name}-{number}", dirs_exist_ok=True)
    says(f"{name} {number}: {text}")


def main(names, count, seed, minutes, blind, corpus, out):
    """Print the outcomes of each format; the number of different faults."""
    n_faults = 0
    for name in names or TARGETS:
        if not can_run(name):
            print(f"{name}: {TARGETS[name].needs} is not installed")
            continue
        begun = time.monotonic()
        tally, faults = fuzz(name, count, seed, 60 * minutes, blind=blind, corpus=corpus)
        n_faults += len(faults)
        n = tally["loaded"] + tally["refused"] + tally["fault"]
        print(
            f"{name}: {n:,} executions, {tally['loaded']:,} loaded, {tally['refused']:,} refused, {len(faults)} faults, "
            f"{tally['lines']:,} lines reached, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        if out is not None:
            kept = json.loads(out.read_text()) if out.exists() else {}
            kept[name] = {"executions": n, "loaded": tally["loaded"], "faults": len(faults), "seed": seed}
            out.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return min(n_faults, 100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *TARGETS], help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--count", type=int, default=2000, help="executions of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e6, help="at most so many for each format")
    parser.add_argument("--blind", action="store_true", help="without watching which lines are reached")
    parser.add_argument("--corpus", type=Path, help="folder for inputs that reached new lines")
    parser.add_argument("--out", type=Path, help="JSON file to which the numbers are added")
    args = parser.parse_args()
    sys.exit(main(args.names, args.count, args.seed, args.minutes, args.blind, args.corpus, args.out))
