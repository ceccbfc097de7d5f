"""``fastcls run --preset``: published protocols and the course's assignment, as a table and in results.json."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _command import cli, fail_with, here, listing, refused, write_embeddings

import fastcls
from fastcls import datasets, protocols
from fastcls.cli import _preset, _split
from fastcls.cli._checks import RunOptions
from fastcls.cli._failures import Failures
from fastcls.cli._folder import own_files
from fastcls.cli._progress import Progress
from fastcls.cli.report import _page
from fastcls.course import _evaluation as _course

__all__ = ["here"]  # the fixture that every test here is under


PROTOCOLS = [("--preset", name) for name in protocols.KNN_PRESETS] + [("--probe", name) for name in protocols.PROBE_PRESETS]


def test_help_names_the_presets_of_both_kinds_like_the_library():
    shown = "".join(cli("run", "--help").stdout.replace("│", "").split())  # lines may be broken within a name
    of_knn, of_probe = shown[shown.index("--preset") :].split("--probe")[:2]
    for part, presets in ((of_knn, protocols.KNN_PRESETS), (of_probe, protocols.PROBE_PRESETS)):
        named = part.partition("instead:")[2].partition("." if presets is protocols.PROBE_PRESETS else ";")[0]
        assert sorted(named.split(",")) == sorted(presets)
    assert "course" in of_knn


def test_a_failing_part_of_the_course_leaves_the_rows_of_the_others(here, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (70, 12), dtype=np.uint8), np.arange(70) % 2
    np.savez("small.npz", X=X[:60], y=y[:60], X_test=X[60:], y_test=y[60:])
    sizes = {"KNN_TRAIN": 40, "KNN_TEST": 10, "TRAIN": 50, "VALIDATION": 10, "TEST": 10, "KS": (1, 5, 10)}
    for name, value in sizes.items():
        monkeypatch.setattr(_course, name, value)
    monkeypatch.setattr(_course, "score_linear", fail_with(ZeroDivisionError("injected")))
    result = cli("run", "small.npz", "--preset", "course")
    assert result.exit_code == 1, (result.stderr, result.exception)
    results = json.loads(Path("fastcls-small-course/results.json").read_text())
    assert {row["model"] for row in results["protocol"]["rows"]} == {"k-NN"}
    assert [one["step"] for one in results["failures"]] == ["training SVM", "training softmax"]
    assert "failed: training SVM: ZeroDivisionError: injected" in result.stderr
    monkeypatch.setattr(_course, "score_neighbors", fail_with(ZeroDivisionError("injected")))
    with pytest.raises(ZeroDivisionError):
        _preset.evaluate_course(datasets.load("small.npz"), RunOptions("small.npz"), Progress(), Failures(Progress()))


#: folders of the protocols without a model to save: several models, or rows scaled to length 1
NO_MODEL = {f"fastcls-emb-{name}" for name in ("mteb-v1-knn", "uni", "probe-mteb", "probe-clip-benchmark")}


def check_saved_model(path, folder, data, table):
    """The saved model predicts what the protocol's most accurate setting predicted, and the tables list it."""
    model = fastcls.load(path)
    top1 = max(row["top1"] for row in table if row["top1"] is not None)
    predicted = model.predict(data.X_test)
    assert np.mean(predicted == data.y_test) == top1
    rows = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    names = [name for name in rows[0] if name not in ("row", "label") and not name.endswith("_probability")]
    assert len(names) == sum(row["top1"] is not None for row in table)
    assert [data.class_names[code] for code in predicted] in [[row[name] for row in rows] for name in names]
    wrong = list(csv.DictReader((folder / "errors.csv").read_text().splitlines()))
    assert [row["label"] != row["predicted"] for row in wrong] == [True] * round((1 - top1) * len(rows))
    shares = [float(row["probability"]) for row in wrong]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(("option", "preset"), PROTOCOLS)
