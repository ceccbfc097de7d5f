"""Rounding to singles in the direction that keeps a bound valid."""


cdef inline float up(double value) noexcept nogil:
    """A single that is not below the value, even if the value has an error of a few roundings."""
    return <float> (value * (1.0 + 2.0 ** -20) + 1e-30)
