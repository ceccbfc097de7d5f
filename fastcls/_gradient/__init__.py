"""The engine of the linear classifiers: one function of W, its value and its gradient.

``problem.py`` has `LinearProblem`: data, loss, penalty; ``space.py`` is the part of it that needs no rows. ``scaling.py``
computes mean and scale of the rows. ``loops.pyx`` passes over tiles of rows (scores, losses, gradients), ``packed.pyx``
does so for many classes, ``descent_loops.pyx`` takes steps, ``losses.pxd`` has the compiled losses.
"""
