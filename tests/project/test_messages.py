"""Messages of wrong calls: what was most likely meant, in right words for any number, and what to do."""

import pathlib
import re
import warnings
from fractions import Fraction

import numpy as np
import pytest

import fastcls
from fastcls import datasets, losses, metrics, optim, penalties, protocols
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, meant
from fastcls.cli._checks import MODELS, parse_options
from fastcls.datasets._folder import _checked_size
from fastcls.model_selection import evaluate_k
from fastcls.model_selection._cross_validate import cross_validate_k
from fastcls.model_selection._validation import check_groups

X = np.random.default_rng(0).normal(size=(12, 4))
Y = np.arange(12) % 3
TYPED = {
    "ks": None,
    "metrics": None,
    "models": None,
    "folds": None,
    "limit": None,
    "seed": 0,
    "out": None,
    "labels": None,
    "image_size": None,
    "force": False,
}
CLASSIFIERS = (
    "KNeighborsClassifier",
    "KNeighborsClassifierCV",
    "NearestClassMean",
    "MulticlassSVM",
    "SoftmaxClassifier",
    "MulticlassSVMCV",
    "SoftmaxClassifierCV",
)


def refusal(call):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def slips(name):
    """The name as it may be mistyped: a letter too few or too many, in capitals."""
    return [name[:-1], name + "s", name.upper()] if len(name) > 4 else [name.upper()]


@pytest.mark.parametrize(
    ("good", "call"),
    [
        *[
            (name, lambda name: fastcls.KNeighborsClassifier(metric=name).fit(X, Y))
            for name in (*metrics.METRICS, "manhattan")
        ],
        *[(name, lambda name: fastcls.KNeighborsClassifier(weights=name).fit(X, Y)) for name in ("uniform", "softmax")],
        *[(name, lambda name: fastcls.KNeighborsClassifier(tie_break=name).fit(X, Y)) for name in ("smallest", "nearest")],
        *[(name, lambda name: fastcls.NearestNeighbors(algorithm=name).fit(X)) for name in ("auto", "brute", "filter")],
        *[(name, lambda name: fastcls.LinearProblem(X, Y, loss=name)) for name in losses.LOSSES],
        *[(name, lambda name: fastcls.SoftmaxClassifier(penalty=name).fit(X, Y)) for name in penalties.PENALTIES],
        *[
            (name, lambda name: fastcls.SoftmaxClassifier(solver=name).fit(X, Y))
            for name in ("sgd", "lbfgs", "random_search")
        ],
        *[
            (name, lambda name: fastcls.SoftmaxClassifier(schedule=name).fit(X, Y))
            for name in ("cosine", "constant", "step")
        ],
        *[(name, lambda name: fastcls.MulticlassSVM(loss=name).fit(X, Y)) for name in ("squared_hinge", "one_vs_all")],
        *[(name, lambda name: protocols.knn_eval(X, Y, X, Y, preset=name)) for name in ("dino", "moco")],
        *[
            (name, lambda name: protocols.few_shot(X, Y, X, Y, n_per_class=1, n_tries=1, preset=name))
            for name in ("dinov2",)
        ],
        *[(name, lambda name: datasets.load(name)) for name in ("digits", "mnist", "cifar10")],
        *[(name, lambda name: datasets.fetch(name)) for name in ("mnist", "fashion_mnist")],
        *[(name, lambda name: parse_options("digits", **{**TYPED, "models": f"{name}z"})) for name in MODELS],
        *[
            (name, lambda name, option=option: parse_options("digits", **{**TYPED, option: f"{name}z"}))
            for option, presets in (("preset", protocols.KNN_PRESETS), ("probe", protocols.PROBE_PRESETS))
            for name in presets
        ],
        *[
            (name, lambda name: parse_options("digits", **{**TYPED, "metrics": f"{name}x"}))
            for name in ("cosine", "euclidean")
        ],
    ],
)
def test_unknown_names_are_answered_by_the_nearest_known_one(good, call):
    wanted = re.sub("dinov[23]", "dinov[23]", good)  # a slip may be equally near to both
    for slip in slips(good):
        said = refusal(lambda slip=slip: call(slip))
        assert re.search(rf"did you mean [a-z ]*'?{wanted}'?\?", said), said


@pytest.mark.parametrize(
    ("preset", "call", "owner"),
    [
        ("dino", protocols.linear_probe, "knn_eval"),
        ("clip", protocols.knn_eval, "linear_probe"),
        ("moco", lambda *data, preset: protocols.few_shot(*data, n_per_class=1, n_tries=1, preset=preset), "knn_eval"),
    ],
)
def test_the_preset_of_another_function_is_answered_by_that_function(preset, call, owner):
    said = refusal(lambda: call(X, Y, X, Y, preset=preset))
    assert said.startswith(f"preset={preset!r} is a preset of {owner}: call {owner}, or choose one of: ")
    assert "did you mean" not in said


