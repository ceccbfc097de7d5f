"""Checks of input that several packages share.

``errors.py`` has `InputError`, ``messages.py`` helpers for the text of messages, ``notebook.py`` the HTML of results in
a notebook. ``base.py`` checks names and numbers, ``rows.py`` rows (``containers.py`` reads them from arrays, lists,
data frames and tensors, ``types.py`` has the types that are kept, bfloat16 among them), ``labels.py`` labels,
``label_matrix.py`` several labels per row, ``row_weights.py`` labels with weights, ``row_index.py`` indices of pandas, and
``paths.py`` paths.
``neighbors.py`` and ``linear.py`` have the checks that several packages of one family share. Checks of one package are
in that package, names of a registry in the registry, and those of a file format in its loader.
"""
