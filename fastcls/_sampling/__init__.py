"""Samples of rows: ``hold_out.py`` holds rows out by class, ``evenly.py`` takes evenly spaced rows, ``proportion.py``
has the confidence interval of a share of them."""