def test_a_protocol_is_a_table_and_is_in_the_results(option, preset, here, monkeypatch):
    chosen = protocols.PROBE_PRESETS.get(preset) if option == "--probe" else None
    if chosen is not None and len(chosen.exponents) > 9 and not chosen.halving:  # a few C: a table has a line for each
        monkeypatch.setitem(protocols.PROBE_PRESETS, preset, replace(chosen, exponents=chosen.exponents[::9]))
    write_embeddings("emb.npz", n=400, width=4)
    result = cli("run", "emb.npz", option, preset, "--seed", "3")
    assert result.exit_code == 0, result.stderr
    folder = f"fastcls-emb-{preset}" if option == "--preset" else f"fastcls-emb-probe-{preset}"
    drawn, has_model = preset in ("mteb", "mteb-v1-knn"), folder not in NO_MODEL
    own = {"results.json", "report.html"} | (set() if preset == "mteb-v1-knn" else {"predictions.csv"})
    own |= set() if drawn else {"errors.csv"}
    model = "models/softmax.safetensors" if option == "--probe" else "models/knn.safetensors"
    assert set(listing(folder)) == own | ({"models", model} if has_model else set())
    assert own_files(Path(folder)) == own | ({model} if has_model else set())
    results = json.loads(Path(folder, "results.json").read_text())
    assert (results["schema"], results["models"], results["n_train"], results["n_test"]) == (2, {}, 320, 80)
    data, _ = _split.divide(datasets.load("emb.npz"), seed=3, limit=None)
    call, evaluation = (protocols.knn_eval, "k-NN") if option == "--preset" else (protocols.linear_probe, "linear probe")
    table = call(data.X, data.y, data.X_test, data.y_test, preset=preset, random_state=3)
    assert results["command"] == f"fastcls run emb.npz {option} {preset} --seed 3"
    assert (results["protocol"]["evaluation"], results["protocol"]["preset"]) == (evaluation, preset)
    assert results["protocol"]["rows"] == list(table)
    assert results["protocol"]["settings"] == table.settings
    assert results["protocol"]["p_values"] == table.p_values()
    for found, wanted in zip(results["protocol"]["per_class"], table.per_class, strict=True):
        assert [one["accuracy"] for one in found] == [value for value, _, _ in wanted.values()]
    of_draws = {"mteb-v1-knn": 20, "mteb": 10}  # 10 draws, the former under 2 metrics
    n_evaluations = of_draws.get(preset, sum(row["top1"] is not None for row in table))
    assert results["test_evaluations"] == n_evaluations
    lines = result.stdout.splitlines()
    assert lines[0] == f"emb, {evaluation} protocol {preset}: 320 training rows, 80 test rows"
    last = [f"Report: {folder}/report.html", f"Protocol: {table.settings['source']}"]
    last += [f"Next: fastcls predict {folder}/{model} emb.npz"] if has_model else []
    assert lines[-len(last) :] == last
    assert ("note: no model is saved: " in result.stderr) is not has_model
    for row in table:
        if row["top1"] is not None:
            assert f"{100 * row['top1']:.2f}" in result.stdout
    assert max(map(len, lines[1 : -len(last)])) <= 80
    if has_model:
        check_saved_model(Path(folder, model), Path(folder), data, table)
    assert ("the accuracy of the best k is not that on unseen data" in result.stderr) == (
        option == "--preset" and preset in ("dino", "dinov2", "dinov3")
    )


@pytest.mark.parametrize(("words", "seed"), [((), 42), (("--seed", "0"), 0), (("--seed", "5"), 5)])
def test_a_seed_of_zero_is_not_the_published_one(words, seed, here):
    write_embeddings("emb.npz", n=200, width=4)
    assert cli("run", "emb.npz", "--preset", "mteb-v1-knn", *words).exit_code == 0
    results = json.loads(Path("fastcls-emb-mteb-v1-knn/results.json").read_text())
    assert results["protocol"]["settings"]["seed"] == seed
    assert results["seed"] == (seed if words else 0)  # of the split into training and test rows
    assert results["command"] == " ".join(("fastcls run emb.npz --preset mteb-v1-knn", *words))


