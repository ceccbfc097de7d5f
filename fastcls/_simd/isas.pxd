"""The kernels in use, for the other compiled modules: read them at the start of every call."""

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef extern from "search/contract.h" nogil:
    ctypedef void (*tile_fn "fastcls_tile_fn")(const uint8_t *queries, const uint8_t *panel, Py_ssize_t n_steps,
                                               double *out, Py_ssize_t stride, int add)
    ctypedef double (*pair_fn "fastcls_pair_fn")(const void *x, const void *y, Py_ssize_t n_features)
    ctypedef Py_ssize_t (*select_fn "fastcls_select_fn")(const double *sums, Py_ssize_t n, double scale,
                                                         double query_term, const double *row_terms,
                                                         const double *row_factors, double threshold, double *keys_out,
                                                         int32_t *chosen_out)
    ctypedef void (*low_dimensional_fn "fastcls_low_dimensional_fn")(
        const double *queries, const double *rows, Py_ssize_t n_rows, Py_ssize_t n_features, int sum,
        const int64_t *query_groups, const int64_t *row_groups, int64_t first_index, Py_ssize_t k, double *S,
        int64_t *index)
    ctypedef void (*eight_fn "fastcls_eight_fn")(const double *queries, const double *rows, Py_ssize_t n_rows,
                                                 Py_ssize_t n_features, int sum, double *sums_out)
    ctypedef struct Panel "fastcls_panel"
    ctypedef void (*pack_fn "fastcls_pack_fn")(const uint8_t *rows, Py_ssize_t row_bytes, Py_ssize_t n_rows,
                                               Py_ssize_t tile_rows, int type, const Panel *panel, int flip,
                                               const double *center, double scale, Py_ssize_t first, Py_ssize_t n,
                                               uint8_t *panel_out)
    ctypedef struct Panel "fastcls_panel":
        tile_fn tile
        pack_fn pack
        int element
        int step_features
        int queries
        int rows
        int query_flip
        int row_flip
    ctypedef struct SearchKernels "fastcls_search":
        Panel panels[4]
        select_fn select
        low_dimensional_fn low_dimensional
        pair_fn pairs[3][6]
        eight_fn eight

cdef extern from "filter/contract.h" nogil:
    ctypedef struct List "fastcls_list":
        int32_t *keys
        int32_t *rows
        Py_ssize_t n
    ctypedef void (*screen_fn "fastcls_screen_fn")(const uint8_t *queries, const uint8_t *panel, Py_ssize_t n_steps,
                                                   const int32_t *starts, const int32_t *limits, int32_t first_row,
                                                   List *lists)
    ctypedef void (*both_fn "fastcls_screen_both_fn")(const uint8_t *queries, const uint8_t *panel, Py_ssize_t n_steps,
                                                      const int32_t *starts, const int32_t *limits, const int32_t *halves,
                                                      const int32_t *row_limits, int32_t first_row, List *lists)
    ctypedef void (*at_fn "fastcls_at_fn")(const uint8_t *query, const uint8_t *codes, Py_ssize_t width,
                                           const int32_t *starts, const int32_t *rows, Py_ssize_t n, int32_t *keys_out)
    ctypedef void (*at_fine_fn "fastcls_at_fine_fn")(const uint8_t *query, const uint8_t *codes, Py_ssize_t width,
                                                     const int32_t *rows, Py_ssize_t n, int32_t *keys_out)
    ctypedef void (*project_fn "fastcls_project_fn")(const uint8_t *const *x, int flip, Py_ssize_t n_features,
                                                     const uint8_t *columns, double *out)
    ctypedef Py_ssize_t (*bound_fn "fastcls_bound_fn")(int gap, const int32_t *keys, int32_t *rows, float *bounds,
                                                       Py_ssize_t first, Py_ssize_t n, int32_t norm, float own,
                                                       const float *errors, float threshold)
    ctypedef Py_ssize_t (*drop_fn "fastcls_drop_fn")(int32_t *rows, float *bounds, Py_ssize_t first, Py_ssize_t n,
                                                     float threshold)
    ctypedef struct FilterKernels "fastcls_filter":
        screen_fn screen_l1
        screen_fn screen_l2
        screen_fn screen_l1_one
        screen_fn screen_l2_one
        at_fn at_l1
        at_fn at_l2
        at_fine_fn at_fine
        project_fn project
        bound_fn bound
        drop_fn drop
        both_fn both_l1
        both_fn both_l2

cdef extern from "linear/contract.h" nogil:
    ctypedef void (*scores_fn "fastcls_scores_fn")(
        const void **rows, const void **ahead, Py_ssize_t n_features, const void *W, Py_ssize_t w_stride, int n_columns,
        double *out, Py_ssize_t out_stride)
    ctypedef void (*gradient_fn "fastcls_gradient_fn")(
        const void **rows, Py_ssize_t n_rows, Py_ssize_t feature, const void *G, Py_ssize_t g_stride, int n_columns,
        void *out)
    ctypedef double (*squares_fn "fastcls_squares_fn")(const void *row, Py_ssize_t n_features, const double *center)
    ctypedef struct Step "fastcls_step":
        double rate
        double momentum
        double l2
        double l1
        int nesterov
        const double *center
        const double *scale
        const double *inverse_squared_scale
    ctypedef void (*descend_fn "fastcls_descend_fn")(void *W, void *velocity, const void *sums, const double *totals,
                                                     double per_row, double bias_slope, const Step *step,
                                                     double *parts_out)
    ctypedef void (*add_fn "fastcls_add_fn")(double *total, const void *sums)
    ctypedef void (*product_fn "fastcls_product_fn")(const void *A, int n_rows, const void *panel, Py_ssize_t n, void *out,
                                                     Py_ssize_t out_stride, int add)
    ctypedef void (*panels_fn "fastcls_panels_fn")(const void *row, Py_ssize_t n_features, void *out,
                                                   Py_ssize_t panel_stride)
    ctypedef void (*turn_fn "fastcls_turn_fn")(const void *panels, Py_ssize_t panel_stride, Py_ssize_t n_features, void *out)
    ctypedef void (*softmax_fn "fastcls_softmax_fn")(void *S, Py_ssize_t n_classes, Py_ssize_t n_rows, const int64_t *labels,
                                                     const double *weights, double *losses_out)
    ctypedef void (*best_fn "fastcls_best_fn")(const void *S, Py_ssize_t n_classes, int32_t *best_out, float *gap_out)
    ctypedef double (*exponentials_fn "fastcls_exponentials_fn")(double *values, Py_ssize_t n, double top)
    ctypedef struct LinearKernels "fastcls_linear":
        int score_rows
        int columns
        scores_fn scores[6][2]
        gradient_fn gradient[6][2]
        squares_fn squares[6]
        descend_fn descend[2]
        add_fn add[2]
        int product_rows
        int panel[2]
        product_fn product[2]
        panels_fn panels[6][2]
        turn_fn turn[2]
        softmax_fn softmax[2]
        best_fn best
        exponentials_fn exponentials

cdef const SearchKernels *search_kernels() noexcept nogil
cdef const FilterKernels *filter_kernels() noexcept nogil
cdef const LinearKernels *linear_kernels() noexcept nogil
