"""The engine of the linear classifiers: one function of W, its value and its gradient.

``problem.py`` has `LinearProblem`: data, loss, penalty; ``space.py`` is the part of it that needs no rows. ``scaling.py``
computes mean and scale of the rows, ``arrays.py`` keeps memory between evaluations. ``prediction.py`` has the scores of
rows, and labels and probabilities of many classes. ``loops.pyx`` passes over tiles of rows (losses, gradients),
``packed.pyx`` does so for many classes, ``predict_loops.pyx`` turns tiles into scores, labels and probabilities,
``descent_loops.pyx`` takes steps, ``pair_loops.pyx`` has the products of vectors for L-BFGS, ``losses.pxd`` the compiled
losses.
"""
