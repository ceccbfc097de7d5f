"""Rounding to singles in the direction that keeps a bound certain."""


cdef inline float up(double value) noexcept nogil:
    """A single that is not below the value; the value is at most a few roundings off."""
    return <float> (value * (1.0 + 2.0 ** -20) + 1e-30)