def test_what_resembles_nothing_is_answered_by_the_list():
    assert "choose one of: l1, l2" in refusal(lambda: fastcls.KNeighborsClassifier(metric="chebyshev").fit(X, Y))
    assert meant(None, ["a"]) is None


@pytest.mark.parametrize(
    ("thing", "one", "two"),
    [
        ("row", "1 row", "2 rows"),
        ("class", "1 class", "2 classes"),
        ("test row", "1 test row", "2 test rows"),
    ],
)
def test_numbers_have_their_nouns(thing, one, two):
    assert (counted(1, thing), counted(2, thing), counted(0, thing)) == (one, two, "0" + two[1:])
    assert counted(1, "try", "tries") == "1 try"
    assert counted(1234, "query", "queries") == "1,234 queries"


def test_no_sentence_of_the_library_has_a_plural_of_one():
    one = datasets.load((X, ["a"] * 12))
    assert "1 class:" in repr(one)
    calls = [
        lambda: fastcls.KNeighborsClassifier().fit(X[:1], Y),
        lambda: fastcls.KNeighborsClassifier().fit(X, Y[:1]),
        lambda: fastcls.KNeighborsClassifier(2).fit(X[:1], Y[:1]).predict(X),
        lambda: fastcls.knn(X[:, :1], X, 1),
        lambda: fastcls.NearestNeighbors().fit(X[0]),
        lambda: cross_validate_k(X[:2], [0, 1], cv=2),
        lambda: cross_validate_k(X[:3], [0, 1, 1], cv=3),
        lambda: protocols.knn_eval(X[:1], Y, X, Y),
    ]
    for call in calls:
        assert not re.search(r"\b1 (?!\w+ous)\w+s\b", refusal(call)), refusal(call)


@pytest.mark.parametrize("cv", [2, 5, 5000])
def test_folds_that_cannot_be_are_never_answered_by_one_fold(cv):
    for labels, most in (([0, 1, 2], None), ([0, 0, 1], 2), ([0, 0, 0], 3)):
        if most is not None and cv <= most:
            continue
        calls = [
            lambda labels=labels: cross_validate_k(X[:3], labels, cv=cv),
            lambda labels=labels: fastcls.KNeighborsClassifierCV(cv=cv).fit(X[:3], labels),
        ]
        if most != 3:  # of one class, linear classifiers refuse that first
            calls += [
                lambda labels=labels: fastcls.SoftmaxClassifierCV(cv=cv).fit(X[:3], labels),
                lambda labels=labels: fastcls.MulticlassSVMCV(cv=cv).fit(X[:3], labels),
            ]
        for call in calls:
            said = refusal(call)
            assert f"cv={cv}, but" in said
            assert ("give at least two rows of some class" if most is None else f"at most {most} folds") in said


def test_the_option_that_was_typed_is_the_one_that_is_named():
    from fastcls.cli import _run

    options = parse_options("digits", **{**TYPED, "folds": "5000"})
    assert refusal(lambda: _run.folds_of(options, Y)).startswith("--folds=5000, but there are only 12")


def test_groups_that_are_missing_are_no_group():
    groups = np.arange(12.0)
    groups[4] = np.nan
    assert "groups contains NaN (first at row 4)" in refusal(lambda: check_groups(groups, 12))
    assert "at row 4" in refusal(lambda: check_groups([None if i == 4 else "a" for i in range(12)], 12))
    for kind in (fastcls.KNeighborsClassifierCV, fastcls.SoftmaxClassifierCV):
        assert "groups contains NaN" in refusal(lambda kind=kind: kind(cv=2).fit(X, Y, groups=groups))


NO_ROWS = {
    "a path": ("train.npy", "load it first"),
    "a path of pathlib": (pathlib.Path("train.npy"), "np.load"),
    "a dict": ({"train": X}, "such as X['train']"),
    "None": (None, "X is None"),
    "a data set": (datasets.load((X, Y)), "pass its X"),
    "an iterator": (iter(X), "make it a list"),
    "paths": (["a.png", "b.png"], "is text"),
    "dates": (np.zeros((3, 2), "M8[s]"), "datetime64"),
    "records": (np.zeros(3, [("a", "f4")]), "structured"),
    "words among numbers": (np.array([[1, "a"]] * 3, object), "text among its objects"),
    "an object": (object(), "is an object"),
    "one dimension": (X[0], "Reshape"),
    "images": (X.reshape(3, 4, 4), "Reshape"),
    "numbers of 128 bits": (X.astype(np.longdouble), "at most 64 bits"),
}


