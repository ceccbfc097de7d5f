"""The losses: registry, NumPy functions and compiled functions agree with the plain loops and with their descriptions."""

import numpy as np
import pytest

from fastcls import LinearProblem, losses, reference
from fastcls._validation.errors import InputError
from fastcls.losses import LOSSES, loss_and_gradient

CASES = [
    ([3.2, 5.1, -1.7], 0),
    ([0.0, 0.0], 1),
    ([5.0], 0),
    ([1.0, 1.0, 1.0, 1.0], 3),
    ([1e4, -1e4, 0.0], 1),
    ([-1e4, -1e4, 1e4], 2),
]


def test_an_option_that_a_loss_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(InputError, match=r"^loss 'softmax' has no option 'margin': leave it out \(its options: none\)$"):
        LOSSES["softmax"].check_options({"margin": 1.0})
    with pytest.raises(InputError, match=r"leave it out \(its options: [a-z_, ]*margin[a-z_, ]*\)$"):
        LOSSES["hinge"].check_options({"typo": 1.0})


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


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "one_vs_all"])
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
def test_nan_scores_never_give_a_loss_of_zero(name, place):
    scores = np.zeros((1, 3))
    scores[0, place] = np.nan
    assert np.isnan(loss_and_gradient(name, scores, [0])[0][0])
    assert np.isnan(compiled(name, scores, [0])[0][0])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("n_classes", [1, 2, 10, 100])
