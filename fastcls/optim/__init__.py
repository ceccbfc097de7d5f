"""Ways to find a W with a small loss; all minimise a :class:`~fastcls._gradient.problem.LinearProblem`.

======================  ====================================================================================
`SGD`                   minibatches, momentum or Nesterov, a schedule of the step   (``_descent.py``)
`GradientDescent`       the same with all rows in every step
`LBFGS`                 SciPy's, on the fused gradient                              (``_lbfgs.py``)
`RandomSearch`          the lecture's first idea: the best of many random W         (``_random.py``)
`RandomLocalSearch`     its second: random steps that are kept where they help
======================  ====================================================================================

Each has ``minimize(problem, W, validation=None)`` and answers with an `OptimResult`; each takes a `Checkpoint`, from which
a training that was broken off goes on to the same bits (``_checkpoint.py``). ``SOLVERS`` (``_solvers.py``) says which
losses and penalties each can do; ``_schedules.py`` has the learning-rate schedules, ``_monitor.py`` callbacks, tolerance
and results.
"""

# For other packages of fastcls:
from ._checkpoint import Checkpoint, State
from ._descent import SGD, Descent, GradientDescent, descend_many, divergence
from ._lbfgs import LBFGS
from ._monitor import DivergenceError, OptimResult, Progress, curvature
from ._random import RandomLocalSearch, RandomSearch, RandomSearchResult, random_search
from ._schedules import SCHEDULES
from ._solvers import SOLVERS, check_solver

__all__ = [
    "LBFGS",
    "SCHEDULES",
    "SGD",
    "SOLVERS",
    "Checkpoint",
    "DivergenceError",
    "GradientDescent",
    "OptimResult",
    "Progress",
    "RandomLocalSearch",
    "RandomSearch",
    "RandomSearchResult",
    "check_solver",
    "curvature",
    "descend_many",
    "random_search",
]