def test_a_protocol_never_replaces_an_ordinary_run(here):
    write_embeddings("emb.npz", n=200, width=4)
    assert cli("run", "emb.npz", "--ks", "1", "--models", "knn").exit_code == 0
    before = listing("fastcls-emb")
    for words in (("--preset", "dinov2"), ("--probe", "dinov2")):  # two protocols of one name
        result = cli("run", "emb.npz", *words, "--force")
        assert result.exit_code == 0, result.stderr
        assert "replaced" not in result.stderr
    assert listing("fastcls-emb") == before
    result = cli("run", "emb.npz", "--preset", "dino", "--out", "fastcls-emb", "--force")
    assert (
        "note: fastcls-emb had the results of another run, which are replaced: fastcls run emb.npz --ks 1" in result.stderr
    )
    said = cli("run", "emb.npz").stderr
    assert "fastcls-emb exists (the results of: fastcls run emb.npz --preset dino --out fastcls-emb): choose" in said


@pytest.mark.parametrize(("n_classes", "shown"), [(3, False), (5, False), (6, True)])
def test_the_first_five_classes_are_shown_if_there_are_more(n_classes, shown, here):
    write_embeddings("emb.npz", n=200, width=4, classes=n_classes)
    result = cli("run", "emb.npz", "--preset", "dino")
    assert result.exit_code == 0, result.stderr
    assert ("top 5 %" in result.stdout) == shown


def test_a_plain_array_takes_labels_from_a_file_and_the_command_repeats_the_run(here):
    write_embeddings("emb.npz", n=300)
    arrays = np.load("emb.npz")
    np.save("features.npy", arrays["X"].astype(np.float16))
    np.save("other.npy", np.array(["a", "b", "c"])[arrays["y"]])
    words = ["features.npy", "--labels", "other.npy", "--preset", "solo-learn"]
    result = cli("run", *words, "--json")
    assert result.exit_code == 0, result.stderr
    results = json.loads(result.stdout)
    assert results["class_names"] == ["a", "b", "c"]
    assert results["command"] == "fastcls run features.npy --preset solo-learn --labels other.npy"
    again = cli(*results["command"].split()[1:], "--out", "again", "--json")
    assert json.loads(again.stdout)["protocol"]["rows"] == results["protocol"]["rows"]
    replaced = cli("run", *words, "--force")  # a result of a protocol is ours to replace
    assert replaced.exit_code == 0, replaced.stderr
    assert cli("run", *words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "dimo"], "unknown preset dimo: did you mean dino? Or choose from dino, dinov2"),
        (["--preset", "dino", "--ks", "3"], "--preset dino sets --ks itself"),
        (["--preset", "moco", "--metrics", "l1"], "--preset moco sets --metrics itself"),
        (["--preset", "uni", "--models", "knn"], "--preset uni sets --models itself"),
        (["--probe", "dinov2", "--folds", "3"], "--probe dinov2 sets --folds itself"),
        (["--preset", "clip"], "unknown preset clip: did you mean --probe clip? Or choose from dino, dinov2, dinov3, moco,"),
        (["--probe", "moco"], "unknown probe moco: did you mean --preset moco? Or choose from clip, dinov2, dinov3, uni,"),
        (["--probe", "dinov2-probe"], "unknown probe dinov2-probe: did you mean dinov2? Or choose from clip, dinov2,"),
        (["--preset", "dino", "--probe", "clip"], "--preset and --probe are both given: omit one of them"),
        (["--preset", "course", "--limit", "10"], "--preset course sets --limit itself"),
        (["--preset", "course", "--year", "2016"], "--year 2016: the preset has the forms of 2017 to 2024 and since 2025"),
        (["--preset", "dino", "--year", "2025"], "--year is for --preset course: omit it"),
        (["--preset", "moco"], "--preset moco needs at least 200 training rows, but there are only 72"),
        (["--preset", "course"], "--preset course needs 50,000 training rows and 1,000 test rows, but emb has 72 and 18"),
    ],
)
def test_options_that_contradict_a_preset_are_refused_in_one_line(words, said, here):
    write_embeddings("emb.npz")
    result = cli("run", "emb.npz", *words)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("fastcls: ")
    assert said in result.stderr.splitlines()[-1]
    assert listing(here) == ["emb.npz"]
    if "itself" in said or "unknown" in said:
        assert refused(result, said)


