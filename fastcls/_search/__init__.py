"""The engine of the neighbour search: exact, by whichever path is cheapest.

``plan.py`` chooses the path: ``brute.py``, ``tree.py`` (``tree_loops.pyx``) or ``filter/``; ``run.py`` is the interface of
all three. ``rows.py`` holds rows as chunks, ``bounds.py`` proves which pairs brute force may skip, ``matrix.py`` computes
all pairs, ``merge.py`` joins searches over parts of the rows, ``report.py`` says what a search did.
"""
