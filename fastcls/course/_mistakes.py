"""The words for every mistake: its likely cause, and where to look."""

from __future__ import annotations

import re

from ._report import Mistake

_PENALTY = (
    "the penalty: the gradient of reg * np.sum(W * W) is 2 * reg * W (until 2016: 0.5 * reg * np.sum(W * W) and reg * W)"
)
#: name -> (likely cause, where to look)
MISTAKES: dict[str, tuple[str, str]] = {
    # sums over rows
    "no division by N": (
        "the sum over the rows is returned, and not their mean",
        "the last lines, before the penalty is added: divide the loss and dW by X.shape[0]",
    ),
    "divided by N twice": (
        "the sum over the rows is divided by N a second time",
        "every division by X.shape[0], and every mean",
    ),
    "divided by N - 1": ("N - 1 is taken for the number of rows", "the division: N is X.shape[0]"),
    "halved": ("the result is half of what is wanted", "factors of 0.5, and divisions by 2 * N"),
    "doubled": ("the result is twice what is wanted", "factors of 2, and rows that are added twice"),
    "loss is 0": ("the loss is not computed yet, or is set to 0 before it is returned", "every line that assigns the loss"),
    "divided by N inside the loop": ("the running sum is divided once for each row", "the indentation of the division"),
    "divided by the number of classes": (
        "the mean is over rows and classes",
        "np.mean without an axis, or W.shape[1] in place of X.shape[0]",
    ),
    "divided by the number of features": (
        "X.shape[1] or W.shape[0] is taken for the number of rows",
        "the division: N is X.shape[0]",
    ),
    "only the first row": ("the function returns inside its loop, or uses row 0 for all", "the indentation of return"),
    "only the last row": ("each row replaces the one before", "the sum in the loop: += and not ="),
    "wrong sign": ("the sign is the opposite one", "what is added, and what is subtracted"),
    # margins
    "j = y counted": (
        "the sum over j includes the true class, which adds the margin, 1, for every row",
        "the loop over j: skip j == y[i]; with arrays: set the margins of the true classes to 0",
    ),
    "margin 0": ("the + 1 of max(0, s_j - s_y + 1) is missing", "the line that computes the margins"),
    "other margin": ("the margin is not 1", "the line that computes the margins: max(0, s_j - s_y + 1)"),
    "no maximum with 0": ("negative margins are added too", "the margins: only those above 0 count"),
    "scores swapped": ("max(0, s_y - s_j + 1) rewards wrong classes", "the order of the difference: s_j - s_y"),
    "margin subtracted": ("max(0, s_j - s_y - 1) has the margin with the wrong sign", "the line that computes the margins"),
    "squared hinge": ("the margins are squared", "the margins: this loss is linear"),
    "largest margin only": (
        "the maximum over the classes is taken, and not the sum",
        "np.max in place of np.sum over the classes",
    ),
    "true class not subtracted": (
        "the true class's column gets no part of the gradient",
        "the gradient: each violating class also subtracts X[i] from column y[i]",
    ),
    "true class subtracted once": (
        "the true class's column subtracts X[i] once, and not once for each violating class",
        "the gradient of the true class: minus the number of violating classes",
    ),
    "only the true class": ("only the column of the true class gets a gradient", "the gradient of the other classes"),
    "true class added": ("the true class's part is added", "the sign of the gradient of column y[i]: it is subtracted"),
    "margins in place of counts": ("the gradient is weighted by the margins", "the mask of the margins: 1 where above 0"),
    # softmax
    "log10": ("the logarithm has base 10", "np.log10: the loss has the natural logarithm, np.log"),
    "log2": ("the logarithm has base 2", "np.log2: the loss has the natural logarithm, np.log"),
    "no logarithm": ("the logarithm is missing", "the loss of a row: -log(p of the true class)"),
    "not normalised": (
        "the exponentials are not divided by their sum",
        "the probabilities: divide by the sum over the classes",
    ),
    "wrong axis": (
        "a sum, maximum or sort runs along the wrong axis",
        "every axis= (0 runs over the rows, 1 along a row), keepdims=True and transposes",
    ),
    "all classes in the loss": (
        "-log(p) is added up over all classes",
        "the loss of a row: p of the true class, p[np.arange(N), y]",
    ),
    "no 1 at the true class": (
        "the gradient lacks the 1 of the true class",
        "the scores' gradient: p, minus 1 at the true class",
    ),
    "1 subtracted everywhere": (
        "1 is subtracted from all classes",
        "the scores' gradient: minus 1 at the true class only, p[np.arange(N), y] -= 1 and not p[:, y] -= 1",
    ),
    "labels of all rows": (
        "p[:, y] takes the classes of all rows from every row",
        "the p of the true classes: p[np.arange(N), y]",
    ),
    "no subtraction of the maximum": (
        "np.exp overflows (or is 0 for all classes) if scores are far from 0",
        "what is subtracted from the scores before np.exp: each row's own maximum",
    ),
    "one maximum for all rows": (
        "the largest score of all rows is subtracted: np.exp is 0 for every class of a row that is far below it",
        "the maximum of the scores: axis=1, keepdims=True",
    ),
    "a constant inside the logarithm": (
        "log(p + 1e-8), or a least p, bounds the loss: a row that is very wrong counts too little",
        "the logarithm: log(p) is score - maximum - log(sum(exp(scores - maximum))), and needs no constant",
    ),
    # rows
    "gradient of another sample": (
        "the gradient uses a row of X that is not the sample's own",
        "the index of X in the gradient: X[i]",
    ),
    "mean of the given rows subtracted": (
        "rows are centred by their own mean; the mean image is that of the training rows, and is subtracted before",
        "X - X.mean(axis=0) in the function, or the mean of the test rows",
    ),
    "X cast to uint8": (
        "X is converted to bytes: fractions are lost, and negative values wrap around",
        "astype(np.uint8), and the dtype of arrays that take values of X",
    ),
    "X cast to int": ("the fractions of X are lost", "astype(int), and the dtype of arrays that take values of X"),
    # penalties
    "penalty missing": (
        "the penalty is not added",
        "the lines after the division by N: reg * np.sum(W * W), gradient 2 * reg * W",
    ),
    "penalty halved": ("a factor of 2 is missing", _PENALTY),
    "penalty doubled": ("there is a factor of 2 too many", _PENALTY),
    "penalty of other years": (
        "loss and gradient belong together, but the penalty is 0.5 reg sum W^2 until 2016, and reg sum W^2 since 2017",
        "the assignment of your year, and year= of this check",
    ),
    "penalty subtracted": ("the sign of the penalty is wrong", "the line that adds the penalty"),
    "penalty divided by N": (
        "the penalty is added before the division by N",
        "the order: divide by N, then add the penalty",
    ),
    "penalty added for each row": ("the penalty is added inside the loop", "the indentation of the penalty"),
    "penalty not times reg": ("the penalty lacks its strength", "the penalty: times reg"),
    "bias left out of the penalty": (
        "the row of W that belongs to the feature of ones is not penalised",
        "the penalty: the assignment penalises all of W",
    ),
    "penalty on the bias": ("the row of W that belongs to the feature of ones is penalised", "the penalty: W[:-1]"),
    "L1 penalty": ("the penalty is the sum of |W|", "the penalty: squares of W"),
    "root of the penalty": (
        "the penalty is the norm, and not its square",
        "np.linalg.norm: square it, or use np.sum(W * W)",
    ),
    "W not squared": ("the penalty is the sum of W", "the penalty: W * W"),
    # distances
    "squared distances": ("the root is missing", "the last step: np.sqrt"),
    "L1 in place of L2": ("absolute differences are added", "the differences: square them, and take the root of their sum"),
    "uint8 wrap-around": (
        "differences or squares are computed in bytes, modulo 256",
        "the type of the rows: X.astype(float) first",
    ),
    "int16 overflow": (
        "squares or products are computed in int16, which ends at 32,767",
        "the type of the rows: X.astype(float) first",
    ),
    "whole numbers": ("rows or distances are rounded to whole numbers", "every astype(int), and the dtype of dists"),
    "cross term halved": ("the cross term lacks its factor 2", "|x|^2 - 2 x.y + |y|^2"),
    "cross term added": ("the cross term has the wrong sign", "|x|^2 - 2 x.y + |y|^2"),
    "cross term missing": ("the cross term is missing", "|x|^2 - 2 x.y + |y|^2"),
    "squared norm missing": ("one of the two squared norms is missing", "|x|^2 - 2 x.y + |y|^2"),
    "maximum norm": (
        "the largest difference is taken, and not the root of the sum of squares",
        "np.max, or ord=np.inf: np.sqrt of np.sum of the squares",
    ),
    "sum squared": (
        "the sum of a row is squared, and not each of its values",
        "the order: square first, then sum: np.sum(X ** 2, axis=1), not np.sum(X, axis=1) ** 2",
    ),
    "mean in place of sum": ("squares are averaged over the features", "np.mean: np.sum"),
    "cosine in place of L2": ("this is the cosine distance", "the distance: the root of the sum of squared differences"),
    "transposed": ("rows and columns are swapped", "the shape: as described in the signature"),
    # votes
    "ties the wrong way": (
        "of several labels with the most votes, another than the smallest is returned",
        "the count of votes: np.argmax(np.bincount(labels)) returns the smallest",
    ),
    "farthest neighbours": ("the largest distances are taken", "the order of np.argsort: ascending, the first k"),
    "k ignored": ("only the nearest row votes", "the slice of the k nearest"),
    "k - 1 neighbours": ("one neighbour too few votes", "the slice of the k nearest: [:k]"),
    "k + 1 neighbours": ("one neighbour too many votes", "the slice of the k nearest: [:k]"),
    "nearest left out": ("the nearest row is skipped, as if it were the query itself", "the slice of the k nearest: [:k]"),
    "not sorted": ("the first k rows vote, whatever their distance", "np.argsort of the distances"),
    "mean of the labels": ("labels are averaged", "the vote: the most frequent label"),
    "index in place of label": ("the number of a row is returned", "y_train[...] of the nearest rows"),
    "position in place of label": (
        "the position among the distinct labels is returned",
        "np.unique: labels[np.argmax(counts)]",
    ),
    "number of votes returned": (
        "the number of votes is returned, and not the label",
        "the vote: the label with the most votes",
    ),
    "smallest label": ("the smallest of the k labels is returned", "the vote: the most frequent label"),
    "weighted votes": ("votes are weighted by distance", "the vote: every neighbour counts the same"),
    # numerical gradients
    "not divided by h": ("the difference is not divided by the step", "the quotient: (f(x + h) - f(x - h)) / (2 * h)"),
    "step counted wrongly": (
        "a difference over 2 h is divided by h, or one over h by 2 h",
        "the quotient: (f(x + h) - f(x - h)) / (2 * h), or (f(x + h) - f(x)) / h",
    ),
    "x not restored": ("an entry of x keeps its step", "the end of the loop: put the old value back before the next entry"),
    "one entry only": ("the loop ends after one entry", "the indentation of return, and the iterator's next step"),
    "step too small or too large": ("rounding or curvature dominates the difference", "h: about 1e-5"),
    # means
    "mean of the test rows": ("the test rows are centred by their own mean", "the mean: that of the training rows for both"),
    "mean of all rows": ("the mean is that of training and test rows", "the mean: that of the training rows only"),
    "test rows not centred": ("the mean is subtracted from the training rows only", "the test rows: subtract the same mean"),
    "training rows not centred": (
        "the mean is subtracted from the test rows only",
        "the training rows: subtract the same mean",
    ),
    "one mean for all pixels": ("the mean is a single number", "the mean: over the rows, axis=0"),
    "mean cut to whole numbers": ("the mean loses its fractions", "the mean: without astype, and with floats"),
    "divided by the standard deviation": (
        "rows are divided by their standard deviation as well",
        "the last step: only the mean is subtracted",
    ),
    "nothing subtracted": ("no mean is subtracted", "the mean of the training rows, axis=0"),
    # calls
    "wrong number of arguments": (
        "the function takes other arguments than that of the assignment",
        "the line of its def: the names and the order of the arguments",
    ),
    "raises": ("an error in the code before this line, or in the line itself", "the line of the error"),
    "shapes do not match": (
        "an axis or keepdims=True is wrong, or an array has to be transposed",
        "the shapes in the line of the error",
    ),
    "W as (C, D)": ("W is taken as (classes, features)", "X.dot(W): W is (features, classes)"),
    "not written yet": ("this is the result of the code before it is written", "the function's body"),
    "nothing returned": ("there is no return, or one without a value", "the end of the function"),
    "wrong kind of result": ("something else is returned", "return, and the shapes of its values"),
    "loss for each row": ("the losses of the rows are not averaged", "the loss: the mean over the rows"),
    "gradient is 0": ("the gradient is not computed yet", "dW"),
    "gradient transposed": ("rows and columns of dW are swapped", "the last product: X.T.dot(...) is like W"),
    "NaN": ("0 / 0, infinity - infinity, or the root or logarithm of a negative number", "divisions, np.sqrt and np.log"),
    "arguments changed": ("the function changes its arguments in place", "+=, -= and assignments to slices of arguments"),
    "differs": ("not one of the known mistakes", "the formula, step by step, on two rows"),
    "wrong for large scores": ("the result is wrong if scores are far from 0", "what is subtracted from the scores"),
    # files
    "did not end": ("an endless loop, or far too much work", "while loops, and loops over all pairs"),
    "ended the process": ("the process ended: too much memory, or an exit", "the size of arrays, and calls of exit"),
    "cannot be imported": ("the file raises an error when it is imported", "the line of the error"),
    "cannot be checked": ("what the file defines last under this name is no such function", "the end of the file"),
    "no valid result": (
        "the code writes to files that it has not opened, or changes functions of Python or NumPy",
        "os.write, os.fork, and assignments to functions of modules",
    ),
}


