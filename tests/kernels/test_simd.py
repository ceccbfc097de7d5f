"""Choosing an instruction set: by name, by the environment, and the message for a wrong name."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fastcls
from fastcls import _kernels, simd
from fastcls._simd import isas
from fastcls._validation.errors import InputError


@pytest.fixture(autouse=True)
def as_before():
    before = simd.active()
    yield
    simd.use(before)


def imported(isa):
    code = "import fastcls; print(fastcls.simd.active())"
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "FASTCLS_ISA": isa},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_available_set_can_be_forced_and_is_reported():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(300, 70), dtype=np.uint8)
    answers = set()
    for name in simd.available():
        simd.use(name)
        model = fastcls.NearestNeighbors(3, metric="l1").fit(X)
        distances, indices = model.kneighbors(X[:50])
        assert simd.active() == model.search_report_.isa == name
        answers.add(distances.tobytes() + indices.tobytes())
    assert len(answers) == 1
    simd.use("auto")
    assert simd.active() == simd.available()[-1]
    assert set(simd.available()) <= set(simd.built())


def test_a_lower_set_takes_no_kernel_of_a_higher_one():
    shapes = {}
    for name in (*simd.available(), *reversed(simd.available())):
        simd.use(name)
        found = [_kernels.panel_shape(panel) for panel in _kernels.PANELS.values()]
        assert shapes.setdefault(name, found) == found
    assert shapes["scalar"] == [None] * len(_kernels.PANELS)


def test_costs_are_those_of_the_set_that_the_kernels_of_the_filter_come_from():
    of_sets = {}
    for name in simd.available():
        simd.use(name)
        screen, brute = of_sets[name] = isas.costs()
        assert all(0 < screen[kind] < brute[kind] for kind in screen)
        simd.use(isas.filter_isa())
        assert isas.costs() == (screen, brute)
    assert "ssse3" not in of_sets or of_sets["ssse3"] != of_sets["scalar"]


@pytest.mark.process
def test_the_environment_chooses_at_import():
    for name in simd.available():
        assert imported(name).stdout.strip() == name


@pytest.mark.process
def test_the_refusal_of_a_wrong_name_lists_the_good_ones():
    with pytest.raises(InputError, match="isa='mmx' is unknown; choose one of: scalar"):
        simd.use("mmx")
    failed = imported("mmx")
    assert failed.returncode != 0
    good = ", ".join([*simd.available(), "auto"])
    assert f"FASTCLS_ISA='mmx' is unknown; choose one of: {good}" in failed.stderr.splitlines()[-1]


def test_a_set_that_was_built_but_cannot_run_here_is_called_so(monkeypatch):
    monkeypatch.setattr(simd, "available", lambda: ["scalar"])
    monkeypatch.setattr(simd, "built", lambda: ["scalar", "other"])
    said = "isa='other' was built, but this processor cannot run it; choose one of: scalar, auto"
    with pytest.raises(InputError, match=said):
        simd.use("other")


def test_show_config_tells_instruction_sets_openmp_and_blas(capsys):
    fastcls.show_config()
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert f"{simd.active()} in use; can run here: {', '.join(simd.available())}" in lines["kernels"]
    assert "threads" in lines
    assert {"OpenMP", "BLAS"} <= set(lines)
