"""Trainings over a cluster, by name."""

import warnings

from sklearn.exceptions import ConvergenceWarning

import fastcls.dask as over

TRAININGS = {
    "softmax lbfgs": (over.SoftmaxClassifier, {"solver": "lbfgs", "max_iter": 12, "alpha": 1e-3}),
    "softmax gd": (over.SoftmaxClassifier, {"solver": "gd", "max_iter": 6, "nesterov": True, "penalty": "l1"}),
    "softmax sgd": (over.SoftmaxClassifier, {"max_iter": 2, "early_stopping": True}),
    "svm sgd": (over.MulticlassSVM, {"max_iter": 2, "penalty": "elasticnet", "alpha": 1e-3}),
    "svm gd": (over.MulticlassSVM, {"solver": "gd", "max_iter": 5, "max_norm": 0.05, "class_weight": "balanced"}),
    "squared hinge lbfgs": (over.MulticlassSVM, {"loss": "squared_hinge", "solver": "lbfgs", "max_iter": 8}),
}


def fitted(name, client, X, y, **more):
    cls, options = TRAININGS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cls(**options, random_state=0, client=client, **more).fit(X, y)


def weights_of(model):
    return [model.coef_, model.intercept_, model.loss_history_, model.val_history_]