# the course's assignment -------------------------------------------------------------------------------------------------


def lecture_sgd(X, y, loss, settings, seed, n_steps, batch_size):
    """The assignment's loop for one (rate, reg) after another: W (n_features + 1, n_classes), centred rows, a last 1."""
    rows, rng, found = np.hstack([X - X.mean(axis=0), np.ones((len(X), 1))]), np.random.RandomState(seed), []
    for rate, reg in settings:
        W = 0.001 * rng.randn(rows.shape[1], 3)
        for _ in range(n_steps):
            some = rng.choice(len(X), batch_size)
            scores, at = rows[some] @ W, np.arange(len(some))
            if loss == "softmax":
                slopes = np.exp(scores - scores.max(axis=1, keepdims=True))
                slopes /= slopes.sum(axis=1, keepdims=True)
                slopes[at, y[some]] -= 1
            else:
                slopes = (scores - scores[at, y[some]][:, None] + 1 > 0).astype(float)
                slopes[at, y[some]] = 0
                slopes[at, y[some]] = -slopes.sum(axis=1)
            W = W - rate * (rows[some].T @ slopes / len(some) + 2 * reg * W)
        found.append(W)
    return found


@pytest.mark.parametrize("name", ["svm", "softmax"])
def test_every_setting_has_the_weights_of_the_assignments_loop(name, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(620, 20)).astype(np.uint8), rng.integers(3, size=620)
    sizes = {"TRAIN": 600, "VALIDATION": 10, "TEST": 10, "ITERATIONS": 45, "BATCH": 20}
    for key, value in sizes.items():
        monkeypatch.setattr(_course, key, value)
    data = datasets.Dataset(X[:610], y[:610], X[610:], y[610:], class_names=tuple("abc"))
    form = _course.Form("", {name: (1e-6, 5e-6)}, {name: (2.5e4, 1e3)})
    models, reported, folded = [], [], _course._trained
    monkeypatch.setattr(_course, "_trained", lambda *given: models.append(folded(*given)) or models[-1])
    found = _course.score_linear(name, data, 7, lambda done, total: reported.append((done, total)), form)
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]
    settings = [(1e-6, 2.5e4), (1e-6, 1e3), (5e-6, 2.5e4), (5e-6, 1e3)]
    mean = X[:600].mean(axis=0)
    for wanted, (weights, bias, history), tried in zip(
        lecture_sgd(X[:600].astype(float), y[:600], name, settings, 7, 45, 20), models, found.tried, strict=True
    ):
        assert np.abs(weights - wanted[:-1].T).max() < 1e-14
        np.testing.assert_allclose(bias, wanted[-1] - wanted[:-1].T @ mean, rtol=1e-11, atol=1e-14)
        assert len(history) == 45
        named = ((X[600:610] - mean) @ wanted[:-1] + wanted[-1]).argmax(axis=1)
        assert tried["validation_accuracy"] == (named == y[600:610]).mean()
    assert [(one["rate"], one["reg"]) for one in found.tried] == settings
    best = max(found.tried, key=lambda one: one["validation_accuracy"])
    assert [one["chosen"] for one in found.tried].index(True) == found.tried.index(best)


