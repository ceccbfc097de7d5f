"""A plugin of pytest: scikit-learn's own tests of neighbours meet our estimators, under their names there.

    FASTCLS_OUTCOMES=found.json python -m pytest -p _substituted --pyargs sklearn.neighbors.tests.test_neighbors

writes the outcome of each test: "passed", "skipped", or the last line of its error. Messages of refusals are not compared:
ours say the same in other words.
"""

import json
import os

import pytest
import sklearn.neighbors

import fastcls

NAMES = ("KNeighborsClassifier", "NearestNeighbors", "KNeighborsTransformer")
for name in NAMES:
    setattr(sklearn.neighbors, name, getattr(fastcls, name))

_raises, _outcomes = pytest.raises, {}


def raises(expected, *arguments, match=None, **options):
    """Without the message."""
    return _raises(expected, *arguments, **options)


pytest.raises = raises


def pytest_runtest_logreport(report):
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        _outcomes[report.nodeid] = crash.message.split("\n")[0] if crash else str(report.longrepr)
    elif report.when == "call" or report.skipped:
        _outcomes.setdefault(report.nodeid, report.outcome)


def pytest_sessionfinish():
    with open(os.environ["FASTCLS_OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump(_outcomes, file)
