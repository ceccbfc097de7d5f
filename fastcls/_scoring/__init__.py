"""From neighbours to classes, and from classes to accuracy.

``votes.py`` weights and counts votes (``label_votes.py`` with several labels per row), ``accuracy.py`` turns them into
answers and hits for every k, ``numbers.py`` measures answers (``label_numbers.py`` with several labels per row), and
``curves.py`` average precision of resampled rows; ``classes.py`` has precision, recall and F1 of each class,
``intervals.py`` has confidence intervals and tests, ``repeats.py`` counts test rows that equal a training row, ``pairs.py``
compares models on the same rows, ``table.py`` is the small table that evaluations return, and ``classifier.py`` is the
mixin with `score`.
"""
