"""Plausible wrong solutions of the lecture's tasks: the check of each task must refuse them.

Page -> pairs of a function's name and an expression or a definition of it, in the words of a learner. The names of the page
are known there, and those of the solutions too.
"""
# ruff: noqa: E501 (an expression is one line)

WRONG = {
    "row01_images_are_numbers": [
        ("without_brightness", "lambda X: X - X.mean()"),
        ("without_brightness", "lambda X: X - X.mean(axis=0)"),
        ("without_brightness", "lambda X: np.zeros(X.shape)"),
        ("without_brightness", "lambda X: (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)"),
        ("shift_right", "lambda X: np.roll(X, 1, axis=1)"),
        ("shift_right", "lambda X: np.roll(X.reshape(-1, 8, 8), 1, axis=2).reshape(len(X), -1)"),
        ("shift_right", "lambda X: np.pad(X.reshape(-1, 8, 8)[:, :, 1:], ((0, 0), (0, 0), (0, 1))).reshape(len(X), -1)"),
        ("shift_right", "lambda X: np.pad(X.reshape(-1, 8, 8)[:, :-1], ((0, 0), (1, 0), (0, 0))).reshape(len(X), -1)"),
    ],
    "row04_l1_distance": [
        ("l1_distances", "lambda X, x: np.abs(X - x).sum(axis=1)"),
        ("l1_distances", "lambda X, x: np.abs(X.astype(int) - x).sum(keepdims=True).ravel()"),
        ("l1_distances", "lambda X, x: np.abs(X.astype(np.int8) - x.astype(np.int8)).sum(axis=1)"),
        ("l1_distances", "lambda X, x: np.abs(X.astype(int) - x.astype(int)).sum(axis=0)[:1] * 0 + 456"),
        ("lower_bound", "lambda x, y, size: np.abs(x.astype(int) - y.astype(int)).sum()"),
        ("lower_bound", "lambda x, y, size: np.abs((x.astype(int) - y).reshape(size, -1).sum(axis=0)).sum()"),
        ("lower_bound", "lambda x, y, size: np.abs((x.astype(int) - y).reshape(-1, size)).sum(axis=1).sum()"),
        ("lower_bound", "lambda x, y, size: abs((x.astype(int) - y).sum())"),
    ],
    "row05_k_nearest_neighbours": [
        ("majority", "lambda labels: labels[0]"),
        ("majority", "lambda labels: np.unique(labels, return_counts=True)[1].argmax()"),
        ("majority", "lambda labels: max(labels.tolist(), key=labels.tolist().count)"),
        ("majority", "lambda labels: np.bincount(labels).max()"),
        ("on_unit_ball", "lambda directions, metric: np.tile([1.0, 0.0], (len(directions), 1))"),
        ("on_unit_ball", "lambda directions, metric: directions / np.linalg.norm(directions, axis=1, keepdims=True)"),
        (
            "on_unit_ball",
            "lambda d, metric: np.abs(d) / np.linalg.norm(d, ord=int(metric[1]), axis=1, keepdims=True)",
        ),
    ],
    "row07_demo": [
        ("is_tied", "lambda labels: len(set(labels)) > 1"),
        ("is_tied", "lambda labels: (np.bincount(labels) == np.bincount(labels).max()).sum() == 2"),
        ("is_tied", "lambda labels: len(labels) % 2 == 0"),
        ("may_change", "lambda spots, before, after, k, moved: np.ones(len(spots), dtype=bool)"),
        ("may_change", "lambda spots, before, after, k, moved: (knn(spots, before, k)[1] == moved).any(axis=1)"),
        ("may_change", "lambda spots, before, after, k, moved: (knn(spots, after, k)[1] == moved).any(axis=1)"),
        (
            "may_change",
            "lambda s, before, after, k, m: np.any([(knn(s, X, k, 'l1')[1] == m).any(axis=1) for X in (before, after)], axis=0)",
        ),
        (
            "may_change",
            "lambda s, before, after, k, m: np.any([knn(s, X, k)[1][:, 0] == m for X in (before, after)], axis=0)",
        ),
    ],
    "row08_hyperparameters": [
        ("folds_of", "lambda n, n_folds, rng: np.array_split(np.arange(n), n_folds)"),
        ("folds_of", "lambda n, n_folds, rng: [rng.permutation(one) for one in np.array_split(np.arange(n), n_folds)]"),
        ("folds_of", "lambda n, n_folds, rng: [rng.integers(0, n, n // n_folds) for _ in range(n_folds)]"),
        ("folds_of", "lambda n, n_folds, rng: np.split(rng.permutation(n)[: n // n_folds * n_folds], n_folds)"),
        ("best_of_guesses", "lambda n_settings, n_test, rng: rng.binomial(n_test, 0.5, n_settings).mean() / n_test"),
        ("best_of_guesses", "lambda n_settings, n_test, rng: rng.random(n_settings).max()"),
        ("best_of_guesses", "lambda n_settings, n_test, rng: rng.binomial(n_settings, 0.5, n_test).max() / n_settings"),
    ],
    "row10_cross_validation": [
        ("one_error_rule", "lambda accuracy, ks: ks[accuracy.mean(axis=1).argmax()]"),
        (
            "one_error_rule",
            "lambda a, ks: max(k for k, m in zip(ks, a.mean(1)) if m >= a.mean(1).max() - a[a.mean(1).argmax()].std(ddof=1))",
        ),
        (
            "one_error_rule",
            "lambda a, ks: max(k for k, m, s in zip(ks, a.mean(1), a.std(1, ddof=1) / 2**0.5) if m >= a.mean(1).max() - s)",
        ),
        ("one_error_rule", "lambda a, ks: max(k for k, m in zip(ks, a.mean(1)) if m >= a.mean(1).max() - 0.0071)"),
        (
            "one_error_rule",
            "lambda a, ks: ks[np.flatnonzero(a.mean(1) >= a.mean(1).max() - a[a.mean(1).argmax()].std(ddof=1) / 2**0.5)[-1]]",
        ),
        ("half_width", "lambda hits, n: np.sqrt(hits / n * (1 - hits / n) / n)"),
        ("half_width", "lambda hits, n: 1.96 * hits / n * (1 - hits / n) / n"),
        ("half_width", "lambda hits, n: 1.96 * np.sqrt(hits / n * (1 - hits / n)) / 10"),
    ],
    "row11_pixel_distances": [
        ("tint_for", "lambda distance, n_values: distance / n_values"),
        ("tint_for", "lambda distance, n_values: -distance / np.sqrt(n_values)"),
        ("tint_for", "lambda distance, n_values: distance / np.sqrt(3072)"),
        ("share_in_ball", "lambda d, n, rng: (np.abs(rng.uniform(-1, 1, (n, d))).max(axis=1) <= 1).mean()"),
        ("share_in_ball", "lambda d, n, rng: (np.abs(rng.uniform(-1, 1, (n, d))).sum(axis=1) <= 1).mean()"),
        ("share_in_ball", "lambda d, n, rng: (np.linalg.norm(rng.normal(size=(n, d)), axis=1) <= 1).mean()"),
    ],
    "row13_linear_scores": [
        ("scores_with_trick", "lambda W, b, x: W @ x"),
        ("scores_with_trick", "lambda W, b, x: np.column_stack([W, b]) @ np.append(x, 0.0)"),
        ("scores_with_trick", "lambda W, b, x: np.column_stack([b, W]) @ np.append(x.astype(float), 1.0)"),
        ("distance_to_line", "lambda w, bias, point: abs(w @ point + bias) / np.linalg.norm(w)"),
        ("distance_to_line", "lambda w, bias, point: w @ point + bias"),
        ("distance_to_line", "lambda w, bias, point: w @ point + bias / np.linalg.norm(w)"),
        ("distance_to_line", "lambda w, bias, point: (w @ point + bias) / (w @ w)"),
        ("distance_to_line", "lambda w, bias, point: bias / np.linalg.norm(w)"),
    ],
    "row15_hard_cases": [
        ("in_a_mode", "lambda X, centres: (np.linalg.norm(X - centres[0], axis=1) <= 0.8).astype(int)"),
        ("in_a_mode", "lambda X, centres: (np.linalg.norm(X[:, None] - centres, axis=2) <= 0.4).any(axis=1)"),
        ("in_a_mode", "lambda X, centres: (np.linalg.norm(X[:, None] - centres, axis=2) <= 0.8).all(axis=1)"),
        ("in_a_mode", "lambda X, centres: (np.linalg.norm(X[:, None] - centres, axis=2) > 0.8).all(axis=1)"),
        ("parity_features", "lambda X: (X // 255).sum(axis=1, dtype=float)[:, None]"),
        ("parity_features", "lambda X: np.sin(np.pi * (X // 255).sum(axis=1, dtype=int))[:, None]"),
        ("parity_features", "lambda X: (X.sum(axis=1, dtype=float) ** 2)[:, None]"),
    ],
    "row16_scores": [
        ("lower_loss", "lambda scores, y: scores.copy()"),
        ("lower_loss", "lambda scores, y: scores - 0.1 * (np.arange(10) == 5)"),
        ("lower_loss", "lambda scores, y: scores - 9.0 * (np.arange(30) == 5).reshape(3, 10)"),
        ("lower_loss", "lambda scores, y: scores + 0.1 * (np.arange(30) == 5).reshape(3, 10)"),
        ("worst_rivals", "lambda scores, y: (scores.argmax(axis=1), scores[np.arange(3), y] - scores.max(axis=1))"),
        ("worst_rivals", "lambda scores, y: (np.array([5, 2, 9]), np.array([5.12, -0.73, 10.48]))"),
        ("worst_rivals", "lambda scores, y: (np.argsort(scores, axis=1)[:, -2], np.array([-5.12, 0.73, -10.48]))"),
    ],
    "row17_svm_loss": [
        ("svm_loss", "lambda s, y: np.maximum(0, s - s[y] + 1).sum()"),
        ("svm_loss", "lambda s, y: (s - s[y] + 1).sum() - 1"),
        ("svm_loss", "lambda s, y: np.maximum(0, s - s[y]).sum()"),
        ("svm_loss", "lambda s, y: np.delete(np.maximum(0, s - s[y] + 1), y).max()"),
        ("svm_slope", "lambda s, y: (s - s[y] + 1 > 0) - 2.0 * (np.arange(3) == y)"),
        (
            "svm_slope",
            "lambda s, y: (s - s[y] + 1 > 0) - (np.arange(3) == y) * (1.0 + max(1, (s - s[y] + 1 > 0).sum() - 1))",
        ),
        ("svm_slope", "lambda s, y: (s - s[y] + 1 > 0).astype(float)"),
        ("svm_slope", "lambda s, y: np.where(np.arange(3) == y, -1.0, s > s[y])"),
    ],
    "row18_not_unique": [
        (
            "smallest_factor",
            "lambda scores, y: 1 / (scores[np.arange(len(y)), y] - np.sort(scores, axis=1)[:, -2]).mean()",
        ),
        ("smallest_factor", "lambda scores, y: 1 / (scores[np.arange(len(y)), y] - np.sort(scores, axis=1)[:, -2]).max()"),
        ("smallest_factor", "lambda scores, y: 1 / (scores[0, y[0]] - np.sort(scores[0])[-2])"),
        ("smallest_factor", "lambda scores, y: 1 / (scores[np.arange(len(y)), y] - scores.min(axis=1)).min()"),
        ("smallest_factor", "lambda scores, y: (scores[np.arange(len(y)), y] - np.sort(scores, axis=1)[:, -2]).min()"),
        ("shifted", "lambda W, v: W + v[0]"),
        ("shifted", "lambda W, v: W + v[:, None]"),
        ("shifted", "lambda W, v: W + v.mean()"),
        ("shifted", "lambda W, v: 2 * W"),
        ("shifted", "lambda W, v: W - v"),
        ("shifted", "lambda W, v: np.vstack([W[:1] + v, W[1:]])"),
    ],
    "row19_regularization": [
        ("l2_slope", "lambda W, alpha: alpha * W"),
        ("l2_slope", "lambda W, alpha: 2 * alpha * W.sum()"),
        ("l2_slope", "lambda W, alpha: alpha * W**2"),
        ("shrink", "lambda v, t: v - t"),
        ("shrink", "lambda v, t: np.maximum(v - t, 0)"),
        ("shrink", "lambda v, t: np.where(np.abs(v) > t, v, 0)"),
        ("shrink", "lambda v, t: v - t * np.sign(v)"),
    ],
    "row20_softmax_loss": [
        ("softmax", "lambda s: np.exp(s) / np.exp(s).sum()"),
        ("softmax", "lambda s: np.exp(s - s.mean()) / np.exp(s - s.mean()).sum()"),
        ("softmax", "lambda s: np.exp(s - np.abs(s).max()) / np.exp(s - np.abs(s).max()).sum()"),
        ("softmax", "lambda s: np.exp(s.clip(-500, 500)) / np.exp(s.clip(-500, 500)).sum()"),
        ("softmax", "lambda s: np.exp(s / s.max()) / np.exp(s / s.max()).sum()"),
        ("softmax_slope", "lambda s, y: reference.softmax_probabilities(s)"),
        ("softmax_slope", "lambda s, y: reference.softmax_probabilities(s) - 1"),
        ("softmax_slope", "lambda s, y: reference.softmax_probabilities(s) - np.eye(3)[0]"),
        ("softmax_slope", "lambda s, y: np.eye(3)[y] - reference.softmax_probabilities(s)"),
    ],
    "row21_softmax_or_svm": [
        ("room", "lambda s, rival: s[0] - s[rival]"),
        ("room", "lambda s, rival: s[0] - 1 - s[1]"),
        ("room", "lambda s, rival: s[0] - 1 - s[1:].max()"),
        ("room", "lambda s, rival: s[rival] + 1 - s[0]"),
        ("lead_for", "lambda p, n_classes: np.log(p / (1 - p))"),
        ("lead_for", "lambda p, n_classes: np.log(n_classes * p / (1 - p))"),
        ("lead_for", "lambda p, n_classes: np.log(9 * p / (1 - p))"),
        ("lead_for", "lambda p, n_classes: -np.log(1 - p)"),
    ],
    "row22_random_search": [
        ("search", "lambda loss, shape, n, rng, scale=1e-4: (W := rng.normal(0, scale, shape), loss(W))"),
        (
            "search",
            "lambda loss, shape, n, rng, scale=1e-4: (W := max((rng.normal(0, scale, shape) for _ in range(n)), key=loss), loss(W))",
        ),
        (
            "search",
            "lambda loss, shape, n, rng, scale=1e-4: (rng.normal(0, scale, shape), min(loss(rng.normal(0, scale, shape)) "
            "for _ in range(n)))",
        ),
        (
            "search",
            "lambda loss, shape, n, rng, scale=1e-4: (W := min((rng.normal(0, scale, shape) for _ in range(n // 10)), key=loss), "
            "loss(W))",
        ),
        ("local_search", "lambda loss, W, n, rng, scale=1e-4: (W, loss(W))"),
        (
            "local_search",
            "lambda loss, W, n, rng, scale=1e-4: (V := min((W + rng.normal(0, scale, W.shape) for _ in range(n)), key=loss), "
            "loss(V))",
        ),
        (
            "local_search",
            "lambda loss, W, n, rng, scale=1e-4: (V := W + sum(rng.normal(0, scale, W.shape) for _ in range(n)), loss(V))",
        ),
    ],
    "row23_follow_the_slope": [
        ("central_difference", "lambda f, W, h=1e-5: reference.forward_difference(f, W, h)"),
        ("central_difference", "lambda f, W, h=1e-5: 2 * gradcheck.numerical_gradient(f, W, h=h)"),
        (
            "central_difference",
            "def central_difference(f, W, h=1e-5):\n"
            "    gradient = np.zeros(W.shape)\n"
            "    for place in np.ndindex(W.shape):\n"
            "        W[place] += h\n"
            "        ahead = f(W)\n"
            "        W[place] -= 2 * h\n"
            "        gradient[place] = (ahead - f(W)) / (2 * h)\n"
            "    return gradient",
        ),
        ("slope_error", "lambda f, g, W, d, h=1e-5: (f(W + h * d) - f(W - h * d)) / (2 * h) - (g * d).sum()"),
        ("slope_error", "lambda f, g, W, d, h=1e-5: (g * d).sum() - (f(W + h * d) - f(W - h * d)) / (2 * h)"),
        ("slope_error", "lambda f, g, W, d, h=1e-5: abs((f(W + h * d) - f(W)) / h - (g * d).sum())"),
        ("slope_error", "lambda f, g, W, d, h=1e-5: abs((f(W + h * d) - f(W - h * d)) - (g * d).sum())"),
        ("slope_error", "lambda f, g, W, d, h=1e-5: 0.0"),
    ],
    "row24_gradient_check": [
        ("relative_error", "lambda n, a: np.abs(n - a) / np.maximum(np.abs(n), np.abs(a))"),
        ("relative_error", "lambda n, a: np.abs(n - a) / np.where(np.maximum(n, a) != 0, np.maximum(n, a), 1)"),
        ("relative_error", "lambda n, a: np.abs(n - a) / np.maximum(np.abs(n), np.abs(a)).max()"),
        ("relative_error", "lambda n, a: np.abs(n - a) / np.where(a != 0, np.abs(a), 1)"),
        ("relative_error", "lambda n, a: np.abs(n - a) / (np.abs(n) + np.abs(a) + 1e-12)"),
        ("softmax_gradient", "lambda W, Z, y: len(y) * solved['softmax_gradient'](W, Z, y)"),
        ("softmax_gradient", "lambda W, Z, y: -solved['softmax_gradient'](W, Z, y)"),
        ("softmax_gradient", "lambda W, Z, y: solved['softmax_gradient'](W, Z, y) + 2 * 0.01 * W"),
    ],
    "row25_minibatches": [
        ("epoch", "lambda n, batch_size, rng: np.split(np.arange(n), range(batch_size, n, batch_size))"),
        (
            "epoch",
            "lambda n, size, rng: [rng.permutation(one) for one in np.split(np.arange(n), range(size, n, size))]",
        ),
        ("epoch", "lambda n, size, rng: [rng.integers(0, n, size) for _ in range(n // size)]"),
        ("epoch", "lambda n, size, rng: np.split(rng.permutation(n)[: n // size * size], n // size)"),
        ("momentum_step", "lambda W, velocity, gradient, step_size, momentum=0.9: (W - step_size * gradient, velocity)"),
        (
            "momentum_step",
            "lambda W, v, gradient, step_size, momentum=0.9: (W + 0.9 * v - step_size * gradient, 0.9 * v - step_size * gradient)",
        ),
        (
            "momentum_step",
            "lambda W, v, gradient, step_size, momentum=0.9: (W + v, momentum * v - step_size * gradient)",
        ),
    ],
    "next_features": [
        ("colour_histogram", "lambda images, bins=4: solved['colour_histogram'](images, bins) * 1024"),
        (
            "colour_histogram",
            "lambda images, bins=4: solved['colour_histogram'](images.reshape(-1, 3)[:, ::-1].reshape(len(images), -1), bins)",
        ),
        (
            "colour_histogram",
            "lambda images, bins=4: np.stack([np.bincount((one.reshape(-1, 3) * bins // 256).astype(int) @ [bins**2, bins, 1], minlength=bins**3) / 1024 for one in images])",
        ),
        (
            "colour_histogram",
            "lambda images, bins=4: np.stack([np.bincount(np.round(one.reshape(-1, 3) / 255.0 * (bins - 1)).astype(int) @ [bins**2, bins, 1], minlength=bins**3) / 1024 for one in images])",
        ),
        (
            "colour_histogram",
            "lambda images, bins=4: np.hstack([np.stack([np.histogram(one[c::3], bins, (0, 256))[0] / 1024 for one in images]) for c in range(3)])",
        ),
        (
            "directions",
            "lambda grey, bins=9: np.histogram(np.degrees(np.arctan2(*np.gradient(grey))) % 180, bins, (0, 180))[0] / grey.size",
        ),
        (
            "directions",
            "lambda grey, bins=9: np.histogram(np.degrees(np.arctan2(*np.gradient(grey))) % 180, bins, (0, 180), weights=np.hypot(*np.gradient(grey)))[0]",
        ),
        ("directions", "lambda grey, bins=9: solved['directions'](grey.T, bins)"),
        (
            "directions",
            "lambda grey, bins=9: np.histogram(np.degrees(np.arctan2(*np.gradient(grey))), bins, (0, 180), weights=np.hypot(*np.gradient(grey)) / np.hypot(*np.gradient(grey)).sum())[0]",
        ),
        (
            "directions",
            "lambda grey, bins=9: np.histogram(np.degrees(np.arctan2(*np.gradient(grey))) % 360, bins, (0, 360), weights=np.hypot(*np.gradient(grey)) / np.hypot(*np.gradient(grey)).sum())[0]",
        ),
    ],
}
