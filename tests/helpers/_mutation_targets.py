"""Where mutants are made, and what is known of those that no test can kill. `_mutation.py` reads both lists."""

#: area -> files below fastcls/, and the test files that must kill their mutants
TARGETS = {
    "bound": (
        "_search/bounds.py metrics.py _search/filter/codes.py _search/filter/levels_l1.py _search/filter/levels_l2.py "
        "_search/filter/encode_loops.pyx _search/filter/lists.pxd _simd/filter/scalar.h _simd/filter/keep.h "
        "_simd/filter/avx2.h _simd/filter/avx512vnni.h _simd/filter/ssse3.h",
        "search/test_bounds.py search/test_filter_bounds.py search/test_filter.py search/test_filter_hostile.py "
        "search/test_filter_ranges.py search/test_search.py search/test_metrics_registry.py search/test_radius.py "
        "search/test_degenerate_rows.py kernels/test_isas.py",
    ),
    "order": (
        "_search/brute.py _search/plan.py _search/radius.py _search/rows.py _search/tree.py _search/filter/search.py "
        "_search/filter/filter.py _loops/topk.pxd _loops/panels.pxd _loops/pairwise.pxd _loops/low_dimensional.pxd "
        "_loops/matrix.pxd _kernels.pyx _search/tree_loops.pyx _search/filter/filter_loops.pyx",
        "search/test_search.py search/test_radius.py search/test_tree.py search/test_growth.py "
        "search/test_low_dimensional.py search/test_filter.py search/test_filter_ranges.py search/test_changed_rows.py "
        "search/test_search_report.py search/test_interrupt.py search/test_filter_hostile.py neighbors/test_neighbors.py "
        "neighbors/test_duplicates.py neighbors/test_matrix.py neighbors/test_votes.py",
    ),
    "vote": (
        "_scoring/votes.py _scoring/label_votes.py neighbors/_votes.py neighbors/_class_mean.py "
        "model_selection/_fold_votes.py _loops/votes.pxd",
        "neighbors/test_votes.py neighbors/test_votes_from_distances.py neighbors/test_multilabel.py "
        "neighbors/test_class_mean.py neighbors/test_row_weights.py neighbors/test_neighbors.py "
        "persistence/test_persistence.py "
        "model_selection/test_neighbors_cv.py",
    ),
    "merge": (
        "_search/merge.py protocols/_shards.py dask/_merge.py",
        "search/test_merge.py protocols/test_protocols.py search/test_growth.py dask/test_dask_merge.py",
    ),
    "gradient": (
        "losses.py penalties.py _gradient/problem.py _gradient/space.py _gradient/scaling.py _gradient/prediction.py "
        "_gradient/losses.pxd _gradient/loops.pyx _gradient/descent_loops.pyx _gradient/packed.pyx _gradient/pair_loops.pyx "
        "_gradient/predict_loops.pyx _simd/linear/softmax.h _simd/linear/descent.h _simd/linear/scalar.h",
        "linear/test_losses.py linear/test_linear_problem.py linear/test_many_classes.py linear/test_steps.py "
        "linear/test_gradcheck.py linear/test_linear_hostile.py linear/test_linear.py linear/test_optim.py",
    ),
    "tail": (
        "_simd/search/scalar.h _simd/search/avx2.h _simd/search/avx512vnni.h _simd/search/low_dimensional.h "
        "_simd/search/pack.h _simd/search/tile.h _simd/search/byte_pairs.h _simd/search/float_pairs.h "
        "_simd/search/eight.h _simd/linear/avx2.h _simd/linear/avx512vnni.h _simd/linear/tile.h _simd/linear/columns.h "
        "_simd/linear/product.h",
        "kernels/test_isas.py search/test_search.py search/test_low_dimensional.py linear/test_linear_problem.py "
        "linear/test_many_classes.py kernels/test_linear_selftest.py kernels/test_selftest.py",
    ),
    "persistence": (
        "persistence.py _storage/safetensors.py _storage/header.py _storage/saving.py _storage/external_rows.py "
        "_storage/digest.py _storage/once.py _storage/atomic.py _search/filter/stored.py neighbors/_loaded.py "
        "optim/_checkpoint.py",
        "persistence/test_persistence.py persistence/test_files.py persistence/test_fitted_is_saved.py "
        "persistence/test_header_limits.py "
        "persistence/test_mutated_models.py persistence/test_external_rows.py persistence/test_saved_filters.py "
        "persistence/test_filter_numbers.py "
        "persistence/test_digest.py persistence/test_bfloat16_models.py persistence/test_paths.py "
        "persistence/test_shared_pages.py persistence/test_once.py neighbors/test_saved_searches.py "
        "linear/test_checkpoint.py linear/test_checkpoint_refusals.py",
    ),
}

