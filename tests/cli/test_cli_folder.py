"""The results folder: complete or absent, and no other files are ever deleted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from _command import QUICK, cli, fail_with, here, listing, python, refused, write_embeddings

import fastcls
from fastcls.cli import _folder, _linear, _run

__all__ = ["here"]  # the fixture that every test here is under

#: the results.json of an earlier run, as far as it is looked at
OLD = json.dumps({"schema": 1, "command": "fastcls run digits", "models": {"knn": {}}, "old": True})
REPORT = '<meta name="generator" content="fastcls">'


def earlier_result(folder):
    """The files of a run of k-NN alone."""
    folder = Path(folder)
    (folder / "models").mkdir(parents=True)
    for name, text in (("results.json", OLD), ("report.html", REPORT), ("models/knn.safetensors", "weights")):
        (folder / name).write_text(text)
    return folder


def no_work(*_, **__):
    raise AssertionError("work began before the refusal")


@pytest.mark.parametrize("name", ["notes.txt", "results.json"])
def test_a_folder_with_other_files_is_refused_before_any_work(name, monkeypatch):
    """At once, not after --force was added."""
    Path("out").mkdir()
    Path("out", name).write_text('{"schema": 1}')
    monkeypatch.setattr(_run, "load_data", no_work)
    said = f"the folder out exists and contains {name}, which fastcls run did not write: choose another with --out\n"
    assert refused(cli("run", "digits", "--out", "out"), said)
    assert listing("out") == [name]


def test_an_earlier_result_is_refused_before_any_work(monkeypatch):
    earlier_result("out")
    monkeypatch.setattr(_run, "load_data", no_work)
    said = (
        "the folder out exists (the results of: fastcls run digits): choose another with --out, or replace it with --force"
    )
    assert refused(cli("run", "digits", "--out", "out"), said)


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_an_empty_folder_is_used_and_keeps_its_permissions():
    Path("out").mkdir(mode=0o750)
    done = cli("run", "digits", *QUICK, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "results.json" in listing("out")
    assert Path("out").stat().st_mode & 0o777 == 0o750
    assert [path.name for path in Path(".").iterdir()] == ["out"]
    Path("other").mkdir()
    before = _folder.OutputFolder(Path("other"), force=False)
    with before as temporary:
        Path(temporary, "results.json").touch()
        Path("other", "mine.txt").touch()  # meanwhile
        before.publish()
    assert listing("other") == ["mine.txt"]
    assert listing(before.target) == ["results.json"]


def test_a_mounted_folder_is_refused_before_any_work(monkeypatch):
    Path("out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "out")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out"), "out is where a file system is mounted: give a folder inside it")


def test_force_replaces_an_earlier_result():
    assert cli("run", "digits", *QUICK, "--seed", "1").exit_code == 0
    Path("fastcls-digits/report.html").write_text(REPORT + "old")
    assert cli("run", "digits", *QUICK, "--seed", "2").exit_code == 2
    assert Path("fastcls-digits/report.html").read_text() == REPORT + "old"
    result = cli("run", "digits", *QUICK, "--seed", "2", "--force")
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("fastcls-digits/results.json").read_text())["seed"] == 2
    assert listing(".")[0] == "fastcls-digits"
    assert len(list(Path(".").iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{}",
        "[1]",
        "not json",
        '{"schema": 1}',
        '{"schema": 1, "command": "x", "models": {}}',
    ],
)
def test_force_never_replaces_a_folder_with_other_files(content, monkeypatch):
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("years of work")
    if content is not None:
        Path("out/results.json").write_text(content)
    before = listing("out")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "out contains", before[0])
    assert Path("out/thesis.txt").read_text() == "years of work"
    assert listing("out") == before


#: what somebody may have put into a result's folder, also under names that a run might have used
SOMEBODYS = [
    "mynotes.txt",
    "models/notes.txt",
    "more/deep.txt",
    "models/mine.safetensors",
    "models/svm.safetensors",
    "models/knn/deep.txt",
    "empty/",
]


@pytest.mark.parametrize("name", SOMEBODYS)
def test_force_never_deletes_a_file_of_another_program(name, monkeypatch):
    out = earlier_result("out")
    if name == "models/knn/deep.txt":
        (out / "models/knn.safetensors").unlink()
    (out / name).parent.mkdir(exist_ok=True)
    if name.endswith("/"):
        (out / name).mkdir()
    else:
        (out / name).write_text("mine")
    before = listing("out")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "out contains")
    assert listing("out") == before


def test_force_never_deletes_a_report_that_a_run_has_not_written(monkeypatch):
    earlier_result("out")
    Path("out/report.html").write_text("<html>my own report</html>")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "out contains report.html")


@pytest.mark.skipif(os.name != "posix", reason="symbolic links as POSIX has them")
@pytest.mark.parametrize("name", ["models", "models/knn.safetensors", "report.html", "results.json"])
def test_force_follows_no_link_inside_the_folder(name, monkeypatch):
    out = earlier_result("out")
    (out / name).rename("elsewhere")
    (out / name).symlink_to(Path("elsewhere").resolve())
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "out contains")
    assert Path("elsewhere").exists()


@pytest.mark.parametrize("name", ["mynotes.txt", "models/mine.safetensors"])
def test_files_that_appear_in_the_folder_during_the_run_are_kept(name, monkeypatch):
    earlier_result("out")
    evaluate_all = _run.evaluate_all

    def interfere(*arguments):
        Path("out", name).write_text("mine")
        return evaluate_all(*arguments)

    monkeypatch.setattr(_run, "evaluate_all", interfere)
    result = cli("run", "digits", *QUICK, "--out", "out", "--force")
    assert result.exit_code == 0, result.stderr
    assert "old" not in json.loads(Path("out/results.json").read_text())
    (kept,) = [path for path in Path(".").iterdir() if path.name != "out"]
    assert (kept / name).read_text() == "mine"
    assert listing(kept) == sorted({name, name.split("/")[0]})  # the old result itself is gone
    assert str(kept) in result.stderr


def test_a_folder_that_appears_during_a_run_without_force_is_not_replaced(monkeypatch):
    evaluate_all = _run.evaluate_all

    def interfere(*arguments):
        earlier_result("out")
        return evaluate_all(*arguments)

    monkeypatch.setattr(_run, "evaluate_all", interfere)
    result = cli("run", "digits", *QUICK, "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert Path("out/results.json").read_text() == OLD
    (new,) = [path for path in Path(".").iterdir() if path.name != "out"]
    assert json.loads((new / "results.json").read_text())["n_train"] == 200
    assert f"Report: {new}/report.html" in result.stdout
    assert str(new) in result.stderr


def test_force_never_replaces_the_folder_the_data_is_in(monkeypatch):
    earlier_result("out")
    write_embeddings("out/emb.npz")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "out/emb.npz", "--out", "out", "--force"), "data is inside")
    assert Path("out/emb.npz").exists()


def test_file_in_the_place_of_the_folder_is_refused(monkeypatch):
    Path("out").write_text("a file")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "not a folder")
    assert Path("out").read_text() == "a file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused_before_any_work(monkeypatch):
    Path("locked").mkdir(mode=0o500)
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "locked/out"), "cannot write")


@pytest.mark.parametrize("parent", ["a/b", "file"])
def test_a_missing_parent_folder_is_refused_before_any_work(parent, here, monkeypatch):
    Path("file").write_text("")
    before = listing(here)
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(
        cli("run", "digits", "--out", f"{parent}/out"),
        f"'{parent}/out'",
        "its parent folder does not exist",
        "create it first",
    )
    assert refused(cli("predict", "m.safetensors", "digits", "--out", f"{parent}/x.csv"), "no such folder; create it first")
    assert listing(here) == before


STEPS = ["load_data", "announce_duration", "evaluate_all", "collect", "make_outcome", "write_all"]


@pytest.mark.parametrize("step", ["load_data", "announce_duration", "train_all", "write_all"])
@pytest.mark.parametrize("standing", [False, True])
def test_error_in_any_step_leaves_the_old_state(step, standing, here, monkeypatch):
    if standing:
        earlier_result("out")
    before = listing(here)
    monkeypatch.setattr(_run, step, fail_with(RuntimeError("injected")))
    result = cli("run", "digits", *QUICK, "--out", "out", "--force")
    assert isinstance(result.exception, RuntimeError)  # a fault of ours keeps its traceback
    assert listing(here) == before


@pytest.mark.parametrize("step", [*STEPS, "report"])
def test_interrupt_in_any_step_leaves_the_old_state(step, here, monkeypatch):
    earlier_result("out")
    before = listing(here)
    if step == "report":  # the models are already in the temporary folder
        monkeypatch.setattr("fastcls.cli.report._page.write_report", fail_with(KeyboardInterrupt()))
    else:
        monkeypatch.setattr(_run, step, fail_with(KeyboardInterrupt()))
    result = cli("run", "digits", *QUICK, "--out", "out", "--force")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "fastcls: interrupted; nothing was written"
    assert listing(here) == before
    assert Path("out/results.json").read_text() == OLD


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_an_interrupt_while_folders_are_swapped_is_deferred(moment, here, monkeypatch):
    """Ctrl-C in the middle of the swap takes effect after it, and the message says where the results are."""
    earlier_result("out")
    rename, calls = os.rename, []

    def interrupted(source, target):
        calls.append(source)
        if (moment == "before" and len(calls) == 1) or (moment == "between" and len(calls) == 2):
            signal.raise_signal(signal.SIGINT)
        rename(source, target)
        if moment == "after" and len(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_folder.os, "rename", interrupted)
    result = cli("run", "digits", *QUICK, "--out", "out", "--force")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "fastcls: interrupted; the results are in out"
    assert json.loads(Path("out/results.json").read_text())["n_train"] == 200
    assert [path.name for path in here.iterdir()] == ["out"]


@pytest.mark.process
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_in_a_real_run_leaves_nothing(number, status, here):
    root = str(Path(fastcls.__file__).parents[1])
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), root]))
    running = subprocess.Popen(
        [sys.executable, "-m", "fastcls.cli", "run", "digits"],
        cwd=here,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert running.stderr is not None
    while not (line := running.stderr.readline()).startswith("this will take"):
        assert line, "the run ended before its estimate"
    assert any(name.endswith(".partial") for name in os.listdir(here))
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == status, err
    assert out == ""
    assert "Traceback" not in err
    assert listing(here) == []


@pytest.mark.process
@pytest.mark.parametrize("module", ["typer", "rich", "numpy", "sklearn"])
def test_ctrl_c_while_modules_are_imported_is_one_line(module, here):
    code = f"""
