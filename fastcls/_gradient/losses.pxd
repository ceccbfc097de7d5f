"""The per-sample losses, compiled: one inline function per loss, and the table that selects them.

Contract of a loss function:
    scores   n_classes doubles; on return they hold d loss / d score in their place
    label    the class code of the sample, 0 <= label < n_classes
    options  the loss's options as doubles, in the order of its registry row in losses.py
    returns  the loss of the sample; NaN if a score is NaN, never a silent 0

losses.py has the formula, domain and source of each loss, and its NumPy twin, which the tests compare with it. To add a
loss, add its function and its line in the table here, and its twin and its registry row there.
"""

from libc.math cimport INFINITY, exp, log1p

cdef enum:
    SOFTMAX = 1                 # its number in the registry

ctypedef double (*sample_loss)(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                               const double *options) noexcept nogil


cdef inline double terms_of(Py_ssize_t n_classes, const double *options) noexcept nogil:
    """Divisor of the sum over classes: 1, or the number of its terms with class_reduction="mean"."""
    cdef double n = n_classes if options[1] != 0.0 else n_classes - 1
    return n if options[2] != 0.0 and n > 0.0 else 1.0


cdef inline double hinge(double *scores, Py_ssize_t n_classes, Py_ssize_t label, const double *options) noexcept nogil:
    cdef double margin = options[0], score_of_label = scores[label], loss = 0.0, excess
    cdef double terms = terms_of(n_classes, options), slope = 1.0 / terms
    cdef double violated = 0.0
    cdef Py_ssize_t j
    # Without a branch: which classes violate the margin is nearly random, and wrong branch predictions cost half of the
    # time.
    scores[label] = -INFINITY
    for j in range(n_classes):
        excess = scores[j] - score_of_label + margin
        # 'not <=' instead of '>', so that NaN is passed on to the loss. At exactly 0 the subgradient is 0.
        loss += 0.0 if excess <= 0.0 else excess
        violated += 0.0 if excess <= 0.0 else 1.0
        scores[j] = 0.0 if excess <= 0.0 else slope
    scores[label] = -violated / terms
    if options[1] != 0.0:
        loss += margin              # j = y: its excess is the margin whatever the scores, so the slopes are the same
    return loss / terms


cdef inline double squared_hinge(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                                 const double *options) noexcept nogil:
    cdef double margin = options[0], score_of_label = scores[label], loss = 0.0, total = 0.0, excess
    cdef double terms = terms_of(n_classes, options)
    cdef Py_ssize_t j
    for j in range(n_classes):
        excess = scores[j] - score_of_label + margin
        if j != label and not (excess <= 0.0):
            loss += excess * excess
            total += excess
            scores[j] = 2.0 * excess / terms
        else:
            scores[j] = 0.0
    scores[label] = -2.0 * total / terms
    if options[1] != 0.0:
        loss += margin * margin
    return loss / terms


cdef inline double crammer_singer(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                                  const double *options) noexcept nogil:
    cdef double excess = 0.0, best = 0.0, score_of_label = scores[label]
    cdef Py_ssize_t j, rival = -1
    for j in range(n_classes):
        if j != label:
            excess = scores[j] - score_of_label + options[0]
            if rival < 0 or excess > best or excess != excess:
                best = excess
                rival = j
                if excess != excess:
                    break
    for j in range(n_classes):
        scores[j] = 0.0
    if rival < 0 or best <= 0.0:
        return 0.0
    scores[rival] = 1.0
    scores[label] = -1.0
    return best


cdef inline double one_vs_all(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                              const double *options) noexcept nogil:
    cdef double margin = options[0], loss = 0.0, excess, sign
    cdef double terms = n_classes if options[1] != 0.0 else 1.0
    cdef Py_ssize_t j
    for j in range(n_classes):
        sign = -1.0 if j == label else 1.0
        excess = margin + sign * scores[j]
        if not (excess <= 0.0):
            loss += excess
            scores[j] = sign / terms
        else:
            scores[j] = 0.0
    return loss / terms


cdef inline double softmax(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                           const double *options) noexcept nogil:
    cdef double top = scores[0], below_top = 0.0, not_label = 0.0, gap, total
    cdef Py_ssize_t j, top_class = 0
    for j in range(1, n_classes):
        if scores[j] > top:
            top = scores[j]
            top_class = j
    gap = top - scores[label]
    for j in range(n_classes):
        scores[j] = exp(scores[j] - top)    # at most 1: no score is too large
        below_top += scores[j] if j != top_class else 0.0
        not_label += scores[j] if j != label else 0.0
    total = 1.0 + below_top
    for j in range(n_classes):
        scores[j] /= total
    # p - 1 would lose its digits where p is nearly 1; the sum over the other classes is the same number and keeps them.
    scores[label] = -not_label / total
    return log1p(below_top) + gap


cdef inline double half_square(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                               const double *options) noexcept nogil:
    """sum s^2 / 2, whose gradient by W is sum (W x) x^T: the second moment of the rows times W. For power iteration."""
    cdef double total = 0.0
    cdef Py_ssize_t j
    for j in range(n_classes):
        total += scores[j] * scores[j]
    return 0.5 * total


cdef inline sample_loss loss_function(int code) noexcept nogil:
    if code == 0:
        return hinge
    if code == 1:
        return softmax
    if code == 2:
        return squared_hinge
    if code == 3:
        return crammer_singer
    if code == 4:
        return one_vs_all
    if code == -1:
        return half_square
    return NULL
