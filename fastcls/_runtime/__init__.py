"""The process around a computation.

``threads.py`` decides the number of threads, ``openmp.py`` how they wait, ``memory.py`` how much memory is free,
``pacing.py`` how large the next chunk of work is (so that Ctrl-C takes effect); it also names the type of reports of
progress. ``fitted_state.py`` lets a call read the state of one fit.
"""
