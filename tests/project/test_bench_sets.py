"""The benchmark's unseen sets and its comparison of the planner's choices."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the fastcls under test is not the one next to bench
pytest.importorskip("bench", reason="the folder bench is not next to tests")
from bench import data, planner, unseen


def pictures(n):
    return np.random.default_rng(0).integers(0, 256, size=(n, 3072), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "dtype", "n_features"),
    [("colours", "float32", 256), ("gradients", "float32", 324), ("convolutions", "float16", 512)],
)
def test_sets_made_from_pictures_have_a_row_for_each(monkeypatch, tmp_path, name, dtype, n_features):
    monkeypatch.setattr(unseen, "N_QUERIES", 60)
    made = unseen.rows(name, lambda: (pictures(600), pictures(100)), tmp_path)
    assert [(part.shape, part.dtype) for part in made] == [((600, n_features), dtype), ((60, n_features), dtype)]
    assert all(np.isfinite(part).all() and part.any(axis=1).all() for part in made)
    read = unseen.rows(name, lambda: pytest.fail("made a second time"), tmp_path)
    assert all((one == other).all() for one, other in zip(made, read, strict=True))


def test_colours_are_counted_in_each_quarter():
    picture = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    picture[0, :, 16:, :16] = np.array([255, 0, 64])[:, None, None]  # lower left: colour 3 * 16 + 0 * 4 + 1
    ((row,), _) = unseen.colours((picture.reshape(1, 3072), picture.reshape(1, 3072)))
    wanted = np.zeros(256)
    wanted[[0, 64, 128 + 49, 192]] = 1
    assert row.tolist() == wanted.tolist()


def test_what_cannot_be_made_is_not_here(monkeypatch):
    def lack():
        raise unseen.LackError("no large file")

    monkeypatch.setitem(unseen.OF_MACHINE, "programs", lack)
    monkeypatch.setattr(data, "cache_folder", lambda: Path("nowhere"))
    with pytest.raises(data.NotHereError, match="no programs: no large file"):
        data.DATA["programs"]()


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_every_choice_of_levels_and_the_planners_own_search_are_timed(monkeypatch, metric):
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(40, 128))
    rows = (centers[rng.integers(40, size=6000)] + 0.2 * rng.normal(size=(6000, 128))).astype(np.float32)
    monkeypatch.setattr(data, "rows", lambda name: (rows[:5900], rows[5900:]))
    planned, found = planner.compare("made", metric, 5, 50, 1)
    assert {"brute", "planner", planned} <= set(found)
    assert len(found) > 2
    assert all(seconds > 0 for seconds in found.values())


def test_a_choice_within_its_margin_is_said_to_be():
    for own, verdict in ((1.1, "yes"), (1.2, "**no**")):
        text = planner.line("made", "l2", 5, "64", {"brute": 2.0, "64": 1.0, "planner": own})
        assert f"| 64 | {own} | 64 1 | {own:.2f} | {2 / own:.2f} | {verdict} | 64 1; brute 2 |" in text