#: (name, group of functions) -> where to look, if it is another place there
_LOOKS: dict[tuple[str, str], str] = {
    ("wrong sign", "softmax"): "the minus sign of -log(p); in the gradient p is added, and 1 subtracted at the true class",
    ("wrong sign", "svm"): "the margins, which are added; dW[:, j] gets + X[i], and dW[:, y[i]] - X[i]",
    ("wrong sign", "numerical"): "the order of the difference: f(x + h) - f(x - h)",
}


def mistake(name: str, part: str, seen: str, group: str = "") -> Mistake:
    """The mistake of this name.

    Parameters
    ----------
    name : str
        One of `MISTAKES`.
    part, seen : str
        See `Mistake`.
    group : str
        That of the function, see `Signature`: in some, one looks at another place.

    Returns
    -------
    Mistake
    """
    cause, look = MISTAKES[name]
    look = _LOOKS.get((name, group), look)
    return Mistake(name, part, seen, cause, look)


#: exception -> (likely cause, where to look), if they are not those of "raises"
_CAUSES: dict[str, tuple[str, str]] = {
    "NameError": ("a name is misspelt, or is not imported or assigned in this file", "the name in the message"),
    "UnboundLocalError": ("a name is read before it has a value", "the lines that assign it: some are skipped"),
    "AttributeError": ("an attribute is misspelt, or the object is of another type", "what is left of the dot"),
    "ModuleNotFoundError": ("a module is not installed, or not next to the file", "the line of the import"),
    "ImportError": ("a module does not have this name", "the line of the import"),
    "TypeError": ("a value is of another type than the code expects", "the types in the line of the error"),
    "IndexError": (
        "an index is outside its array: the rows of this check are fewer than those of the notebook",
        "numbers of rows, features and classes: take them from the shapes of the arguments",
    ),
    "KeyError": ("a dictionary does not have this key", "the lines that fill the dictionary"),
    "ZeroDivisionError": ("a number is divided by 0", "the divisor in the line of the error"),
    "MemoryError": ("an array does not fit into the memory that is allowed", "the shapes of the largest arrays"),
    "RecursionError": ("a function calls itself without end", "the calls in this function"),
    "AssertionError": ("an assertion of the code itself does not hold", "the line of the assertion"),
    "NotImplementedError": ("the function is not written yet", "the function's body"),
    "SystemExit": ("the function ends the program", "calls of exit"),
    "KeyboardInterrupt": ("the function raises what Ctrl-C raises", "the line of the error"),
}


#: Python's words for a call with too many or too few arguments, and the line that `described` adds
_COUNT = re.compile(
    r"TypeError: .*(?:takes .* positional arguments? but|missing \d+ required|got an unexpected keyword argument).*?"
    r"(?P<line> \([^()]*:\d+, in .*\))?"
)


def of_error(error: str, part: str) -> Mistake:
    """The mistake of an exception, as `described` has it: shapes that do not match, or any other error."""
    shapes = error.startswith(("ValueError", "AxisError")) and any(
        word in error for word in ("broadcast", "not aligned", "shape", "dimension", "axis")
    )
    if shapes:
        return mistake("shapes do not match", part, f"raises {error}")
    cause, look = _CAUSES.get(error.partition(":")[0].partition(" ")[0], MISTAKES["raises"])
    if count := _COUNT.fullmatch(error):
        if count["line"] is None:  # no line of the learner's code: it is the call of the function itself
            return mistake("wrong number of arguments", part, f"raises {error}")
        cause, look = "a function is called with too many or too few arguments", "the call in the line of the error"
    return Mistake("raises", part, f"raises {error}", cause, look)
