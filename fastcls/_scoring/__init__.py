"""From neighbours to classes, and from classes to accuracy.

``votes.py`` weighs and counts votes, ``accuracy.py`` counts hits for every k, ``table.py`` is the small table that
evaluations return, ``classifier.py`` the mixin with `score`.
"""
