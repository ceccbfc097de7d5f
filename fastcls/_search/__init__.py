"""The engine of the exact neighbour search, by the fastest of three paths.

``plan.py`` chooses the path: ``brute.py``, ``tree.py`` (``tree_loops.pyx``) or ``filter/``; ``run.py`` has their interfaces.
``radius.py`` finds all rows within a radius by the same searches.
``rows.py`` holds rows as chunks, ``bounds.py`` has the bounds by which brute force skips pairs, ``matrix.py`` computes all
pairs (``tiles.py`` is what it shares with brute force), ``merge.py`` merges searches over shards of the rows, ``report.py``
is the report of a search.
"""
