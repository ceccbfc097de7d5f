"""Mutated data sets and models: a corpus that the fuzzer found, and some new ones. `_fuzz.py` runs as many as one likes."""

import shutil
from pathlib import Path

import _fuzz
import _fuzz_targets
import numpy as np
import pytest

from fastcls._validation.errors import InputError

CORPUS = Path(__file__).with_name("corpus")
TARGETS = _fuzz_targets.TARGETS


def needed(name):
    if not _fuzz_targets.can_run(name):
        pytest.skip(f"{TARGETS[name].needs} is not installed")
    return TARGETS[name]


@pytest.mark.parametrize("name", TARGETS)
def test_valid_inputs_are_loaded(name, tmp_path):
    target = needed(name)
    for files in target.seeds():
        _fuzz.write_files(tmp_path / "case", files)
        assert target.read(tmp_path / "case") > 0


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_refused_or_loaded_and_takes_little_memory(name, tmp_path):
    target, outcomes = needed(name), []
    for case, files in _fuzz_targets.from_zip(CORPUS / f"{name}.zip").items():
        _fuzz.write_files(tmp_path / "case", files)
        said, text = _fuzz.outcome(target, tmp_path / "case", sum(map(len, files.values())))
        assert said != "fault", f"{case}: {text}"
        outcomes.append(said)
    assert "refused" in outcomes


@pytest.mark.process
@pytest.mark.skipif(shutil.os.name != "posix", reason="each run is a forked process with limits")
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_no_fault(name):
    needed(name)
    tally, faults = _fuzz.fuzz(name, 25, seed=1, blind=True)
    assert faults == {}
    assert tally["loaded"] + tally["refused"] == 25


class Faulty:
    """A reader with one fault for each value of the first byte."""

    mutated = _fuzz_targets.Target.mutated

    def __init__(self, how):
        self.how = how

    def read(self, folder):
        if self.how == "error":
            return 1 // 0
        if self.how == "lines":
            raise InputError("two\nlines")
        if self.how == "memory":
            np.ones(100 << 20, np.uint8).sum()
        if self.how == "asks":
            raise MemoryError
        return 10


@pytest.mark.parametrize(
    ("how", "said"),
    [("nothing", ""), ("error", "ZeroDivisionError"), ("lines", "2 lines"), ("memory", "memory: "), ("asks", "MemoryError")],
)
def test_each_kind_of_fault_is_seen(how, said, tmp_path):
    if how == "memory" and not _fuzz._status("VmHWM"):
        pytest.skip("no /proc/self/status here")
    outcome, text = _fuzz.outcome(Faulty(how), tmp_path, 100)
    assert outcome == ("fault" if said else "loaded")
    assert said in text


@pytest.mark.process
@pytest.mark.skipif(shutil.os.name != "posix", reason="each run is a forked process with limits")
@pytest.mark.parametrize(("how", "said"), [("hangs", "more than"), ("ends", "the process ended")])
def test_a_process_that_hangs_or_ends_is_a_fault_and_the_run_goes_on(how, said, monkeypatch, tmp_path):
    import os

    calls = []

    def read(folder):
        calls.append(1)
        if len(calls) == 8:
            while how == "hangs":
                pass
            os._exit(7)
        return 10

    target = _fuzz_targets.Target(lambda: [{"a": b"12345"}], read)
    monkeypatch.setitem(TARGETS, "a", target)
    monkeypatch.setattr(_fuzz, "SECONDS", 1)
    monkeypatch.setattr(_fuzz, "KEPT", tmp_path)
    tally, faults = _fuzz.fuzz("a", 12, blind=True, says=lambda text: None)
    assert next(text for _, text in faults.values()).startswith(said)
    assert tally["fault"] >= 1
    assert tally["fault"] + tally["loaded"] == 12
