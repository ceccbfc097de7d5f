"""Unusual settings and environments: none of them changes a result or stops the work."""

import json
import os
import subprocess
import sys
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from _command import write_images
from sklearn.exceptions import ConvergenceWarning

import fastcls
from fastcls import display, simd
from fastcls._gradient.problem import LinearProblem
from fastcls.gradcheck import check_gradient
from fastcls.losses import LOSSES, loss_and_gradient

Y = np.arange(120) % 3


def rows_of(name):
    noise = np.random.default_rng(0).normal(size=(120, 20)) + Y[:, None]
    with np.errstate(all="ignore"):
        return {
            "uint8": np.clip(40 * noise + 60, 0, 255).astype(np.uint8),
            "int8": np.clip(20 * noise, -128, 127).astype(np.int8),
            "float16": noise.astype(np.float16),
            "subnormal float16": (1e-7 * noise).astype(np.float16),
            "float32": noise.astype(np.float32),
            "tiny float32": (1e-36 * noise).astype(np.float32),
            "float64": 50 * noise,
            "tiny float64": 1e-120 * noise,
            "constant": np.full((120, 20), 7.0),
        }[name]


KINDS = ("uint8", "int8", "float16", "subnormal float16", "float32", "tiny float32", "float64", "tiny float64", "constant")


def answers_of_searches(X):
    found = []
    for metric in ("l1", "l2", "cosine"):
        for algorithm in ("brute", "filter"):
            for weights in ("uniform", "distance", "softmax"):
                model = fastcls.KNeighborsClassifier(3, metric=metric, algorithm=algorithm, weights=weights).fit(X, Y)
                found += [*model.kneighbors(X[:9]), model.predict_proba(X[:9]), model.predict_ties(), model.predict()]
        found.append(fastcls.pairwise_distances(X[:9], X, metric))
        found += fastcls.knn(X[:9], X, 3, metric)
    found.append(fastcls.NearestClassMean().fit(X, Y).predict(X))
    found.append(fastcls.KNeighborsClassifierCV(ks=(1, 3), random_state=0).fit(X, Y).predict(X))
    return found


def answers_of_training(X):
    found = []
    for kind, options in [(fastcls.SoftmaxClassifier, {}), *((fastcls.MulticlassSVM, {"loss": loss}) for loss in LOSSES)]:
        if options.get("loss") == "softmax":
            continue
        for solver in ("sgd", "gd", "lbfgs", "random_search"):
            if solver == "lbfgs" and options.get("loss", "squared_hinge") != "squared_hinge":
                continue
            alpha = "auto" if solver == "sgd" and not options else 1e-3  # chosen once: it takes far longer than the training
            model = kind(alpha=alpha, solver=solver, max_iter=3, random_state=0, **options).fit(X, Y)
            found += [model.coef_, model.decision_function(X), model.predict(X)]
            if kind is fastcls.SoftmaxClassifier:
                found.append(model.predict_proba(1000 * X if X.dtype == np.float64 else X))
    for kind in (fastcls.SoftmaxClassifierCV, fastcls.MulticlassSVMCV):
        found.append(kind(alphas=(1e-3, 1e-1), cv=2, max_iter=2, random_state=0).fit(X, Y).predict(X))
    W = np.random.default_rng(1).normal(size=(3, 21))
    for loss in LOSSES:
        problem = LinearProblem(X, Y, loss=loss, penalty="elasticnet", alpha=0.1, fit_intercept=True)
        found += [problem.value(1e-200 * W), *problem.value_and_gradient(W), problem.per_sample(W)]
        found.append(str(check_gradient(problem, W)))
    return found


def answers_of_displays(_):
    points = np.random.default_rng(0).normal(size=(30, 2))
    shown = [
        display.LossHistoryDisplay([2.0, 1.0]),
        display.FoldsDisplay.from_labels(Y, cv=3, random_state=0),
        display.plot_confusion(Y, Y[::-1], class_names="abc"),
        display.RegularizationDisplay.from_sweep([0.0, 1.0], [0.5, 0.6]),
        display.DecisionRegionDisplay.from_points(points, Y[:30], size=20),
    ]
    return [_png(each if hasattr(each, "figure_") else each.plot()) for each in shown]


def _png(shown):
    written = BytesIO()
    shown.figure_.savefig(written, format="png")
    return written.getvalue()


def advice_is_ours():
    """Ignore the library's own warnings about settings: few epochs, a best value at the end of a grid."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "the best .* of those tried")


@pytest.mark.parametrize(
    ("answers", "kinds"),
    [
        (answers_of_searches, KINDS),
        (answers_of_training, [kind for kind in KINDS if "tiny float32" not in kind]),
        (answers_of_displays, ["float64"]),
    ],
)
def test_numpy_that_raises_and_warnings_that_are_errors_change_no_answer(answers, kinds):
    for kind in kinds:
        X = rows_of(kind)
        with warnings.catch_warnings():
            advice_is_ours()
            wanted = answers(X)
        with warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            advice_is_ours()
            found = answers(X)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=kind)


def test_losses_of_scores_beyond_every_number_are_infinite_where_numpy_raises():
    scores = np.array([[1e300, -1e300, 0.0], [0.0, 800.0, -800.0]])
    with np.errstate(all="raise"):
        for loss in LOSSES:
            values, slopes = loss_and_gradient(loss, scores, [1, 0])
            assert not np.isnan(values).any(), loss
            assert not np.isnan(slopes).any(), loss


def test_threads_with_small_stacks_do_all_work():
    import threading

    found = []
    before = threading.stack_size(1 << 18)
    try:
        for answers in (answers_of_searches, answers_of_training):
            worker = threading.Thread(target=lambda answers=answers: found.append(answers(rows_of("uint8"))))
            worker.start()
            worker.join()
    finally:
        threading.stack_size(before)
    assert len(found) == 2


# the command --------------------------------------------------------------------------------------------------------

NAMES = ("日本語", "été", "[red]", "😀", "$x$", "_x")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A data set with names that few encodings can write, and a run on it in a hostile environment."""
    folder = tmp_path_factory.mktemp("hostile")
    write_images(folder / "data é日", NAMES, 8)
    hostile = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONIOENCODING": "cp1252",
        "PYTHONWARNINGS": "error",
        "HOME": "/nonexistent",
        "XDG_CACHE_HOME": "/nonexistent",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "20",
        "TZ": "Mars/Phobos",
        "LC_ALL": "C",
        "PYTHONOPTIMIZE": "2",
        "DISPLAY": "",
    }
    words = ("run", "data é日", "--ks", "1,3", "--models", "knn", "--out", "out")
    done = command(*words, folder=folder, env=hostile, encoding="cp1252")
    return folder, done


