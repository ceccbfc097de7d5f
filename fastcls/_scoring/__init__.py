"""From neighbours to classes, and from classes to accuracy.

``votes.py`` weights and counts votes, ``accuracy.py`` counts hits for every k, ``table.py`` is the small table that
evaluations return, and ``classifier.py`` is the mixin with `score`.
"""
