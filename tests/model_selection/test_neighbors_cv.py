"""Choosing k, metric and vote rule by one search per metric gives the results of refitting on each fold."""

import warnings

import numpy as np
import pytest
from _pairwise import pairwise
from sklearn.datasets import load_digits
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastcls import KNeighborsClassifier, KNeighborsClassifierCV, evaluate_k, reference
from fastcls._validation.errors import InputError
from fastcls.model_selection import _fold_votes

KS = (1, 2, 3, 4, 7)
METRICS = ("l1", "l2", "cosine")
FOR_ACCURACY = "k is chosen for the highest accuracy: against a class weight of ten million, which costs nearly half of it"


@pytest.mark.filterwarnings("ignore:k = .* left out:UserWarning")
@parametrize_with_checks(
    [KNeighborsClassifierCV(random_state=0), KNeighborsClassifierCV([1, 2], ["l2"], cv="loo", class_weight="balanced")],
    expected_failed_checks=lambda _: {"check_class_weight_classifiers": FOR_ACCURACY},
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    """Rows, many of them equal, three uneven classes, groups, and weights, some of them 0."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (90, 3)).astype(np.uint8)
    y = rng.choice(["a", "b", "c"], 90, p=[0.5, 0.3, 0.2])
    return X, y, rng.integers(0, 12, 90), rng.choice([0.0, 0.5, 1.0, 3.0], 90)


def splits_of(kind, X, y, groups):
    """`cv` for the estimator, its groups or None, and the splits that result."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    grouped = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    repeated = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    random = ShuffleSplit(4, test_size=0.3, train_size=0.4, random_state=0)
    some = PredefinedSplit(np.arange(90) % 4 - 1)
    pairs = list(KFold(3).split(X))
    masks = [tuple(np.isin(np.arange(90), part) for part in pair) for pair in pairs]
    cases = {
        "number": (5, False, folds.split(X, y)),
        "splitter": (KFold(4), False, KFold(4).split(X)),
        "pairs": (pairs, False, pairs),
        "masks": (masks, False, masks),
        "one split": (pairs[:1], False, pairs[:1]),
        "each group left out": ("loo", True, LeaveOneGroupOut().split(X, y, groups)),
        "splitter of groups": (LeaveOneGroupOut(), True, LeaveOneGroupOut().split(X, y, groups)),
        "number of folds of groups": (3, True, grouped.split(X, y, groups)),
        "repeated": (repeated, False, repeated.split(X, y)),
        # its training rows are in random order; of equal distances the earlier row of X is still nearer
        "random, some unused": (random, False, random.split(X, y)),
        "small first folds": (TimeSeriesSplit(5), False, TimeSeriesSplit(5).split(X)),
        "some always trained on": (some, False, some.split()),
        "a row among its own neighbours": ([(np.arange(90), np.arange(90))], False, [(np.arange(90), np.arange(90))]),
    }
    cv, with_groups, splits = cases[kind]
    return cv, groups if with_groups else None, [(np.sort(train), test) for train, test in as_numbers(splits)]


def as_numbers(splits):
    """Splits as row numbers; they may be given as masks."""
    return [tuple(np.flatnonzero(part) if part.dtype == bool else part for part in pair) for pair in splits]


KINDS = (
    "number",
    "splitter",
    "pairs",
    "masks",
    "one split",
    "each group left out",
    "splitter of groups",
    "number of folds of groups",
    "repeated",
    "random, some unused",
    "small first folds",
    "some always trained on",
    "a row among its own neighbours",
)


def among(counted, kind, X, y, groups):
    """As `splits_of`, for the counted rows, numbered among all rows; pairs refer to all rows anyway."""
    numbers = np.flatnonzero(counted)
    cv, given, splits = splits_of(kind, X, y, groups)
    if kind in ("pairs", "masks", "one split", "some always trained on", "a row among its own neighbours"):
        return cv, given, [(train[counted[train]], test[counted[test]]) for train, test in splits]
    splits = splits_of(kind, X[numbers], y[numbers], groups[numbers])[2]
    return cv, given, [(numbers[train], numbers[test]) for train, test in splits]


def plain(X, y, train, Q, k, metric, rule="uniform", tie_break="smallest", class_weight=None, sample_weight=None):
    """Neighbours, winners, totals and classes of a vote among the training rows, by the definitions."""
    classes, counts = np.unique(y[train], return_counts=True)
    of_class = dict.fromkeys(classes, 1.0)
    if class_weight == "balanced":
        each = np.ones(len(y)) if sample_weight is None else sample_weight
        counts = np.bincount(np.unique(y[train], return_inverse=True)[1], each[train])
        of_class = {c: each[train].sum() / (len(classes) * n) for c, n in zip(classes, counts, strict=True)}
    elif class_weight is not None:
        of_class |= class_weight
    votes = np.array([of_class[label] for label in y[train]])
    votes = votes if sample_weight is None else sample_weight[train] * votes
    there, votes = train[votes > 0], votes[votes > 0]
    distances, places = reference.kneighbors(Q, X[there], k, metric)
    codes = np.searchsorted(classes, y[there])
    weights = reference.vote_weights(distances, rule, 0.5, metric) * votes[places]
    winners, totals, _ = reference.vote(codes[places], weights, len(classes), tie_break)
    return there[places], classes[winners], totals, classes


def among_first(totals, winners, classes, truth, neighbors_y, n, tie_break):
    """Whether the true class is the winner or among the first n classes by totals, then by order."""
    right = []
    for total, winner, own, near in zip(totals, winners, truth, neighbors_y, strict=True):
        order = {c: (list(near).index(c) if tie_break == "nearest" else at) for at, c in enumerate(classes) if c in near}
        named = sorted(
            (c for c, t in zip(classes, total, strict=True) if t > 0),
            key=lambda c, order=order, total=total: (-total[list(classes).index(c)], order[c]),
        )
        right.append(own == winner or own in named[:n])
    return np.array(right)


def assert_is_refitted(model, X, y, splits, **options):
    """Compare every score of every split with the definitions on the split's training rows."""
    results = model.cv_results_
    for at, params in enumerate(results["params"]):
        k, metric, rule = params["n_neighbors"], params["metric"], params["weights"]
        top1, top5 = [], []
        for train, test in splits:
            neighbors, winners, totals, classes = plain(X, y, train, X[test], k, metric, rule, **options)
            top1.append(np.mean(winners == y[test]))
            tie_break = options.get("tie_break", "smallest")
            top5.append(among_first(totals, winners, classes, y[test], y[neighbors], 5, tie_break).mean())
        if "split0_test_score" in results:
            assert [results[f"split{number}_test_score"][at] for number in range(len(splits))] == top1, params
            assert f"split{len(splits)}_test_score" not in results
        assert results["mean_test_score"][at] == pytest.approx(np.mean(top1), abs=1e-15)
        assert results["std_test_score"][at] == pytest.approx(np.std(top1), abs=1e-14)
        assert results["mean_test_top5"][at] == pytest.approx(np.mean(top5), abs=1e-15)
    assert model.n_splits_ == len(splits)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_a_refit_for_every_fold_on_rows_full_of_ties(kind, rows):
    X, y, groups, _ = rows
    cv, given, splits = splits_of(kind, X, y, groups)
    rules = ["uniform", "distance", "softmax", np.ones_like]
    model = KNeighborsClassifierCV(KS, METRICS, cv=cv, weights=rules, temperature=0.5, random_state=0)
    assert_is_refitted(model.fit(X, y, groups=given), X, y, splits)


@pytest.mark.parametrize(
    ("kind", "class_weight", "weighted", "tie_break"),
    pairwise(
        ["number", "each group left out", "repeated", "left out", "groups left out"],
        [None, "balanced", {"a": 0.5}, {"b": 0.0}],
        [False, True],
        ["smallest", "nearest"],
    ),
)
def test_weights_of_votes_are_those_of_a_refit(kind, weighted, class_weight, tie_break, rows):
    X, y, groups, weights = rows
    options = {"tie_break": tie_break, "class_weight": class_weight}
    given, counted, refit = None, weights > 0 if weighted else np.ones(90, dtype=bool), options
    if class_weight == {"b": 0.0}:  # the class leaves with its rows
        counted, refit = counted & (y != "b"), {**options, "class_weight": None}
    if kind == "left out":
        cv, numbers = "loo", np.flatnonzero(counted)
        splits = [(numbers[numbers != one], np.array([one])) for one in numbers]
    elif kind == "groups left out":
        cv, given = "loo", groups % 3
        splits = [(np.flatnonzero(counted & (given != g)), np.flatnonzero(counted & (given == g))) for g in range(3)]
    else:
        cv, given, splits = among(counted, kind, X, y, groups)
    rules, seeded = ["uniform", "softmax"], {"random_state": 0, **options}
    model = KNeighborsClassifierCV((1, 3, 6), ["l1"], cv=cv, weights=rules, temperature=0.5, **seeded)
    model.fit(X, y, weights if weighted else None, groups=given)
    assert_is_refitted(model, X, y, splits, sample_weight=weights if weighted else None, **refit)
    assert model.best_estimator_.class_weight == class_weight
    shares = KNeighborsClassifier(**model.best_params_, temperature=0.5, **options).fit(X, y, weights if weighted else None)
    np.testing.assert_array_equal(model.predict_proba(X), shares.predict_proba(X))


@pytest.mark.parametrize("kind", [*KINDS, "left out"])
@pytest.mark.parametrize("spare", [1, 4])
def test_neighbors_are_those_among_the_rows_that_train_index_for_index(kind, spare, rows, monkeypatch):
    """With `spare` 1 nearly every query runs out of neighbours and is searched again. Large searches come in parts."""
    X, y, groups, weights = rows
    seen, search = {}, _fold_votes.FoldVotes._search

    def in_parts(self, *arguments):
        for chunk, S, indices in search(self, *arguments):
            for start in range(chunk.start, chunk.stop, 7):
                some = slice(start, min(start + 7, chunk.stop))
                at = slice(some.start - chunk.start, some.stop - chunk.start)
                yield some, S[at], indices[at]

    def watched(self, queries, folds, S, indices):
        for query, fold, of_query in zip(queries.tolist(), folds.tolist(), indices.tolist(), strict=True):
            assert (fold, query) not in seen, "each query of each fold is counted once"
            seen[fold, query] = of_query

    monkeypatch.setattr(_fold_votes.FoldVotes, "_count_hits", watched)
    monkeypatch.setattr(_fold_votes, "_MOST_SPARE", spare)
    monkeypatch.setattr(_fold_votes.FoldVotes, "_search", in_parts)
    for sample_weight in (None, weights):
        seen.clear()
        counted = np.ones(90, dtype=bool) if sample_weight is None else weights > 0
        if kind == "left out":
            numbers = np.flatnonzero(counted)
            cv, given, splits = "loo", None, {one: (numbers[numbers != one], np.array([one])) for one in numbers.tolist()}
        else:
            cv, given, splits = among(counted, kind, X, y, groups)
            splits = dict(enumerate(splits))
        KNeighborsClassifierCV([2, 5], ["l2"], cv=cv, random_state=0).fit(X, y, sample_weight, groups=given)
        assert len(seen) == sum(len(test) for _, test in splits.values())
        for fold, (train, test) in splits.items():
            wanted = plain(X, y, train, X[test], 5, "l2", sample_weight=sample_weight)[0]
            assert [seen[fold, query] for query in test.tolist()] == wanted.tolist()


def test_leave_one_out_is_the_classifiers_own(rows):
    X, y, _, _ = rows
    for cv in ("loo", LeaveOneOut()):
        model = KNeighborsClassifierCV(KS, METRICS, cv=cv, random_state=0).fit(X, y)
        assert_is_refitted(model, X, y, list(LeaveOneOut().split(X)))
        for at, params in enumerate(model.cv_results_["params"]):
            wanted = np.mean(KNeighborsClassifier(**params).fit(X, y).predict(None) == y)
            assert model.cv_results_["mean_test_score"][at] == wanted
        assert not any(name.startswith("split") for name in model.cv_results_)


def test_chooses_as_a_grid_search_over_the_same_folds(rows):
    X, y, _, _ = rows
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    grid = {"metric": ["l1", "l2"], "n_neighbors": list(KS), "weights": ["distance", "uniform"]}
    theirs = GridSearchCV(KNeighborsClassifier(), grid, cv=folds).fit(X, y)
    ours = KNeighborsClassifierCV(KS, ("l1", "l2"), cv=folds, weights=["distance", "uniform"]).fit(X, y)
    place = {tuple(sorted(p.items())): at for at, p in enumerate(theirs.cv_results_["params"])}
    order = [place[tuple(sorted(p.items()))] for p in ours.cv_results_["params"]]
    for name in ("mean_test_score", "std_test_score", "split0_test_score", "split3_test_score"):
        np.testing.assert_allclose(ours.cv_results_[name], theirs.cv_results_[name][order], rtol=0, atol=1e-15)
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-15)
    assert ours.cv_results_["rank_test_score"][ours.best_index_] == 1
    assert ours.cv_results_["params"][ours.best_index_] == ours.best_params_
    assert len(set(ours.cv_results_["rank_test_score"])) == len(set(ours.cv_results_["mean_test_score"]))