def command(*words, folder, env=None, closed=(), encoding="utf-8", **options):
    root = str(Path(fastcls.__file__).parents[1])

    def close():
        for descriptor in closed:
            os.close(descriptor)

    return subprocess.run(
        [sys.executable, "-m", "fastcls.cli", *map(str, words)],
        capture_output=True,
        cwd=folder,
        timeout=120,
        encoding=encoding,
        env={**os.environ, "PYTHONPATH": root, **(env or {})},
        preexec_fn=close if closed else None,
        **options,
    )


@pytest.mark.process
def test_a_run_in_a_hostile_environment_succeeds_and_its_files_are_utf8(trained):
    folder, done = trained
    assert done.returncode == 0, done.stderr
    assert "\\xe9" not in done.stdout  # cp1252 has it
    assert "\\u65e5" in done.stdout
    assert "95 % interval" in done.stdout  # a narrow screen costs no figures
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert sorted(results["class_names"]) == sorted(NAMES)
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "日本語" in page
    assert "😀" in page


@pytest.mark.process
def test_predictions_are_escaped_where_the_terminal_lacks_letters(trained):
    folder, _ = trained
    words = ("predict", "out/models/knn.safetensors", folder / "data é日" / "été", folder / "data é日" / "日本語")
    assert command(*words, "--out", "answers.csv", folder=folder, env={"PYTHONIOENCODING": "ascii"}).returncode == 0
    plain = (folder / "answers.csv").read_text(encoding="utf-8")
    assert "日本語" in plain
    done = command(*words, folder=folder, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (0, plain.encode("ascii", "backslashreplace").decode("ascii")), done.stderr
    assert json.loads(command(*words, "--json", folder=folder, env={"PYTHONIOENCODING": "ascii"}).stdout)


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are closed as a POSIX shell does")
@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
def test_closed_streams_change_no_exit_status(trained, closed):
    folder, _ = trained
    words = ("predict", "out/models/knn.safetensors", "data é日/été", "--out", f"closed{len(closed)}{closed[0]}.csv")
    assert command(*words, folder=folder, closed=closed).returncode == 0
    written = (folder / words[-1]).read_text(encoding="utf-8")
    assert written.startswith("path,label,probability")
    assert "fastcls" not in written  # no message came into the file by its number
    assert command("predict", "nothing.safetensors", "digits", folder=folder, closed=closed).returncode == 2


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize(
    ("words", "streams", "status"),
    [
        (("info",), "1", 1),
        (("predict", "nothing.safetensors", "digits"), "12", 2),
        (("predict", "out/models/knn.safetensors", "data é日/été", "--out", "piped.csv"), "2", 0),
    ],
)
def test_a_pipe_without_a_reader_ends_quietly(trained, words, streams, status):
    folder, _ = trained
    reader, writer = os.pipe()
    os.close(reader)
    given = {"stdout" if stream == "1" else "stderr": writer for stream in streams}
    root = str(Path(fastcls.__file__).parents[1])
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given}
    done = subprocess.run(
        [sys.executable, "-m", "fastcls.cli", *words],
        cwd=folder,
        timeout=120,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        **given,
    )
    os.close(writer)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in (done.stderr or "")
    assert "Exception" not in (done.stderr or "")


def test_progress_without_stderr_is_silent(monkeypatch):
    from fastcls.cli._progress import Progress

    monkeypatch.setattr(sys, "stderr", None)
    progress = Progress()
    progress.note("a note")
    assert progress.notes == ["a note"]


@pytest.mark.process
def test_a_deleted_current_folder_is_reported(tmp_path):
    code = "import os, sys; os.rmdir(os.getcwd()); import fastcls.cli; sys.argv[0] = 'fastcls'; fastcls.cli.main()"
    gone = tmp_path / "gone"
    gone.mkdir()
    env = {**os.environ, "PYTHONPATH": str(Path(fastcls.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "digits", "--limit", "40"],
        cwd=gone,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == "fastcls: the current folder no longer exists: change to another"


@pytest.mark.process
@pytest.mark.parametrize("start", [["-m", "fastcls"], ["-m", "fastcls.cli"], ["fastcls"]])
def test_an_unknown_instruction_set_in_the_environment_is_one_line(start, tmp_path):
    (tmp_path / "fastcls").write_text("from fastcls.cli import main\nmain()\n")  # what pip installs as the command
    done = subprocess.run(
        [sys.executable, *start, "info"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(fastcls.__file__).parents[1]), "FASTCLS_ISA": "avx3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("fastcls: FASTCLS_ISA='avx3' is unknown;")
    assert line.endswith(f" one of: {', '.join([*simd.available(), 'auto'])}")
    assert (done.returncode, done.stdout) == (2, "")
