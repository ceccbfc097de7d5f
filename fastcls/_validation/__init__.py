"""Checks of input that several packages share.

``errors.py`` has `InputError`, ``messages.py`` the words that messages share. ``base.py`` checks names and numbers,
``rows.py`` rows (read by ``containers.py`` from arrays, lists, data frames and tensors), ``labels.py`` labels,
``row_weights.py`` labels with their weights, ``neighbors.py`` and ``linear.py`` what the estimators of one family share.
Checks of one package are in its own ``_validation.py``, the names of a registry in the registry, a file format's in its
loader.
"""