def test_a_setting_that_diverges_predicts_the_first_class(monkeypatch):
    monkeypatch.setattr(_course, "ITERATIONS", 300)
    X, y = np.arange(40, dtype=np.uint8)[:, None], np.arange(40) % 2
    weights, bias, history = _course._trained(X, y, "svm", 1e5, 5e4, X.mean(axis=0), 2, np.random.RandomState(0))
    assert not weights.any()
    assert not bias.any()
    assert not history


def oracle_counts(train, y, test, truth, ks):
    """Hits for every k, from all distances as integers."""
    squares = [np.square(rows.astype(np.int64)).sum(axis=1) for rows in (train, test)]
    products = test.astype(np.float64) @ train.astype(np.float64).T  # exact: far below 2^53
    order = np.argsort(squares[1][:, None] + squares[0] - 2 * products.astype(np.int64), axis=1, kind="stable")
    votes = {k: np.array([np.bincount(y[row[:k]]).argmax() for row in order]) for k in ks}
    return {k: int(np.count_nonzero(named == truth)) for k, named in votes.items()}


def images_like_cifar(n=50_000, n_test=1_000, width=12):
    rng = np.random.default_rng(0)
    y, y_test = rng.integers(10, size=n), rng.integers(10, size=n_test)
    middle = rng.integers(80, 170, size=(10, width))
    rows = [np.clip(rng.normal(middle[codes], 45), 0, 255).astype(np.uint8) for codes in (y, y_test)]
    return rows[0], y, rows[1], y_test


def test_course_uses_the_assignments_rows_and_scores_like_plain_numpy(here, monkeypatch):
    outcomes = []
    monkeypatch.setattr(_page, "write_report", lambda outcome, path: outcomes.append(outcome) or path.write_text("page"))
    X, y, X_test, y_test = images_like_cifar()
    np.savez("images.npz", X=X, y=y, X_test=X_test, y_test=y_test)
    result = cli("run", "images.npz", "--preset", "course", "--json")
    assert result.exit_code == 0, result.stderr
    protocol = json.loads(result.stdout)["protocol"]
    rows, folds = protocol["rows"], protocol["cross_validation"]
    assert folds["ks"] == list(_course.KS)
    assert np.shape(folds["accuracy"]) == (10, 5)
    page = _page.render_report(outcomes[0])
    for words in ("Each point is one fold", "4 pairs of learning rate and reg", "loss of SVM in each iteration"):
        assert words in page
    neighbors = {int(row["setting"].split()[-1]): row for row in rows if row["model"] == "k-NN"}
    assert {1, 5, 10} <= set(neighbors)
    wanted = oracle_counts(X[:5000], y[:5000], X_test[:500], y_test[:500], neighbors)
    assert {k: 500 - row["errors"] for k, row in neighbors.items()} == wanted
    held = np.arange(1000)
    first = oracle_counts(X[1000:5000], y[1000:5000], X[held], y[held], [1])[1] / 1000
    assert abs(neighbors[1]["validation"] - first) < 0.05  # the other four folds are alike
    assert [(row["model"], row["n_test"]) for row in rows[-2:]] == [("SVM", 1000), ("softmax", 1000)]
    assert all(row["top1"] > 0.3 and row["validation"] > 0.3 for row in rows[-2:])
    for row in rows[-2:]:
        model = fastcls.load(f"fastcls-images-course/models/{'svm' if row['model'] == 'SVM' else 'softmax'}.safetensors")
        assert np.count_nonzero(model.predict(X_test) != y_test) == row["errors"]
    model = fastcls.load("fastcls-images-course/models/knn.safetensors")
    assert np.count_nonzero(model.predict(X_test[:500]) != y_test[:500]) == neighbors[model.n_neighbors]["errors"]