def test_loss_of_zero_scores_is_that_of_the_registry(name, n_classes):
    found = loss_and_gradient(name, np.zeros((1, n_classes)), [0])[0][0]
    assert found == pytest.approx(LOSSES[name].at_zero(n_classes), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_is_an_upper_bound_where_the_loss_is_smooth(name):
    loss = LOSSES[name]
    if loss.segment_degree == 1:
        assert loss.curvature(10) > 0
        return
    rng = np.random.default_rng(2)
    bends = []
    for _ in range(1000):
        s, v = rng.normal(size=(1, 4)) * 2, rng.normal(size=(1, 4))
        v /= np.linalg.norm(v)
        h = 1e-4
        slopes = [loss_and_gradient(name, s + t * v, [0])[1] @ v.T for t in (h, -h)]
        bends.append(float(slopes[0][0, 0] - slopes[1][0, 0]) / (2 * h))
    assert 0.3 * loss.curvature(4) < max(bends) <= loss.curvature(4) * (1 + 1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_bound_on_the_curvature_of_squared_hinges_is_reached_where_all_count(n_classes):
    rows = 1e-3 * np.eye(n_classes)
    slopes = [loss_and_gradient("squared_hinge", sign * rows, np.zeros(n_classes, int))[1] for sign in (1, -1)]
    largest = np.linalg.eigvalsh((slopes[0] - slopes[1]) / 2e-3).max()
    assert LOSSES["squared_hinge"].curvature(n_classes) == pytest.approx(largest, rel=1e-9)


@pytest.mark.parametrize("margin", [1.0, 2.5])
@pytest.mark.parametrize("name", ["hinge", "crammer_singer", "one_vs_all"])
def test_the_curvature_of_a_loss_with_kinks_is_that_of_parabolas_as_wide_as_the_margin(name, margin):
    """Each kink of max(0, x) bends by 1 / margin then. A pair of scores has the Laplacian of an edge."""
    n = 5
    star = np.eye(n) * np.r_[n - 1, np.ones(n - 1)]
    star[0, 1:] = star[1:, 0] = -1.0  # the true class against each rival
    edge = np.array([[1.0, -1.0], [-1.0, 1.0]])
    bends = {"hinge": star, "crammer_singer": edge, "one_vs_all": np.eye(n)}[name] / margin
    assert LOSSES[name].curvature(n, margin=margin) == pytest.approx(np.linalg.eigvalsh(bends).max(), rel=1e-12)
    if name != "crammer_singer":
        of_mean = LOSSES[name].curvature(n, margin=margin, class_reduction="mean")
        n_terms = n if name == "one_vs_all" else n - 1
        assert of_mean == pytest.approx(np.linalg.eigvalsh(bends).max() / n_terms, rel=1e-12)


def test_hinge_subgradient_on_the_kink_is_zero():
    """[10, 9, 9] with y = 0: both rivals sit exactly on the margin."""
    for found in (loss_and_gradient("hinge", [[10, 9, 9]], [0]), compiled("hinge", [[10, 9, 9]], [0])):
        assert found[0][0] == 0
        assert (found[1] == 0).all()


HINGES = [name for name, loss in LOSSES.items() if "margin" in loss.options]


@pytest.mark.parametrize("name", HINGES)
@pytest.mark.parametrize("margin", [0.25, 1.0, 8.0])
def test_margin_is_passed_to_the_compiled_loss(name, margin):
    scores, y = random_scores()
    plain = [reference.SAMPLE_LOSSES[name][0](s, label, margin) for s, label in zip(scores, y, strict=True)]
    for found in (loss_and_gradient(name, scores, y, margin=margin), compiled(name, scores, y, margin=margin)):
        np.testing.assert_allclose(found[0], plain, rtol=1e-14)
    assert LOSSES[name].at_zero(5, margin=margin) == loss_and_gradient(name, np.zeros((1, 5)), [2], margin=margin)[0][0]


@pytest.mark.parametrize("name", HINGES)
@pytest.mark.parametrize("include_correct", [False, True])
@pytest.mark.parametrize("class_reduction", ["sum", "mean"])
def test_options_include_the_correct_class_and_average_the_terms(name, include_correct, class_reduction):
    given = {"margin": 0.7, "include_correct": include_correct, "class_reduction": class_reduction}
    options = {option: value for option, value in given.items() if option in LOSSES[name].options}
    scores, y = random_scores()
    plain, slopes = loss_and_gradient(name, scores, y, margin=0.7)
    added = 0.7 ** (2 if name == "squared_hinge" else 1) if options.get("include_correct") else 0.0
    terms = {"one_vs_all": 7}.get(name, 6 + options.get("include_correct", 0))
    divisor = terms if options.get("class_reduction") == "mean" else 1
    for found in (loss_and_gradient(name, scores, y, **options), compiled(name, scores, y, **options)):
        np.testing.assert_allclose(found[0], (plain + added) / divisor, rtol=1e-13)
        np.testing.assert_allclose(found[1], slopes / divisor, rtol=1e-13)
    at_zero = loss_and_gradient(name, np.zeros((1, 7)), [2], **options)[0][0]
    assert LOSSES[name].at_zero(7, **options) == pytest.approx(at_zero)


def test_named_functions_are_the_registry_rows():
    scores, y = random_scores()
    for name, function in (
        ("hinge", losses.multiclass_hinge),
        ("squared_hinge", losses.squared_hinge),
        ("one_vs_all", losses.one_vs_all),
        ("crammer_singer", losses.crammer_singer),
        ("softmax", losses.softmax_cross_entropy),
    ):
        np.testing.assert_array_equal(function(scores, y), loss_and_gradient(name, scores, y)[0])


@pytest.mark.parametrize("name", LOSSES)
def test_torch_autograd_agrees(name):
    torch = pytest.importorskip("torch", reason="torch is not installed: its autograd is one more witness")
    scores, y = random_scores()
    s, at = torch.tensor(scores, requires_grad=True), torch.arange(len(y))
    label = torch.tensor(y)
    excess = s - s[at, label][:, None] + 1.0
    mask = torch.ones_like(s)
    mask[at, label] = 0.0
    signs = 2.0 * mask - 1.0
    of_sample = {
        "softmax": lambda: torch.nn.functional.cross_entropy(s, label, reduction="none"),
        "hinge": lambda: torch.nn.functional.multi_margin_loss(s, label, reduction="none") * s.shape[1],
        "squared_hinge": lambda: torch.nn.functional.multi_margin_loss(s, label, p=2, reduction="none") * s.shape[1],
        "crammer_singer": lambda: torch.clamp((excess * mask).max(dim=1).values, min=0.0),
        "one_vs_all": lambda: torch.clamp(1.0 + signs * s, min=0.0).sum(dim=1),
    }[name]()
    of_sample.sum().backward()
    for found in (loss_and_gradient(name, scores, y), compiled(name, scores, y)):
        np.testing.assert_allclose(found[0], of_sample.detach().numpy(), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found[1], s.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_softmax_keeps_small_losses():
    """1 - p would round to 0: the loss of [40, 0] is e^-40, and so is its slope."""
    for found in (loss_and_gradient("softmax", [[40.0, 0.0]], [0]), compiled("softmax", [[40.0, 0.0]], [0])):
        assert found[0][0] == pytest.approx(np.exp(-40), rel=1e-12)
        assert found[1][0, 0] == pytest.approx(-np.exp(-40), rel=1e-12)


def test_softmax_is_exact_to_the_last_bits_and_zero_far_out():
    """A row (0, -gap) has the loss log1p(e^-gap), and e^-gap over 1 + e^-gap as its second slope: 0 far out, never NaN."""
    gaps = np.concatenate([np.linspace(0, 40, 4001), np.linspace(40, 690, 1001), [746, 1e4, 1e300]])
    scores = np.column_stack([np.zeros_like(gaps), -gaps])
    found, slopes = compiled("softmax", scores, np.zeros(len(gaps), dtype=int))
    far = gaps > 745.2  # below half of the least subnormal
    assert (found[far] == 0).all()
    assert (slopes[far] == 0).all()
    with np.errstate(under="ignore"):
        expected = np.exp(-gaps[~far])
    np.testing.assert_allclose(found[~far], np.log1p(expected), rtol=1e-15 * 2, atol=0)
    np.testing.assert_allclose(slopes[~far][:, 1], expected / (1 + expected), rtol=1e-15 * 2, atol=0)


def test_defaults_of_a_loss_are_those_of_all_its_functions():
    scores, y = random_scores()
    for name, loss in LOSSES.items():
        given = {
            option: {"margin": 1.0, "include_correct": False, "class_reduction": "sum"}[option] for option in loss.options
        }
        for pair in zip(loss.function(scores, y), loss.function(scores, y, **given), strict=True):
            np.testing.assert_array_equal(*pair)
        assert loss.at_zero(7) == loss.at_zero(7, **given)
        assert loss.curvature(7) == loss.curvature(7, **given)
        np.testing.assert_array_equal(loss.option_numbers({}), loss.option_numbers(given), err_msg=name)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if "class_reduction" in loss.options])
@pytest.mark.parametrize("n_classes", [1, 2, 7])
def test_a_mean_over_classes_is_the_sum_by_its_number_of_terms(name, n_classes):
    """Of the loss and of the bound on its curvature. One class alone has no term, and no division by 0."""
    loss = LOSSES[name]
    for more in ({}, {"include_correct": True}) if "include_correct" in loss.options else ({},):
        n_terms = max(1, n_classes if more or name == "one_vs_all" else n_classes - 1)
        for function in (loss.at_zero, loss.curvature):
            mean = function(n_classes, margin=0.5, class_reduction="mean", **more)
            assert mean * n_terms == pytest.approx(function(n_classes, margin=0.5, **more), rel=1e-14)
        scores = np.random.default_rng(0).normal(size=(9, n_classes))
        for mean, total in zip(
            loss.function(scores, np.zeros(9, int), class_reduction="mean", **more),
            loss.function(scores, np.zeros(9, int), **more),
            strict=True,
        ):
            np.testing.assert_allclose(mean * n_terms, total, rtol=1e-13, atol=1e-15)


def test_losses_of_segments_and_of_parabolas_are_called_so():
    known = {"hinge": 1, "softmax": None, "squared_hinge": 2, "crammer_singer": 1, "one_vs_all": 1}
    assert {name: LOSSES[name].segment_degree for name in known} == known
    # hinges that are smoothed over a width of the margin bend by 1 / margin each
    assert LOSSES["one_vs_all"].curvature(7, margin=0.25) == 4.0
    assert LOSSES["hinge"].curvature(7, margin=0.25) == 28.0


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
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0], include_correct="yes"), "True or False"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0], class_reduction="max"), "choose one of: sum, mean"),
        (lambda: loss_and_gradient("crammer_singer", [[1, 2]], [0], include_correct=True), "no option 'include_correct'"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [2]), "wanted 0 to 1"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [-1]), "has the code -1; wanted class codes 0, 1, 2"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0.0]), "integer class code"),
        (lambda: loss_and_gradient("hinge", [[1, 2]], [0, 1]), "each of the 1 row"),
        (lambda: loss_and_gradient("hinge", [1, 2], [0]), "n_samples, n_classes"),
    ],
)
def test_wrong_input_is_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_softmax_slope_keeps_its_digits_where_the_probability_is_nearly_1():
    for found in (loss_and_gradient("softmax", [[40.0, 0.0]], [0]), compiled("softmax", [[40.0, 0.0]], [0])):
        assert found[1][0, 0] == pytest.approx(-np.exp(-40.0), rel=1e-12, abs=0.0)  # 4e-18, far below the usual abs
