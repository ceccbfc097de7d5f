"""The table of instruction sets (``table.h``): which were built, which can run here, and which is in use."""

cdef extern from "table.h" nogil:
    enum:
        FASTCLS_N_ISAS
    ctypedef struct Isa "fastcls_isa":
        const char *name
        int (*can_run)()
    ctypedef struct Active:
        const char *name
        const char *filter_isa
        SearchKernels search
        FilterKernels filter
        LinearKernels linear
    const Isa fastcls_isas[]
    Active fastcls_active
    void fastcls_use(int last)


cdef const SearchKernels *search_kernels() noexcept nogil:
    return &fastcls_active.search


cdef const FilterKernels *filter_kernels() noexcept nogil:
    return &fastcls_active.filter


cdef const LinearKernels *linear_kernels() noexcept nogil:
    return &fastcls_active.linear


def isas():
    """Instruction sets of this build, slowest first: (name, whether it can run here)."""
    return [(fastcls_isas[i].name.decode(), bool(fastcls_isas[i].can_run())) for i in range(FASTCLS_N_ISAS)]


def active():
    """The name of the best instruction set in use."""
    return fastcls_active.name.decode()


def filter_isa():
    """The name of the set that the filter's kernels come from; "scalar" if the compiler's loops are used."""
    return fastcls_active.filter_isa.decode()


def use(int number):
    """Take every kernel from the best of the first `number` + 1 instruction sets of `isas()` that has it."""
    fastcls_use(number)


use(FASTCLS_N_ISAS - 1)
