"""Rows set apart: ``hold_out.py``, by class, and never the last row of one."""