def test_rows_of_the_course_are_the_assignments(monkeypatch):
    X, y, X_test, y_test = images_like_cifar(n=60_000, n_test=2_000, width=2)
    data = datasets.Dataset(name="made", X=X, y=y, X_test=X_test, y_test=y_test, class_names=tuple("0123456789"))
    seen = {"settings": []}

    def keep(X, y, name, rate, reg, mean, n_classes, rng):
        seen["X"], seen["center"] = X, mean
        seen["settings"].append((rate, reg))
        return np.zeros((n_classes, X.shape[1])), np.zeros(n_classes), []

    score_neighbors, accuracy, scored = _course.score_neighbors, _course.linear_accuracy, []
    monkeypatch.setattr(_course, "_trained", keep)
    monkeypatch.setattr(_course, "score_neighbors", lambda *rows: seen.update(knn=rows) or score_neighbors(*rows))
    monkeypatch.setattr(_course, "linear_accuracy", lambda X, y, model: scored.append((X, y)) or accuracy(X, y, model))
    row = _course.score_linear("softmax", data, 0, print).row
    assert seen["settings"] == [(1e-7, 2.5e4), (1e-7, 5e4), (5e-7, 2.5e4), (5e-7, 5e4)]
    np.testing.assert_array_equal(seen["X"], X[:49_000])
    np.testing.assert_allclose(seen["center"], X[:49_000].mean(axis=0))
    for rows, codes in scored[1:8:2]:
        np.testing.assert_array_equal(rows, X[49_000:50_000])
        np.testing.assert_array_equal(codes, y[49_000:50_000])
    assert all(len(rows) == 49_000 for rows, _ in scored[:8:2])  # accuracy on the training rows
    np.testing.assert_array_equal(scored[8][0], X_test[:1000])
    assert row[4] == np.count_nonzero(y_test[:1000] != 0)  # all scores are 0: class 0
    progress = Progress(io.StringIO())
    _preset.evaluate_course(data, RunOptions("made"), progress, Failures(progress))
    for got, wanted in zip(seen["knn"], (X[:5000], y[:5000], X_test[:500], y_test[:500]), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert (_course.ITERATIONS, _course.BATCH, _course.form_of(2024).rates["svm"]) == (1500, 200, (1e-7, 5e-5))
    seen["settings"].clear()
    _, found = _preset.evaluate_course(data, RunOptions("made", year=2025), progress, Failures(progress))
    assert seen["settings"] == [(1e-7, 2.5e4), (1e-7, 1e4), (1e-6, 2.5e4), (1e-6, 1e4)]
    assert set(found.models) == {"knn", "softmax"}


def test_folds_of_the_course_are_consecutive_rows():
    X, y, *_ = images_like_cifar(n=300, n_test=1)
    found = _course.cross_validated(X, y)
    folds = np.array_split(np.arange(300), 5)
    accuracies = []
    for held in folds:
        kept = np.setdiff1d(np.arange(300), held)
        counts = oracle_counts(X[kept], y[kept], X[held], y[held], _course.KS)
        accuracies.append([counts[k] / len(held) for k in _course.KS])
    np.testing.assert_allclose(found.fold_accuracy["l2"], np.transpose(accuracies), rtol=1e-12)
    means = np.mean(accuracies, axis=0)
    assert found.best_k == _course.KS[int(means.argmax())]


def test_course_on_cifar10_counts_as_published(shared_data):
    """The assignment has 137, 139 and 141 of 500 for k = 1, 5, 10; the JPEG copy is compared only with plain NumPy."""
    if "FASTCLS_CIFAR10" not in os.environ:
        pytest.skip("FASTCLS_CIFAR10 is not set to CIFAR-10's folder")
    data = datasets.load(os.environ["FASTCLS_CIFAR10"])
    X, y, Q, truth = data.X[:5000], data.y[:5000], data.X_test[:500], data.y_test[:500]
    found = (_course.votes_for(X, y, Q, _course.SHOWN_KS) == truth[:, None]).sum(axis=0).tolist()
    assert found == list(oracle_counts(X, y, Q, truth, _course.SHOWN_KS).values())
    if data.X[0, :3].tolist() == [59, 62, 63]:  # the first pixel of the original
        assert found == [137, 139, 141]