def test_of_equal_settings_the_first_metric_rule_and_the_smallest_k_are_chosen():
    X, y = np.repeat(np.array([[0], [200]], dtype=np.uint8), 20, axis=0), np.repeat([0, 1], 20)
    model = KNeighborsClassifierCV([5, 3, 7], ("l2", "l1"), weights=["softmax", "uniform"], random_state=0).fit(X, y)
    assert model.best_params_ == {"metric": "l2", "weights": "softmax", "n_neighbors": 3}
    assert model.one_standard_error_params_ == {"metric": "l2", "weights": "softmax", "n_neighbors": 7}
    assert model.cv_results_["rank_test_score"].tolist() == [1] * 12


@pytest.mark.parametrize("cv", [5, "loo"])
def test_one_standard_error_takes_the_largest_k_as_good_as_the_best(cv):
    X, y = load_digits(return_X_y=True)
    model = KNeighborsClassifierCV(range(1, 12), ("l2", "cosine"), cv=cv, random_state=0).fit(X[:600], y[:600])
    results, best = model.cv_results_, model.best_index_
    n = model.n_splits_
    assert n == (600 if cv == "loo" else 5)
    right = round(results["mean_test_score"][best] * 600)
    folds = np.array(
        [results[f"split{number}_test_score"][best] for number in range(5)]
        if cv == 5
        else [1.0] * right + [0.0] * (600 - right)
    )
    same = results["param_metric"] == model.best_params_["metric"]
    near = same & (results["mean_test_score"] >= folds.mean() - folds.std(ddof=1) / np.sqrt(n) - 1e-15)
    assert model.one_standard_error_params_["n_neighbors"] == results["param_n_neighbors"][near].max()
    assert model.one_standard_error_params_["n_neighbors"] > model.best_params_["n_neighbors"], "or the case shows nothing"


