"""The losses: registry, NumPy functions and compiled functions agree with the plain loops and with their own words."""

import numpy as np
import pytest

from fastcls import LinearProblem, losses, reference
from fastcls._validation import InputError
from fastcls.losses import LOSSES, loss_and_gradient

CASES = [
    ([3.2, 5.1, -1.7], 0),
    ([0.0, 0.0], 1),
    ([5.0], 0),
    ([1.0, 1.0, 1.0, 1.0], 3),
    ([1e4, -1e4, 0.0], 1),
    ([-1e4, -1e4, 1e4], 2),
]


def random_scores(n=40, n_classes=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_classes)) * 3, rng.integers(0, n_classes, n)


def compiled(name, scores, y, **options):
    """Losses and slopes by the compiled function: rows are unit vectors, so W^T is the scores and dL/dW^T the slopes."""
    scores = np.asarray(scores, dtype=np.float64)
    n = len(scores)
    problem = LinearProblem(np.eye(n), y, loss=name, n_classes=scores.shape[1], **options)
    W = np.ascontiguousarray(scores.T)
    return problem.per_sample(W), problem.value_and_gradient(W)[1].T * n


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("scores", "y"), CASES)
def test_one_row_equals_the_plain_loop(name, scores, y):
    value, slope = reference.SAMPLE_LOSSES[name]
    for found in (loss_and_gradient(name, [scores], [y]), compiled(name, [scores], [y])):
        # Sums of at most 4 terms: a few roundings of numbers no larger than 4e4, or of probabilities.
        np.testing.assert_allclose(found[0][0], value(np.array(scores), y), rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(found[1][0], slope(np.array(scores), y), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_numpy_and_compiled_agree(name):
    scores, y = random_scores()
    assert len(np.unique(y)) > 3
    for one, other in zip(loss_and_gradient(name, scores, y), compiled(name, scores, y), strict=True):
        # n_classes = 7 additions in another order, and an exp of another library: 16 units in the last place.
        np.testing.assert_allclose(one, other, rtol=16 * 2.3e-16, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_are_the_numerical_ones(name):
    scores, y = random_scores(n=12)
    slopes = loss_and_gradient(name, scores, y)[1]
    h = 1e-6
    for j in range(scores.shape[1]):
        step = np.zeros_like(scores)
        step[:, j] = h
        ahead, behind = (loss_and_gradient(name, moved, y)[0] for moved in (scores + step, scores - step))
        np.testing.assert_allclose((ahead - behind) / (2 * h), slopes[:, j], atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_only_differences_of_scores_count(name):
    scores, y = random_scores()
    losses_here, slopes = loss_and_gradient(name, scores, y)
    np.testing.assert_allclose(slopes.sum(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(loss_and_gradient(name, scores + 7, y)[0], losses_here, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_huge_scores_stay_finite(name):
    rng = np.random.default_rng(1)
    scores, y = rng.choice([-1e4, 0.0, 1e4], size=(200, 5)), rng.integers(0, 5, 200)
    for found in (loss_and_gradient(name, scores, y), compiled(name, scores, y)):
        assert all(np.isfinite(part).all() for part in found)
        assert (found[0] >= 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("place", [0, 1])
def test_nan_is_never_a_loss_of_zero(name, place):
    scores = np.zeros((1, 3))
    scores[0, place] = np.nan
    assert np.isnan(loss_and_gradient(name, scores, [0])[0][0])
    assert np.isnan(compiled(name, scores, [0])[0][0])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("n_classes", [1, 2, 10, 100])
def test_equal_scores_cost_what_the_registry_says(name, n_classes):
    found = loss_and_gradient(name, np.full((1, n_classes), 0.3), [0])[0][0]
    assert found == pytest.approx(LOSSES[name].at_zero(n_classes), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_bounds_the_bend_where_the_loss_is_smooth(name):
    loss = LOSSES[name]
    if loss.piecewise_linear:
        assert loss.curvature(10) > 0
        return
    rng = np.random.default_rng(2)
    bends = []
    for _ in range(200):
        s, v = rng.normal(size=(1, 4)) * 2, rng.normal(size=(1, 4))
        v /= np.linalg.norm(v)
        h = 1e-4
        slopes = [loss_and_gradient(name, s + t * v, [0])[1] @ v.T for t in (h, -h)]
        bends.append(float(slopes[0][0, 0] - slopes[1][0, 0]) / (2 * h))
    assert 0.3 * loss.curvature(4) < max(bends) <= loss.curvature(4) * (1 + 1e-6)


def test_hinge_subgradient_on_the_kink_is_zero():
    """[10, 9, 9] with y = 0: both rivals sit exactly on the margin."""
    for found in (loss_and_gradient("hinge", [[10, 9, 9]], [0]), compiled("hinge", [[10, 9, 9]], [0])):
        assert found[0][0] == 0
        assert (found[1] == 0).all()


@pytest.mark.parametrize("margin", [0.25, 1.0, 8.0])
def test_margin_reaches_the_compiled_loss(margin):
    scores, y = random_scores()
    plain = [reference.multiclass_hinge(s, label, margin) for s, label in zip(scores, y, strict=True)]
    np.testing.assert_allclose(losses.multiclass_hinge(scores, y, margin=margin), plain, rtol=1e-14)
    np.testing.assert_allclose(compiled("hinge", scores, y, margin=margin)[0], plain, rtol=1e-14)


def test_softmax_keeps_small_losses():
    """1 - p would round to 0: the loss of [40, 0] is e^-40, and so is its slope."""
    for found in (loss_and_gradient("softmax", [[40.0, 0.0]], [0]), compiled("softmax", [[40.0, 0.0]], [0])):
        assert found[0][0] == pytest.approx(np.exp(-40), rel=1e-12)
        assert found[1][0, 0] == pytest.approx(-np.exp(-40), rel=1e-12)


def test_registry_is_complete():
    assert sorted(loss.code for loss in LOSSES.values()) == list(range(len(LOSSES)))
    for name, loss in LOSSES.items():
        assert loss.name == name
        assert loss.formula
        assert loss.domain
        assert loss.source
        assert name in reference.SAMPLE_LOSSES


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: loss_and_gradient("hindge", [[1, 2]], [0]), "hinge"),
        (lambda: loss_and_gradient("softmax", [[1, 2]], [0], margin=1.0), "no option 'margin'"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0], margin=0), "margin=0"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [2]), "use 0 to 1"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [-1]), "use 0 to 1"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0.0]), "integer class code"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0, 1]), "each of the 1 rows"),
        (lambda: loss_and_gradient("hinge", [1, 2], [0]), "n_samples, n_classes"),
    ],
)
def test_wrong_input_is_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