#: File -> fast tests of it, for the sample that the test suite tries; and how many mutants of each.
SAMPLE = {
    "_search/merge.py": "search/test_merge.py",
    "neighbors/_votes.py": "neighbors/test_votes_from_distances.py",
    "_storage/digest.py": "persistence/test_digest.py",
}
SAMPLED = 2

#: Functions and constants whose faults cost time or memory, but never an answer: file -> names, which are left out. The
#: choices of plans, levels and sizes are here; what makes a choice safe (bounds, capacities, orders) is not.
SPEED_ONLY: dict[str, str] = {
    "neighbors/_loaded.py": "CHECKED_BYTES",
    "neighbors/_votes.py": "_BLOCK_VALUES",
    "model_selection/_fold_votes.py": "_MOST_SPARE _with_spare",
    "_gradient/scaling.py": "_ROWS_PER_CALL_VALUES",
    "_gradient/prediction.py": "WORK_PER_CALL",
    "_scoring/votes.py": "_APART",
    "_scoring/label_votes.py": "_VOTED_AT_ONCE",
    "_storage/atomic.py": "_CHUNK_BYTES",
    "_storage/digest.py": "_CHUNK_BYTES",
    "_storage/safetensors.py": "MAPPED_FROM_BYTES",
    "_search/filter/stored.py": "_ENCODED_AT_ONCE _SAMPLED",
    "_search/bounds.py": "choose_center",
    "_search/brute.py": (
        "_BOUND_GAIN _FEW_QUERIES_PAIRWISE _FEW_QUERIES_PANELS _LEAST_FEATURES_BOUND _LEAST_QUERIES_LOW "
        "_LEAST_QUERIES_PANELS _LEAST_ROWS_BY_ROWS _MOST_FEATURES_LOW _MOST_FEATURES_LOW_BYTES _MOST_NEIGHBORS_LOW "
        "_MOST_QUERIES_PER_CHUNK _PACKED_QUERY_BYTES _QUERIES_PER_JOB _QUERIES_PER_JOB_LOW _choose_panel "
        "_is_low_dimensional"
    ),
    "_search/filter/codes.py": "SAMPLE _BLOCK _FEW_FEATURES _ROWS_AT_ONCE",
    "_search/filter/filter.py": (
        "_LEAST_QUERIES_TO_LEARN _LEAST_SAMPLE _PROBED_AT_ONCE _free_bytes_per_row _probe _sample chosen_for fits_k "
        "is_applicable learn prepare"
    ),
    "_search/filter/levels_l1.py": "_kept _near_differences _smooth",
    "_search/filter/levels_l2.py": (
        "_BYTE_WIDTHS _FLOAT_WIDTHS _PRODUCTS_A_STEP _STEP_ROWS _TERMS _learned_basis _step l2_levels"
    ),
    "_search/filter/search.py": (
        "_DOUBT _FEW_AT_ONCE _FIRST_CHUNK _FIRST_SHARE _KEPT_BYTES _LARGEST_BLOCK _LEAST_REFINE _LISTS_BYTES "
        "_QUERIES_PER_JOB _RANGE_BYTES _REFINE_PER_NEIGHBOR _SHORTEST _SORTED_PER_THREAD _cost _queries_per_block "
        "_queries_per_job"
    ),
    "_search/plan.py": "_CHUNK_BYTES _step _why_brute",
    "_search/radius.py": (
        "_COPIED_BYTES _LEAST_PLACES _MORE_PLACES _OFTEN _PLACES_OF_FEW _QUERIES_PER_SAMPLED _SAMPLED_QUERIES _expected"
    ),
    "_search/tree.py": (
        "LEAST_ROWS _BYTES_OF_ROW _COST_KEEP _COST_MAKE _COST_VISIT _FEW_QUERIES_SEEN _FIRST_CHUNK _KEPT_IN_ORDER "
        "_QUERIES_PER_JOB _QUERIES_PER_THREAD _SUBTREES_PER_CHUNK _SUBTREE_ROWS _compare_with_brute brute_cost "
        "is_applicable is_profitable"
    ),
}

