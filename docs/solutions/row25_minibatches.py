"""Solutions of the tasks of docs/lecture/row25_minibatches.py."""


def epoch(n, batch_size, rng):
    """Yield arrays of row numbers that together hold each of 0 .. n - 1 once."""
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def momentum_step(W, velocity, gradient, step_size, momentum=0.9):
    """New W and new velocity."""
    velocity = momentum * velocity - step_size * gradient
    return W + velocity, velocity
