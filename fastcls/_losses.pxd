"""The per-sample losses, compiled: one inline function a loss, and the table that gives them out.

Contract of a loss function:
    scores   n_classes doubles; on return they hold d loss / d score in their place
    label    the class code of the sample, 0 <= label < n_classes
    options  the loss's options as doubles, in the order of its registry row in losses.py
    returns  the loss of the sample; NaN if a score is NaN, never a silent 0

Formula, domain and source of each stand in losses.py, beside the NumPy twin that the tests hold it against. To add a loss:
its function and its line of the table here, its twin and its registry row there, and nothing else.
"""

from libc.math cimport exp, log1p

ctypedef double (*sample_loss)(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                               const double *options) noexcept nogil


cdef inline double hinge(double *scores, Py_ssize_t n_classes, Py_ssize_t label, const double *options) noexcept nogil:
    cdef double margin = options[0], score_of_label = scores[label], loss = 0.0, excess
    cdef Py_ssize_t j, violated = 0
    for j in range(n_classes):
        excess = scores[j] - score_of_label + margin
        # 'not <=' and not '>': a NaN must reach the loss. At exactly 0 the subgradient is 0.
        if j != label and not (excess <= 0.0):
            loss += excess
            scores[j] = 1.0
            violated += 1
        else:
            scores[j] = 0.0
    scores[label] = -<double> violated
    return loss


cdef inline double softmax(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                           const double *options) noexcept nogil:
    cdef double top = scores[0], below_top = 0.0, not_label = 0.0, gap, weight, total
    cdef Py_ssize_t j, top_class = 0
    for j in range(1, n_classes):
        if scores[j] > top:
            top = scores[j]
            top_class = j
    gap = top - scores[label]
    for j in range(n_classes):
        weight = exp(scores[j] - top)       # at most 1: no score is too large
        scores[j] = weight
        if j != top_class:
            below_top += weight
        if j != label:
            not_label += weight
    total = 1.0 + below_top
    for j in range(n_classes):
        scores[j] /= total
    # p - 1 would lose its digits where p is nearly 1; the sum over the other classes is the same number and keeps them.
    scores[label] = -not_label / total
    return log1p(below_top) + gap


cdef inline sample_loss loss_function(int code) noexcept nogil:
    if code == 0:
        return hinge
    if code == 1:
        return softmax
    return NULL
