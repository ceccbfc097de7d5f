"""Samples of rows: ``hold_out.py`` holds rows out by class, ``evenly.py`` takes evenly spaced rows."""