#: Mutants that no test can kill: their key -> why. A key that no mutant has any more is an error.
EXPLAINED: dict[str, str] = {
    "_search/filter/stored.py: for number, (level, now) in enumerate(zip(levels, _levels.encode(levels, "
    "X[at], n_threads), strict=True)): @99: True -> False": "there are codes for each level",
    'losses.py: at_zero=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": '
    "_of_pair_sum( @33: 1.0 -> -1.0 #2": "it is squared",
    'losses.py: curvature=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": ( @35: '
    "1.0 -> 2.0 #2": "a squared hinge bends by 2, whatever its margin",
    'losses.py: curvature=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": ( @35: '
    "1.0 -> -1.0 #2": "a squared hinge bends by 2, whatever its margin",
    "_search/merge.py: check_same_features(shards[0].rows, queries.chunks[0]) @27: 0 -> -1": "shards have one width",
    "_search/filter/stored.py: if not all(size == wanted if wanted is not None else size > 0 for size, "
    "wanted in zip(array.shape, shape, strict=True)): @113: True -> False": (
        "the line above compares the numbers of dimensions"
    ),
    "model_selection/_fold_votes.py: present = np.count_nonzero(self._counts) - (self._counts[own] == 1) "
    "@65: 1 -> 0": "the number of classes divides the weights of all neighbours of a query alike, and no vote depends on it",
    "_gradient/prediction.py: continue @0: continue -> pass": "no row of the chunk is certain, and all are computed again",
    "_gradient/scaling.py: sums = np.zeros((1, padded(X.shape[1]))) @17: 1 -> 2": "a row more, which is not used",
    "neighbors/_class_mean.py: made /= np.where(lengths > 0, lengths, 1.0) @39: 1.0 -> -1.0": (
        "only rows of zeros are divided by it, and -0.0 equals 0.0"
    ),
    "_gradient/space.py: biases[at * C : (at + 1) * C][part] = b @28:  ->  + 1": "a part lies within its model's classes",
    "_simd/search/avx2.h: #define NOT_EQUAL(a, b) _mm256_castsi256_pd(_mm256_xor_si256(_mm256_cmpeq_epi64(a, "
    "b), _mm256_set1_epi64x(-1))) @107: 1 -> 2": "a blend reads the sign of each mask alone",
    "_simd/linear/softmax.h: e = FUSED(1.0 / 479001600, r, 1.0 / 39916800); @36: 39916800 -> 39916799": (
        "it changes e^r by less than 1e-20, as |r| is at most ln(2) / 2"
    ),
    "_storage/saving.py: raise NotImplementedError @0: raise NotImplementedError -> pass": "each estimator has its own",
    "_storage/saving.py: raise NotImplementedError @0: raise NotImplementedError -> pass #2": "each estimator has its own",
    "losses.py: excess[at, y] = 0.0 @16: 0.0 -> -1.0": "no number of at most 0 counts",
    "losses.py: excess[at, y] = -np.inf @0: excess[at, y] = -np.inf -> pass": "it is 0 then, and so is the least loss",
    '_storage/external_rows.py: flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) @34: 0 -> 1': (
        "for systems that lack O_NOFOLLOW"
    ),
    '_search/filter/stored.py: return arrays, {"panel_rows": encode_loops.PANEL_ROWS[levels[0].kind], '
    '"chunks": sizes} @61: 0 -> -1': "all levels of a filter are of one kind",
    "_search/filter/stored.py: given = [_array(arrays, name, dtype, (int(ends[-1]), *rest))[e - h : e] for "
    "e, h in zip(ends, heights, strict=True)] @110: True -> False": "there is one end for each height",
    "_search/filter/stored.py: drawn = None if every else np.random.default_rng().choice(rows.n_rows, "
    "min(rows.n_rows, _SAMPLED), replace=False) @107: False -> True": "a sample with repeats is a sample",
    "_gradient/problem.py: n_threads = threads.limit_by_work(self.n_threads, n * weights.size) @52: * -> /": (
        "the number of threads changes no bit"
    ),
    "_gradient/prediction.py: if not (errors[some] <= _LARGEST_ERROR).any(): @21: <= -> <": (
        "the rows of a chunk that is left out are all computed again"
    ),
    "penalties.py: return W * np.where(norms > max_norm, max_norm / np.where(norms > 0, norms, 1.0), 1.0) "
    "@76: 1.0 -> -1.0": "a quotient by a norm of 0, which is not above any limit, is not used",
    "_storage/atomic.py: for _ in range(40): @15: 40 -> 41": "one step more along links; no system follows more than 40",
    "_search/bounds.py: roundings = (min(n_features, BLOCK_BYTES // 4) + 2) * _U  # of a term: those of the "
    "sum, and those of two packed values @49: 2 -> 3": "the bound gets wider by one rounding, and stays a bound",
    "_search/filter/levels_l1.py: flipped = points @ points.mean(axis=0) < 0  # features that vary in the "
    "opposite direction get a minus @41: 0 -> -1": "a bound holds for any signs; these only decide how much it rules out",
    "_search/filter/search.py: self.gave_up = not self.forced and self._cost() > doubt * "
    "brute_cost(self.rows, self.metric) @48: > -> >=": "at equal costs either path may be taken: both give one answer",
    "_search/rows.py: scratch = np.empty((n_threads, 0 if name_of(rows.dtype) == arithmetic else "
    "rows.shape[1])) @31: 0 -> 1": "one number more in an array that is not used then",
    "_loops/matrix.pxd: n = min(<Py_ssize_t> 8, n_queries - group * 8) @42: * -> +": (
        "the lanes beyond the last query are computed and not written; only a sanitizer sees what they are read from"
    ),
    "_loops/panels.pxd: return panel.step_features * (1 << panel.element) @30: 1 -> 2": (
        "packed features are further apart, in twice the scratch"
    ),
    "_search/filter/encode_loops.pyx: &shifts[0], &scratch[threadid(), 0]) @33: 0 -> 1": (
        "a thread's projections begin one place later; only a sanitizer sees the place beyond the last thread's"
    ),
    "_search/filter/filter_loops.pyx: entries += found.n @8: += -> -=": (
        "how many rows the lists advance at a time, not which"
    ),
    "_search/filter/filter_loops.pyx: filter.query_norms = &query_norms[0] if query_norms.shape[0] > 0 else "
    "NULL @61: > -> >=": "without norms the address is not read",
    "_search/filter/filter_loops.pyx: share = (n_rows_at_once * filter.row_bytes // n_lists + 63) // 64 * 64 "
    "@56: 63 -> 62": "how much is prefetched at a time",
    "_search/filter/lists.pxd: cdef const uint8_t *y = filter.rows + row * filter.row_bytes @36: + -> - #2": (
        "an address to prefetch"
    ),
    "_search/filter/lists.pxd: return at + 64 @10: + -> -": (
        "the last list ends in room that a panel's rows seldom reach; only a sanitizer sees them"
    ),
    "_simd/filter/avx2.h: __builtin_prefetch(p + i); @0: __builtin_prefetch(p + i); -> ;": "a prefetch",
    "_simd/filter/avx2.h: const __m256i low = _mm256_permutevar8x32_epi32(keys, _mm256_setr_epi32(0, 2, 4, "
    "6, 0, 2, 4, 6)); @90: 4 -> 3": "only the four low lanes are read",
    "_simd/filter/ssse3.h: #define AHEAD 4 @14: 4 -> 5": "how far ahead rows are prefetched",
    "_simd/filter/ssse3.h: return _mm_cvtsi128_si32(_mm_add_epi32(a, _mm_shuffle_epi32(a, _MM_SHUFFLE(2, 3, "
    "0, 1)))); @75: 2 -> 1": "only the lowest lane is read",
    "_simd/linear/columns.h: FASTCLS_PREFETCH(ahead_1 + f); @25: + -> -": "an address to prefetch",
    "_simd/search/low_dimensional.h: COMPARE(6, 5) COMPARE(5, 4) COMPARE(4, 3) COMPARE(3, 2) COMPARE(2, 1) "
    "COMPARE(1, 0) COMPARE(0, 0) @67: 1 -> 2": "the macro does not use its second parameter",
    "model_selection/_fold_votes.py: wanted = math.ceil((k + 4 * math.sqrt(k * (1 - kept))) / kept) + 1 @65: 1 -> 2": (
        "one neighbour more; queries that keep too few search again"
    ),
    "neighbors/_loaded.py: CHECKED_BYTES = 2_000_000_000 @16: 2_000_000_000 -> 1999999999": (
        "one byte less of two gigabytes, by which a time is limited"
    ),
    "_search/bounds.py: _UNIT = 2.0**-53  # of a float64 @8: 2.0 -> 1.0": (
        "the bound gets so wide that it rules out nothing, and stays a bound"
    ),
    "_search/brute.py: n_heap_sets = self.n_threads if self.by_rows else 1 @50: 1 -> 2": (
        "only the shape of heaps that are not made then: those of the result are used"
    ),
    "_search/filter/levels_l1.py: planes = np.pad(planes, ((0, 0), (0, pad), (0, pad)), constant_values=-1) "
    "@71: 1 -> 2": "any negative number is no feature",
    "_search/filter/levels_l2.py: return gram, 2.0 * (sum(A.shape) + 4) * EPS * float(np.trace(gram)) @13: "
    "2.0 -> 3.0": "a bound of an error gets wider, and stays a bound",
    "_search/filter/lists.pxd: scratch.counts[0] += found.n - first @18: += -> -=": (
        "a count of pairs, by which the planner may give up for brute force, with the same answer"
    ),
    "_search/plan.py: Q, X = queries.chunks[0], rows.chunks[0] @38: 0 -> -1": "there is one chunk",
    "_search/plan.py: if len(queries.chunks) != 1 or len(rows.chunks) != 1: @26: 1 -> 2": (
        "queries that are the rows are then searched as any others"
    ),
    "_search/plan.py: return query_groups is row_groups or np.array_equal(query_groups, row_groups) @34: or -> and": (
        "queries that are the rows are then searched as any others"
    ),
    "_search/plan.py: tile=reports[-1].tile, @14: 1 -> 0": (
        "of a search in several parts, the report has the tile of one of them"
    ),
}
