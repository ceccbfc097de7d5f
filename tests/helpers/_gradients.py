"""The wrong gradients that a check must catch."""

import numpy as np

from fastcls import LinearProblem


class NotDividedByN(LinearProblem):
    def value_and_gradient(self, W, rows=None):
        value, gradient = super().value_and_gradient(W, rows)
        penalty = 2 * self.alpha * np.asarray(W)
        return value, (gradient - penalty) * self.n_samples + penalty


class RightClassCounted(LinearProblem):
    """j = y in the sum: for the hinge one violated class too many, for softmax the 1 that is never taken off."""

    def value_and_gradient(self, W, rows=None):
        value, gradient = super().value_and_gradient(W, rows)
        X = np.hstack([self.X, np.ones((self.n_samples, 1))])
        return value, gradient + np.eye(self.n_classes)[self.y].T @ X / self.n_samples


class HalfPenalty(LinearProblem):
    def value_and_gradient(self, W, rows=None):
        value, gradient = super().value_and_gradient(W, rows)
        return value, gradient - self.alpha * np.asarray(W)


class WrongSign(LinearProblem):
    def value_and_gradient(self, W, rows=None):
        value, gradient = super().value_and_gradient(W, rows)
        return value, -gradient


class WrappedBytes(LinearProblem):
    """x - 100 in uint8, which wraps around below 0."""

    def value_and_gradient(self, W, rows=None):
        wrapped = self.X - np.uint8(100)
        twin = LinearProblem(
            wrapped,
            self.y,
            loss=self.loss.name,
            alpha=self.alpha,
            fit_intercept=True,
            scale=self.scale,
            arithmetic="float64",
        )
        return self.value(W), twin.value_and_gradient(W)[1]
