"""Solutions of the tasks of docs/lecture/row22_random_search.py."""


def search(loss, shape, n, rng, scale=1e-4):
    """The best of n random W of this shape, and its loss."""
    tried = [rng.normal(0, scale, shape) for _ in range(n)]
    best = min(tried, key=loss)
    return best, loss(best)


def local_search(loss, W, n, rng, scale=1e-4):
    """Try n random steps from W; keep each that lowers the loss. Return W and its loss."""
    value = loss(W)
    for _ in range(n):
        step = W + rng.normal(0, scale, W.shape)
        if loss(step) < value:
            W, value = step, loss(step)
    return W, value