@pytest.mark.parametrize("case", NO_ROWS)
@pytest.mark.parametrize("name", [*CLASSIFIERS, "NearestNeighbors"])
def test_the_refusal_of_what_is_no_table_of_numbers_says_what_to_do(name, case):
    given, words = NO_ROWS[case]
    model = getattr(fastcls, name)()
    assert words in refusal(lambda: model.fit(given) if name == "NearestNeighbors" else model.fit(given, Y))


NO_LABELS = {
    "bytes": (np.array([b"a", b"b", b"c"])[Y], "decode them first"),
    "bytes in objects": ([b"a"] * 12, "decode them first"),
    "one row": (Y[None], "y.ravel()"),
    "one-hot": (np.eye(3)[Y], "argmax"),
    "a path": ("labels.npy", "load the labels first"),
    "a dict": ({0: 1}, "is a dict"),
    "missing": ([None, *["a"] * 11], "missing value (None) at row 0"),
    "numbers and words": ([1, "a"] * 6, "mixes labels"),
    "masked": (np.ma.masked_equal(Y, 1), "masked entries"),
    "dates": (np.zeros(12, "M8[s]"), "datetime64"),
}


@pytest.mark.parametrize(
    ("name", "case"),  # a one-hot table may be several labels per row
    [(name, case) for name in CLASSIFIERS for case in NO_LABELS if (name, case) != ("KNeighborsClassifier", "one-hot")],
)
def test_the_refusal_of_what_is_no_list_of_labels_says_what_to_do(name, case):
    given, words = NO_LABELS[case]
    assert words in refusal(lambda: getattr(fastcls, name)().fit(X, given))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_per_class", "5"),
        ("n_per_class", 1.5),
        ("n_per_class", True),
        ("n_per_class", {3: 1}),
        ("n_per_class", None),
        ("n_tries", 0),
        ("n_tries", "3"),
        ("n_tries", 10**9),
        ("n_tries", 2.0),
        ("random_state", 1.5),
        ("random_state", -1),
        ("random_state", 2**64),
    ],
)
def test_numbers_of_few_shot(option, value):
    given = {"n_per_class": 2, "n_tries": 2, option: value}
    assert refusal(lambda: protocols.few_shot(X, Y, X, Y, **given)).startswith(option)


def test_a_misspelt_name_of_the_package_is_corrected():
    with pytest.raises(AttributeError, match="no attribute 'KNeighborClassifier'; did you mean 'KNeighborsClassifier'"):
        fastcls.KNeighborClassifier  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'zebra'$"):
        fastcls.zebra  # noqa: B018


def test_an_svm_says_which_classifiers_have_probabilities():
    model = fastcls.MulticlassSVM()
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError, match="use SoftmaxClassifier, or scikit-learn's CalibratedClassifierCV"):
        model.predict_proba(X)


@pytest.mark.parametrize("name", ["knn_eval", "few_shot", "linear_probe"])
def test_the_order_of_scikit_learns_split_is_named(name):
    options = {"n_per_class": 2, "n_tries": 1} if name == "few_shot" else {}
    wanted = "y is 2-D, shape (4, 4); wanted one label for each row: the order is train, y, test, y_test"
    assert refusal(lambda: getattr(protocols, name)(X, X[:4], Y, Y[:4], **options)) == wanted


def test_few_shot_notes_classes_with_fewer_rows():
    def few(*n):
        return protocols.few_shot(X[:11], Y[:11], X, Y, n_per_class=n, n_tries=2).settings.get("note")

    assert few(2, 3) is None
    assert few(2, 4) == "1 of 3 classes has fewer than 4 rows: every try takes all of them"
    assert few(5) == "3 of 3 classes have fewer than 5 rows: every try takes all of them"
    assert few(0.5) is None


