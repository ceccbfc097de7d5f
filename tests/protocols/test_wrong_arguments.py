"""Every argument of every protocol with values that it cannot have: an error that names this argument, and no other."""

import inspect
import re

import numpy as np
import pytest

from fastcls import InputError, protocols

RNG = np.random.default_rng(0)
X, TEST = RNG.standard_normal((24, 4)), RNG.standard_normal((9, 4))
Y, Y_TEST = np.arange(24) % 3, np.arange(9) % 3
MANY, MANY_TEST = ((RNG.random((n, 3)) < 0.5).astype(int) for n in (24, 9))
PAIR = {"a": X, "b": X[:, :2]}
CALLS = {
    "knn_eval": (protocols.knn_eval, (X, Y, TEST, Y_TEST), {"preset": "torchgeo-bench"}),
    "knn_eval of several labels": (protocols.knn_eval, (X, MANY, TEST, MANY_TEST), {"preset": "torchgeo-bench"}),
    "linear_probe": (protocols.linear_probe, (X, Y, TEST, Y_TEST), {"preset": "mteb"}),
    "linear_probe of several labels": (protocols.linear_probe, (X, MANY, TEST, MANY_TEST), {"preset": "mteb-multilabel"}),
    "few_shot": (protocols.few_shot, (X, Y, TEST, Y_TEST), {"n_per_class": [2], "n_tries": 2}),
    "compare": (protocols.compare, (PAIR, Y), {"presets": "torchgeo-bench"}),
}
WRONG = ["x", -1, float("nan"), [], {}, object()]
#: what an argument may be, of these
ALLOWED = {("n_jobs", -1), ("cache", "x")}
#: arguments that are compared with another one, which the message may name first
PARTNERS = {"y": "train|representations", "y_test": "test", "test": "y_test"}
CASES = [(call, name) for call, (function, *_) in CALLS.items() for name in inspect.signature(function).parameters]


@pytest.mark.parametrize(("call", "argument"), CASES)
def test_a_wrong_value_is_refused_by_the_name_of_its_argument(call, argument):
    function, args, options = CALLS[call]
    signature = inspect.signature(function)
    for value in WRONG:
        if isinstance(value, (str, int)) and (argument, value) in ALLOWED:
            continue
        bound = signature.bind(*args, **options)
        bound.arguments[argument] = value
        given = inspect.BoundArguments(signature, bound.arguments)
        with pytest.raises((InputError, TypeError)) as refused:
            function(*given.args, **given.kwargs)
        names = "|".join([argument, *filter(None, [PARTNERS.get(argument)])])
        assert re.search(rf"(?<![\w.])({names})(?![\w])", str(refused.value)), (value, str(refused.value))


@pytest.mark.parametrize("value", [5, True, 2.5, [], {"a"}])
def test_a_path_is_refused_by_the_name_of_its_argument(value):
    with pytest.raises(InputError, match="^cache(=| is )"):
        protocols.compare(PAIR, Y, presets="torchgeo-bench", cache=value)


def test_a_hold_out_without_a_class_on_both_sides_is_not_blamed_on_test_labels():
    with pytest.raises(InputError, match="^no class of y has both training rows and test rows .*: give at least two rows"):
        protocols.compare(PAIR, np.arange(24), presets="torchgeo-bench")
    with pytest.raises(InputError, match="^test has no names; wanted a mapping"):
        protocols.compare(PAIR, Y, {}, Y, presets="torchgeo-bench")
    with pytest.raises(InputError, match="^test is a str; wanted a mapping"):
        protocols.compare(PAIR, Y, "ab", Y, presets="torchgeo-bench")
