"""A search that chose an estimator is saved as that estimator."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import fastcls
from fastcls import persistence
from fastcls._validation.errors import InputError

SEARCHES = {
    "KNeighborsClassifierCV": lambda: fastcls.KNeighborsClassifierCV([1, 3, 5], cv=3, random_state=0),
    "SoftmaxClassifierCV": lambda: fastcls.SoftmaxClassifierCV([1e-3, 1e-1], cv=3, max_iter=5, random_state=0),
    "MulticlassSVMCV": lambda: fastcls.MulticlassSVMCV([1e-3, 1e-1], cv=3, max_iter=5, random_state=0),
}


def rows():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    return rng.normal(size=(60, 4)) + y[:, None], np.array(["ant", "bee", "cat"])[y]


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("save", [lambda search, path, **more: search.save(path, **more), persistence.save])
def test_load_gives_the_chosen_estimator(name, save, tmp_path):
    X, y = rows()
    search = SEARCHES[name]().fit(X, y)
    save(search, tmp_path / "model", metadata={"accuracy": search.best_score_})
    again = fastcls.load(tmp_path / "model")
    assert type(again) is type(search.best_estimator_)
    assert again.get_params() == search.best_estimator_.get_params()
    assert search.best_params_.items() <= again.get_params().items()
    assert again.metadata_ == {"accuracy": search.best_score_}
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


@pytest.mark.parametrize("name", SEARCHES)
def test_names_of_columns_are_saved_too(name, tmp_path, recwarn):
    pandas = pytest.importorskip("pandas")
    X, y = rows()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    search = SEARCHES[name]().fit(frame, y)
    search.save(tmp_path / "model")
    again = fastcls.load(tmp_path / "model")
    assert again.feature_names_in_.tolist() == list("abcd")
    np.testing.assert_array_equal(again.predict(frame), search.predict(frame))
    assert not [caught for caught in recwarn.list if "of those tried" not in str(caught.message)]
    for model in (again, search):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(frame[["b", "a", "c", "d"]])


@pytest.mark.parametrize("name", SEARCHES)
def test_nothing_is_written_before_fit(name, tmp_path):
    with pytest.raises(NotFittedError):
        SEARCHES[name]().save(tmp_path / "model")
    with pytest.raises(NotFittedError):
        persistence.save(SEARCHES[name](), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_search_that_chose_a_function_is_refused_in_one_line(tmp_path):
    X, y = rows()
    search = fastcls.KNeighborsClassifierCV([1, 3], weights=np.ones_like, cv=3, random_state=0).fit(X, y)
    with pytest.raises(InputError, match="the parameter weights is a callable"):
        search.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