WORDS, NUMBERS = np.array(["a", "b", "c"])[Y], Y


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_that_score_cannot_compare_are_refused_in_our_words(name):
    options = {"cv": 2} if name.endswith("CV") else {}
    kind = getattr(fastcls, name)
    of_numbers, of_words = kind(**options).fit(X, NUMBERS), kind(**options).fit(X, WORDS)
    said = "y holds text, such as 'a', and the predictions for X are numbers, such as "
    assert refusal(lambda: of_numbers.score(X, WORDS)).startswith(said)
    said = "y holds numbers, such as 0, and the predictions for X are text, such as '"
    assert refusal(lambda: of_words.score(X, NUMBERS.tolist())).startswith(said)
    assert refusal(lambda: of_numbers.score(X, Y[:5])).startswith("y has 5 labels for 12 rows of X; ")
    assert "one label per row" in refusal(lambda: of_numbers.score(X, np.eye(3)[Y]))
    assert "regressor" in refusal(lambda: of_numbers.score(X, Y + 0.5))
    assert "one weight per row" in refusal(lambda: of_numbers.score(X, Y, np.ones(5)))
    predicted, weights = of_numbers.predict(X), np.arange(12.0)
    assert of_numbers.score(X, Y) == np.mean(predicted == Y)
    assert of_numbers.score(X, Y, weights) == np.average(predicted == Y, weights=weights)
    assert of_numbers.score(X, np.full(12, 7)) == 0.0


def test_fit_passes_on_no_sentence_of_scikit_learn():
    fit = fastcls.KNeighborsClassifier(3).fit
    assert refusal(lambda: fit(X[:0], Y[:0])).endswith("is required): give at least one row")
    assert refusal(lambda: fit(X[:, :0], Y)).endswith("is required): give at least one feature")
    said = refusal(lambda: fit(X, Y + 0.5))
    assert said.startswith("y has 0.5 at row 0, which is no class label (")
    assert said.endswith("for a target of continuous values, use a regressor")
    assert "convert them to whole numbers or text" in refusal(lambda: fit(X, [Fraction(1, 3)] * 12))


def test_a_class_for_each_row_is_no_reason_to_warn():
    rows = np.arange(60.0)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastcls.KNeighborsClassifier(1).fit(rows, np.arange(60)).score(rows, np.arange(60)) == 1.0


@pytest.mark.parametrize("name", [*CLASSIFIERS, "NearestNeighbors"])
def test_an_unknown_parameter_names_the_class_that_was_called(name):
    kind = getattr(fastcls, name)
    with pytest.raises(TypeError, match=rf"^{name}\.__init__\(\) got an unexpected keyword argument 'classes'"):
        kind(classes=3)
    with pytest.raises(TypeError, match=rf"^{name}\.__init__\(\) takes "):
        kind(*range(40))


def test_no_message_shows_the_types_of_numpy():
    one_row = fastcls.KNeighborsClassifier(3).fit(X[:1], Y[:1])
    two_rows = fastcls.KNeighborsClassifier(3).fit(X[:2], Y[:2])
    calls = {
        "y_test holds 'a' and no label of y, such as 0": lambda: evaluate_k(X, Y, X, WORDS, ks=[1]),
        "n_neighbors=0; wanted": lambda: fastcls.KNeighborsClassifier(np.int64(0)).fit(X, Y),
        "metric='l3' is unknown": lambda: fastcls.KNeighborsClassifier(metric=np.str_("l3")).fit(X, Y),
        "image_size=(8, 9); wanted": lambda: _checked_size((8, 9)),
        "there is only 1 training row; use at most 1": lambda: one_row.predict(X),
        "there is only 1 training row, not counting": lambda: two_rows.predict(),
        "there are only 2 training rows; use at most 2": lambda: two_rows.predict(X),
    }
    for said, call in calls.items():
        assert said in refusal(call), refusal(call)
        assert "np." not in refusal(call)


@pytest.mark.parametrize("solver", ["sgd", "gd"])
def test_a_divergence_advises_only_what_was_not_done(solver):
    rows = X + 5
    with np.errstate(all="ignore"):
        for options, advises in (({}, False), ({"center": False}, True), ({"scale": False}, True)):
            model = fastcls.SoftmaxClassifier(solver=solver, learning_rate=1e300, random_state=0, **options)
            with pytest.raises(optim.DivergenceError) as caught:
                model.fit(rows, Y)
            assert ("centre and scale the data" in str(caught.value)) is advises


def test_copy_is_true_or_false():
    for call in (
        lambda: fastcls.KNeighborsClassifier().fit(X, Y, copy="no"),
        lambda: fastcls.NearestNeighbors().fit(X, copy="no"),
        lambda: fastcls.KNeighborsClassifier().partial_fit(X, Y, copy="no"),
        lambda: fastcls.NearestNeighbors().fit(X).partial_fit(X, copy="no"),
    ):
        assert refusal(call) == "copy='no'; wanted True or False"


def test_a_fit_of_fewer_rows_than_neighbours_does_not_warn_for_more_rows_may_follow():
    model = fastcls.KNeighborsClassifier(5).fit(X[:3], Y[:3]).partial_fit(X[3:], Y[3:])
    assert np.array_equal(model.predict(X), fastcls.KNeighborsClassifier(5).fit(X, Y).predict(X))
