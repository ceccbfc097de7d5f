"""The table of instruction sets (``table.h``): which were built, which can run here, and which is in use."""

cdef extern from "table.h" nogil:
    enum:
        FASTCLS_N_ISAS
    ctypedef struct Isa "fastcls_isa":
        const char *name
        int (*can_run)()
    ctypedef struct Costs "fastcls_costs":
        double screen_l1
        double screen_l2
        double brute_l1
        double brute_l2
        double brute_float
    ctypedef struct Active:
        const char *name
        const char *filter_isa
        Costs costs
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


def costs():
    """What a byte costs on the filter's set: (screening it, by kind of level; brute force, by kind of rows)."""
    cdef Costs found = fastcls_active.costs
    brute = {"l1": found.brute_l1, "l2": found.brute_l2, "float": found.brute_float}
    return {"l1": found.screen_l1, "l2": found.screen_l2}, brute


def use(int number):
    """Take every kernel from the best of the first `number` + 1 instruction sets of `isas()` that has it."""
    fastcls_use(number)


use(FASTCLS_N_ISAS - 1)
