"""A learner's own code checked against ours, and the likely mistake named.

The functions are those of the first assignment of the course (Stanford CS231n), by their names and signatures; its code and
text are not here. `check` examines one function; ``fastcls check`` examines the files of a whole class.

``_check.py`` has `check`, ``_timing.py`` the times; ``_assignment.py`` lists the functions of the assignment and what
differs between its years. ``_call.py`` calls a learner's function, ``_examined.py`` collects what is found, ``_report.py``
has the result and ``_mistakes.py`` the words for every mistake. What each known mistake would return: ``_svm.py``,
``_softmax.py`` and ``_penalty.py`` (``_losses.py`` compares all parts of a loss on the problems of ``_problems.py``, and
``_large_scores.py`` a softmax at large scores), ``_distances.py``, ``_votes.py``,
``_numerical.py`` and ``_centring.py``.
``_files.py`` finds functions in files without running them; ``_processes.py`` runs a file in a process with limits
(``_keeper.py`` is its parent, ``_child.py`` its program), and ``_news.py`` checks what it says. ``_splits.py`` has the rows
of CIFAR-10 that the assignment uses, ``_training.py`` its training loop, and ``_evaluation.py`` its notebooks (``fastcls
run --preset course``). ``_tasks.py`` runs the checks of the lecture's tasks.
"""

from __future__ import annotations

from fastcls.course._assignment import SIGNATURES, Signature
from fastcls.course._check import check
from fastcls.course._report import CourseReport, Mistake
from fastcls.course._splits import CourseSplits, splits
from fastcls.course._tasks import check_task
from fastcls.course._training import CourseTraining, train

# For other packages of fastcls:
from . import _evaluation as evaluation
from ._assignment import LAST_YEAR_OF_SVM, check_year, names_of_year
from ._files import functions_in, misspelt_in
from ._processes import ASLEEP, check_file

__all__ = [
    "SIGNATURES",
    "CourseReport",
    "CourseSplits",
    "CourseTraining",
    "Mistake",
    "Signature",
    "check",
    "check_task",
    "splits",
    "train",
]
