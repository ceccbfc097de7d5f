"""Optimisers that minimise a :class:`~fastcls.LinearProblem` over its weights W.

======================  ====================================================================================
`SGD`                   minibatches, momentum or Nesterov, learning-rate schedules  (``_descent.py``)
`GradientDescent`       the same with all rows in every step
`LBFGS`                 quasi-Newton, on the fused gradient  (``_lbfgs.py``, ``_quasi_newton.py``,
                        ``_preconditioner.py``, ``_trial_step.py``)
`RandomSearch`          the best of many random W, the lecture's first idea         (``_random.py``)
`RandomLocalSearch`     random steps, kept if the loss falls: its second idea
`take_steps`            a number of SGD steps, on batches drawn with replacement or given  (``_steps.py``)
======================  ====================================================================================

Each class is an `Optimizer`: it has ``minimize(problem, W, validation=None)``, which returns an `OptimResult`. Each takes a
`Checkpoint`, from which an interrupted training resumes and ends with the same bits (``_checkpoint.py``). ``SOLVERS``
(``_solvers.py``) has a row for each: its losses and penalties, and what the classifiers need to know. ``_schedules.py`` has
the learning-rate schedules, ``_monitor.py`` callbacks, tolerance and results.
"""

from fastcls.optim._checkpoint import Checkpoint
from fastcls.optim._descent import SGD, GradientDescent
from fastcls.optim._lbfgs import LBFGS
from fastcls.optim._monitor import DivergenceError, OptimResult, Progress, curvature
from fastcls.optim._random import RandomLocalSearch, RandomSearch, RandomSearchResult, random_search
from fastcls.optim._schedules import SCHEDULES
from fastcls.optim._solvers import SOLVERS, Optimizer, Solver
from fastcls.optim._steps import take_steps

# For other packages of fastcls:
from ._checkpoint import State
from ._descent import Descent, descend_many, divergence
from ._monitor import advice_on_scale
from ._preconditioner import sampled, shared_directions
from ._solvers import check_solver

__all__ = [
    "LBFGS",
    "SCHEDULES",
    "SGD",
    "SOLVERS",
    "Checkpoint",
    "DivergenceError",
    "GradientDescent",
    "OptimResult",
    "Optimizer",
    "Progress",
    "RandomLocalSearch",
    "RandomSearch",
    "RandomSearchResult",
    "Solver",
    "curvature",
    "random_search",
    "take_steps",
]