import sys
import fastcls.cli
slow = {{"typer", "rich", "numpy", "sklearn"}} & set(sys.modules)
assert not slow, f"{{slow}} are imported before Ctrl-C is heard"

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["run", "digits"]
fastcls.cli.main()
"""
    result = python("-c", code, cwd=here)
    assert (result.returncode, result.stdout) == (130, ""), result.stderr
    assert result.stderr.splitlines()[0].startswith("fastcls: interrupted"), result.stderr
    assert "Traceback" not in result.stderr
    assert listing(here) == []


def test_failing_rename_puts_the_old_folder_back(here, monkeypatch):
    earlier_result("out")
    before = listing(here)
    rename = os.rename

    def failing(source, target):
        if str(source).endswith(".partial"):
            raise OSError("injected")
        rename(source, target)

    monkeypatch.setattr(_folder.os, "rename", failing)
    folder = _folder.OutputFolder(Path("out"), force=True)

    def replace():
        with folder as room:
            (room / "results.json").write_text("new")
            folder.publish()

    with pytest.raises(OSError, match="injected"):
        replace()
    assert listing(here) == before
    assert Path("out/results.json").read_text() == OLD


def test_failed_gradient_check_of_the_only_model_stops_the_run_with_one_line(here, monkeypatch):
    class Report:
        max_relative_error = 3e-3

    monkeypatch.setattr(_linear, "check_gradient", lambda *_, **__: Report())
    result = cli("run", "digits", "--limit", "150", "--models", "softmax")
    assert result.exit_code == 1
    assert "gradient check of softmax failed (relative error 3.0e-03" in result.stderr.splitlines()[-1]
    assert listing(here) == []
