"""Faults that the tests must catch: `_seeded_faults.py` puts them into a copy, one at a time.

Each is (file below fastcls/, text that the file has exactly once, text in its place, test files that must catch it).
"""

FAULTS = [
    # search: the planner, merging, chunks
    ("_search/merge.py", "more + start, k)", "more, k)", "protocols/test_protocols.py"),
    (
        "_search/merge.py",
        "concatenate([S, more_S], axis=1)",
        "concatenate([more_S, S], axis=1)",
        "protocols/test_protocols.py",
    ),
    (
        "_search/plan.py",
        "slice(start + first, start + first + len(Q))",
        "slice(first, first + len(Q))",
        "search/test_growth.py",
    ),
    ("_search/rows.py", "made.chunks[:first]", "made.chunks[: first + 1]", "search/test_growth.py"),
    (
        "_search/rows.py",
        "norms = {name: of_chunks[:first]",
        "norms = {name: of_chunks[: first + 1]",
        "search/test_growth.py",
    ),
    ("_search/tree.py", "groups[1][start : start + len(X)]", "groups[1][: len(X)]", "search/test_tree.py"),
    # search: bounds of packed singles and bytes
    ("_search/bounds.py", "rows.squares + 2 * of_rows", "rows.squares + of_rows", "search/test_search.py"),
    ("_search/bounds.py", "-s * rows.signed - gamma * of_rows - absolute", "-s * rows.signed", "search/test_bounds.py"),
    ("_search/bounds.py", "(1.0 - gamma) * r2", "r2", "search/test_bounds.py kernels/test_isas.py"),
    ("_search/bounds.py", "(slack - 1.0) * q", "-1.0 * q", "search/test_bounds.py kernels/test_isas.py"),
    # search: compiled loops
    ("_loops/topk.pxd", "S_a == S_b and index_a < index_b", "S_a == S_b and index_a > index_b", "search/test_search.py"),
    (
        "_search/tree_loops.pyx",
        "min(max(scratch.query[axis], low[axis]), low[d + axis])",
        "scratch.query[axis] * 0.5 + low[axis] * 0.5",
        "search/test_tree.py",
    ),
    (
        "_search/tree_loops.pyx",
        "heaps.row_start + tree.lowest[node], S[0]",
        "heaps.row_start + tree.lowest[node] + 1, S[0]",
        "search/test_tree.py",
    ),
    (
        "_loops/panels.pxd",
        "alphas[query] * S[0] + search.betas[query], s",
        "alphas[query] * S[0] * 0.999, s",
        "search/test_search.py search/test_bounds.py",
    ),
    (
        "_loops/pairwise.pxd",
        "query_groups[first + i] ==",
        "query_groups[first] ==",
        "search/test_search.py search/test_growth.py",
    ),
    # filter
    (
        "_search/filter/filter_loops.pyx",
        "level.per_unit * (1.0 + 2.0 ** -20)",
        "level.per_unit * 0.995",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/filter_loops.pyx",
        "S = S * filter.margin + 1e-300",
        "S = S * 0.99",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/filter_loops.pyx",
        "n += heaps.query_groups[query] != heaps.row_groups[found.rows[i]]",
        "n += 1",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/filter_loops.pyx",
        "- t * t) * 0.5) - 2",
        "- t * t) * 0.5) + 40",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/filter_loops.pyx",
        "child + 1 < n and bounds[child + 1] < bounds[child]",
        "child + 1 < n and False",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/encode_loops.pyx",
        "up(<double> fine_error / 4.0)",
        "up(<double> fine_error / 16.0)",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/encode_loops.pyx",
        "v = max(fabs(low - c), fabs(high - c))",
        "v = 0.0",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/search.py",
        "(self.rows.n_features + 64) * _SLACK",
        "-1e-3",
        "search/test_filter_hostile.py search/test_filter_bounds.py",
    ),
    (
        "_search/filter/levels_l1.py",
        "masks = masks ^ np.uint8(0x80)",
        "masks = masks ^ np.uint8(0x40)",
        "search/test_filter_hostile.py",
    ),
    (
        "_search/filter/levels_l2.py",
        "np.sqrt(candidate) * (1.0 + 4.0 * EPS)",
        "np.sqrt(candidate) * 0.9",
        "search/test_filter.py",
    ),
    # C kernels
    ("_simd/search/scalar.h", "return S < 0.0 ? 0.0 :", "return", "kernels/test_isas.py"),
    (
        "_simd/search/avx2.h",
        "_mm256_srai_epi16(_mm256_unpackhi_epi8(zero, y), 8)",
        "_mm256_srli_epi16(_mm256_unpackhi_epi8(zero, y), 8)",
        "kernels/test_isas.py",
    ),
    (
        "_simd/search/low_dimensional.h",
        "p < 8 - k ? 0 : p + k - 8",
        "p + k - 8 < 0 ? 0 : 7",
        "search/test_low_dimensional.py",
    ),
    ("_simd/linear/descent.h", "t[f] = moved - w[f];", "t[f] = 0;", "linear/test_optim.py"),
    ("_simd/linear/descent.h", "w[f] = moved + momentum * (moved - t[f]);", "w[f] = moved;", "linear/test_optim.py"),
    # metrics, votes, scores
    (
        "metrics.py",
        "return _LARGEST / (4.0 * 2.0 * n_features)",
        "return _LARGEST",
        "search/test_metrics_registry.py",
    ),
    ("_loops/votes.pxd", "if total[c] > best:", "if total[c] >= best:", "neighbors/test_votes.py"),
    ("_loops/votes.pxd", "(tied and count <= best) or count == best", "count == best", "neighbors/test_votes.py"),
    ("_scoring/votes.py", "infinite[:, :1]", "infinite", "neighbors/test_votes.py"),
    ("_scoring/accuracy.py", "(places < own_place)", "(places <= own_place)", "protocols/test_protocols.py"),
    ("_scoring/accuracy.py", "(own[:, 0] > 0)", "(own[:, 0] >= 0)", "protocols/test_protocols.py"),
    # k-NN estimators
    (
        "neighbors/_estimators.py",
        "weights is None else weights * of_rows",
        "weights is None else weights",
        "neighbors/test_row_weights.py",
    ),
    (
        "neighbors/_estimators.py",
        "nobody, 1.0 / len(self.classes_)",
        "nobody, 0.0",
        "neighbors/test_votes.py neighbors/test_neighbors.py",
    ),
    ("neighbors/_class_mean.py", "center /= len(rows)", "center /= len(rows) + 1", "protocols/test_protocols.py"),
    ("_validation/row_weights.py", "(np.cumsum(present) - 1)[codes]", "codes", "neighbors/test_row_weights.py"),
    # choosing
    (
        "model_selection/_fold_votes.py",
        "np.where(labels == own[:, None], self._each[queries][:, None], 0.0)",
        "0.0",
        "model_selection/test_neighbors_cv.py neighbors/test_row_weights.py",
    ),
    (
        "model_selection/_fold_votes.py",
        "np.argsort(~stays[enough], axis=1",
        "np.argsort(~stays[enough][:, ::-1], axis=1",
        "model_selection/test_neighbors_cv.py",
    ),
    (
        "model_selection/_folds.py",
        "return (self.of_row != fold) &",
        "return (self.of_row >= fold) &",
        "model_selection/test_neighbors_cv.py",
    ),
    # losses and gradients
    ("_gradient/losses.pxd", "scores[label] = -violated / terms", "scores[label] = -violated", "linear/test_losses.py"),
    (
        "_gradient/losses.pxd",
        "if rival < 0 or excess > best or",
        "if rival < 0 or excess >= best or",
        "linear/test_losses.py",
    ),
    ("_gradient/losses.pxd", "loss += margin * margin", "loss += margin", "linear/test_losses.py"),
    ("_gradient/losses.pxd", "scores[label] = -not_label / total", "scores[label] -= 1.0", "linear/test_losses.py"),
    ("losses.py", "np.log1p(rest) + (top - scores[at, y])", "np.log1p(rest)", "linear/test_losses.py"),
    (
        "losses.py",
        "curvature=lambda n_classes: 0.5,",
        "curvature=lambda n_classes: 0.05,",
        "linear/test_losses.py linear/test_optim.py",
    ),
    ("penalties.py", "(l1_ratio, 1.0 - l1_ratio)", "(1.0 - l1_ratio, l1_ratio)", "linear/test_linear_problem.py"),
    (
        "penalties.py",
        "np.linalg.norm(W, axis=1,",
        "np.linalg.norm(W, axis=0,",
        "linear/test_linear_problem.py linear/test_optim.py",
    ),
    (
        "_gradient/problem.py",
        "b_gradient[:, None] * self.center, out=inner",
        "0.0 * self.center, out=inner",
        "linear/test_linear_problem.py",
    ),
    (
        "_gradient/problem.py",
        "return W if self.penalize_intercept else W[:, : self.n_features]",
        "return W",
        "linear/test_linear_problem.py",
    ),
    (
        "_gradient/scaling.py",
        "np.where(weights > 0, squares * weights, 0.0)",
        "squares",
        "linear/test_linear.py linear/test_linear_cost.py linear/test_linear_hostile.py",
    ),
    (
        "gradcheck.py",
        "gradient[place] = (ahead - f(W)) / (2 * h)",
        "gradient[place] = (ahead - value) / h",
        "linear/test_gradcheck.py",
    ),
    # optimisers
    ("optim/_descent.py", "math.ceil(n / batch_size)", "max(1, n // batch_size)", "linear/test_optim.py"),
    ("optim/_monitor.py", "self.waited_val >= self.patience", "self.waited_val > self.patience", "linear/test_optim.py"),
    ("optim/_schedules.py", "0.1 if done < 0.75 else 0.01", "0.1", "linear/test_optim.py"),
    ("optim/_random.py", "if found.min() < best:", "if found.min() > best:", "linear/test_optim.py"),
    ("optim/_checkpoint.py", "keys, int(position), int(has_gauss)", "keys, 0, int(has_gauss)", "linear/test_checkpoint.py"),
    # models on disk
    (
        "_storage/atomic.py",
        "os.replace(new_file, target)",
        "target.write_bytes(new_file.read_bytes())",
        "persistence/test_kill_saves.py",
    ),
    (
        "_storage/safetensors.py",
        "if digest(mapped) != self._digests[name]:",
        "if False:",
        "persistence/test_persistence.py persistence/test_mutated_models.py",
    ),
    ("_storage/saving.py", "made.__dict__.update(self._fitted_params)", "pass", "persistence/test_fitted_is_saved.py"),
    ("persistence.py", 'header.get("version") != VERSION', "False", "persistence/test_persistence.py"),
    ("onnx.py", '["of_second", "of_first"]', '["of_first", "of_second"]', "persistence/test_onnx.py"),
    # data
    (
        "datasets/_planes.py",
        "target[:, :, channel] = source[:, channel]",
        "target[:, :, 2 - channel] = source[:, channel]",
        "datasets/test_datasets_cifar.py",
    ),
    ("datasets/_idx.py", "if codes.max() > 9:", "if codes.max() > 10:", "datasets/test_array_file_refusals.py"),
    ("datasets/_split.py", "math.ceil(size * n)", "math.floor(size * n)", "datasets/test_datasets_splits.py"),
    (
        "datasets/_synthetic.py",
        "(norm >= 1) & (norm <= 2)",
        "(norm >= 1) & (norm <= 3)",
        "datasets/test_datasets.py linear/test_lecture_linear.py",
    ),
    (
        "datasets/_labels.py",
        "codes = order[place]",
        "codes = place",
        "datasets/test_datasets.py datasets/test_datasets_splits.py",
    ),
    ("datasets/_npy.py", '"F" if header.fortran_order else "C"', '"C"', "datasets/test_datasets.py"),
    ("datasets/_image.py", "if orientation in turns else image", "if False else image", "datasets/test_datasets_images.py"),
    # validation
    ("_validation/base.py", "(strict and value == minimum)", "False", "project/test_refusals.py linear/test_losses.py"),
    (
        "_validation/rows.py",
        "if not rows.flags.aligned:",
        "if False:",
        "neighbors/test_containers.py neighbors/test_neighbors.py",
    ),
    (
        "_runtime/threads.py",
        "_cores(physical=False) + 1 + n_jobs",
        "_cores(physical=False) + n_jobs",
        "search/test_threads.py",
    ),
    # command line, protocols, Dask
    ("cli/_compare.py", "np.count_nonzero(hits & ~other)", "np.count_nonzero(hits)", "cli/test_cli.py"),
    (
        "cli/_results.py",
        "z * z / (4 * total * total)",
        "z * z / (4 * total)",
        "cli/test_cli.py cli/test_cli_kept.py cli/test_cli_parts.py",
    ),
    ("cli/_split.py", 'split.get("fingerprint") != fingerprint(X)', "False", "cli/test_cli_predict.py"),
    ("cli/_csv.py", "str(text).startswith(_FORMULA)", 'str(text).startswith("=")', "cli/test_cli_images.py"),
    ("protocols/_draws.py", "rank < per_class]", "rank <= per_class]", "protocols/test_protocols.py"),
    ("protocols/_shards.py", "_BLOCK_ROWS - sum(map(len, waiting))]", "_BLOCK_ROWS]", "protocols/test_protocols.py"),
    ("protocols/_probe.py", "(tried[exponent], -exponent)", "(tried[exponent], exponent)", "protocols/test_protocols.py"),
    ("dask/_tasks.py", "return S, indices + shard.start,", "return S, indices,", "dask/test_dask_neighbors.py"),
    ("dask/_tasks.py", "k = min(k, n_rows - is_among)", "k = min(k, n_rows - 1)", "dask/test_dask_neighbors.py"),
    # figures and demos
    (
        "display/_templates.py",
        "weights = weights[:, :-1]",
        "weights = weights[:, 1:]",
        "display/test_display.py display/test_display_input.py",
    ),
    (
        "display/_neighbors.py",
        "labels[found] == truth[:, None]",
        "labels[found] != truth[:, None]",
        "display/test_display.py",
    ),
    (
        "display/_cross_validation.py",
        "/ (selection.n_left_out or 1) ** 0.5",
        "",
        "display/test_display.py display/test_display_input.py",
    ),
    (
        "display/_confusion.py",
        "counts.sum(axis=1, keepdims=True)",
        "counts.sum(axis=0, keepdims=True)",
        "display/test_display.py",
    ),
    ("demo/_knn_regions.py", "np.where(tied[:, 0], n_classes, winners[:, 0])", "winners[:, 0]", "demo/test_demo.py"),
    (
        "demo/_knn_regions.py",
        ">= S\n        return np.flatnonzero(touched)",
        "> 4 * S\n        return np.flatnonzero(touched)",
        "demo/test_demo.py",
    ),
]