def test_ks_that_no_fold_has_rows_for_are_left_out_with_a_warning(rows):
    X, y, _, weights = rows
    with pytest.warns(UserWarning, match="k = 46 left out: the smallest training fold has 45 rows"):
        assert len(KNeighborsClassifierCV([1, 45, 46], ("l1",), cv=2, random_state=0).fit(X, y).cv_results_["params"]) == 2
    with pytest.warns(UserWarning, match=f"k = 89 left out: the smallest training fold has {(weights > 0).sum() - 1} rows"):
        model = KNeighborsClassifierCV([1, 89], ("l1",), cv="loo").fit(X, y, weights)
    assert model.cv_results_["param_n_neighbors"].tolist() == [1]
    with pytest.warns(UserWarning, match="k = 100 left out"):
        model = KNeighborsClassifierCV(metrics="l1", random_state=0).fit(X, y)
    assert model.cv_results_["param_n_neighbors"].tolist() == [*range(1, 21), 25, 30, 50]


def test_classes_with_fewer_rows_than_folds_are_no_reason_to_warn(rows):
    X, y = rows[0], rows[1].copy()
    y[:2] = "d"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KNeighborsClassifierCV(KS, class_weight="balanced", random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    assert_is_refitted(model, X, y, splits, class_weight="balanced")


REFUSED = {
    "a word": (lambda X, y: KNeighborsClassifierCV(cv="one out").fit(X, y), "cv='one out'; wanted a number of folds, 'loo'"),
    "nothing": (lambda X, y: KNeighborsClassifierCV(cv=None).fit(X, y), "cv=None; wanted a number of folds"),
    "too many folds": (lambda X, y: KNeighborsClassifierCV(cv=91).fit(X, y), "cv=91"),
    "half a fold": (lambda X, y: KNeighborsClassifierCV(cv=2.5).fit(X, y), "cv=2.5; wanted a whole number"),
    "true": (lambda X, y: KNeighborsClassifierCV(cv=True).fit(X, y), "cv=True; wanted a whole number"),
    "rows beyond": (lambda X, y: KNeighborsClassifierCV(KS, cv=[([0, 1], [90])]).fit(X, y), "test of split 0 holds 90 to"),
    "a row twice": (
        lambda X, y: KNeighborsClassifierCV(KS, cv=[([1, 1, 2], [0])]).fit(X, y),
        "train of split 0 holds row 1 twice",
    ),
    "nothing to test": (lambda X, y: KNeighborsClassifierCV(KS, cv=[([1, 2], [])]).fit(X, y), "test of split 0 has shape"),
    "no pair": (lambda X, y: KNeighborsClassifierCV(KS, cv=[[1, 2, 3]]).fit(X, y), "split 0 of cv is not a pair"),
    "no split": (lambda X, y: KNeighborsClassifierCV(KS, cv=[]).fit(X, y), "cv yields no splits"),
    "too few rows": (
        lambda X, y: KNeighborsClassifierCV([3], cv=[([1, 2], [0])]).fit(X, y),
        "the smallest training fold has 2 rows",
    ),
    "groups missing": (lambda X, y: KNeighborsClassifierCV(KS, cv=LeaveOneGroupOut()).fit(X, y), "give a number of folds"),
    "groups short": (lambda X, y: KNeighborsClassifierCV(KS).fit(X, y, groups=[1, 2]), "one group for each row"),
    "one group": (lambda X, y: KNeighborsClassifierCV(KS).fit(X, y, groups=[1] * 90), "groups holds only one group"),
    "few groups": (lambda X, y: KNeighborsClassifierCV(KS).fit(X, y, groups=np.arange(90) % 3), "there are only 3 groups"),
    "groups of no order": (
        lambda X, y: KNeighborsClassifierCV(KS).fit(X, y, groups=np.array([1, "a"] * 45, dtype=object)),
        "groups mixes labels of types that cannot be ordered (int, str): convert them",
    ),
    "rules that are none": (lambda X, y: KNeighborsClassifierCV(KS, weights=None).fit(X, y), "weights=None is unknown"),
    "metrics that are none": (lambda X, y: KNeighborsClassifierCV(KS, metrics=5).fit(X, y), "metrics=5 is unknown; choose"),
    "ks that are none": (lambda X, y: KNeighborsClassifierCV("few").fit(X, y), "ks='few'; wanted a whole number"),
    "no rule": (lambda X, y: KNeighborsClassifierCV(KS, weights=[]).fit(X, y), "weights is empty; choose from: uniform"),
    "an unknown rule": (lambda X, y: KNeighborsClassifierCV(KS, weights=["uniform", "none"]).fit(X, y), "weights='none'"),
    "an unknown class": (lambda X, y: KNeighborsClassifierCV(KS, class_weight={"z": 1}).fit(X, y), "names the label 'z'"),
    "a negative weight": (lambda X, y: KNeighborsClassifierCV(KS).fit(X, y, np.full(90, -1.0)), "sample_weight has -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line(case, rows):
    call, says = REFUSED[case]
    with pytest.raises(InputError) as refused:
        call(rows[0], rows[1])
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("weights", ["uniform", "distance", "softmax"])
@pytest.mark.parametrize("tie_break", ["smallest", "nearest"])
def test_evaluate_k_is_a_classifier_for_every_k(weights, tie_break, rows):
    X, y, _, _ = rows
    options = {"metric": "l1", "weights": weights, "tie_break": tie_break, "temperature": 0.5}
    table = evaluate_k(X[:60], y[:60], X[60:], y[60:], KS, topk=(1, 2), **options)
    assert table["k"] == list(KS)
    for k, top1, top2 in zip(KS, table["top1"], table["top2"], strict=True):
        model = KNeighborsClassifier(k, **options).fit(X[:60], y[:60])
        assert top1 == np.mean(model.predict(X[60:]) == y[60:])
        neighbors, winners, totals, classes = plain(X, y, np.arange(60), X[60:], k, "l1", weights, tie_break)
        assert top2 == among_first(totals, winners, classes, y[60:], y[neighbors], 2, tie_break).mean()


def test_evaluate_k_counts_a_label_that_training_rows_lack_as_an_error():
    table = evaluate_k([[0.0], [1.0]], ["a", "b"], [[0.0], [1.0]], ["a", "z"], [1, 2])
    assert table["top1"] == [0.5, 0.5]
    assert table["top5"] == [0.5, 0.5]


def test_evaluate_k_refuses_in_one_line(rows):
    X, y, _, _ = rows
    for wrong in (
        {"metric": "l3"},
        {"ks": [0]},
        {"ks": [91]},
        {"topk": [0]},
        {"topk": []},
        {"topk": None},
        {"weights": "none"},
        {"temperature": 0},
    ):
        with pytest.raises(InputError) as refused:
            evaluate_k(X, y, X, y, **wrong)
        assert "\n" not in str(refused.value)
