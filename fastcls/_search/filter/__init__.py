"""Filter and refine: lower bounds from byte codes rule out most rows before they are read.

``filter.py`` makes, extends, stores and restores a filter; ``costs.py`` estimates which levels are cheapest. ``search.py``
searches through them, ``filter_loops.pyx`` has its compiled loops, ``lists.pxd`` refines what passed the screen.
``pairs.py``, ``pair_loops.pyx`` and ``pair_lists.pxd`` search rows among themselves, in an order that ``order.py`` finds.
``levels.py`` learns levels: ``levels_l1.py`` (segment sums) or ``levels_l2.py`` (PCA projections). ``codes.py`` says what a
code is, ``encode_loops.pyx`` makes codes. ``stored.py`` turns levels and codes into plain arrays for files and pickles, and
back.
"""
