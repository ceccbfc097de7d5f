#!/bin/sh
# The compiled modules under AddressSanitizer and UndefinedBehaviorSanitizer, in a temporary copy of the sources:
#
#     tests/kernels/run_sanitized.sh [files] [pytest arguments ...]
#
# First the kernels' self-tests, all their cases (the suite checks a quarter); then the tests of search, vote, filter, folds and
# models, or those that are named, and so many mutated model files (10,000).
# The first error of memory or of undefined behaviour ends the process with a report.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
folder=${FASTCLS_SANITIZED:-$(mktemp -d)}
count=${1:-10000}
[ $# -gt 0 ] && shift
if [ $# -eq 0 ]; then
    "$here/tests/kernels/run_selftest.sh"
    "$here/tests/kernels/run_linear_selftest.sh"
    set -- tests/search/test_changed_rows.py tests/search/test_filter.py tests/search/test_filter_hostile.py \
        tests/search/test_growth.py tests/search/test_low_dimensional.py tests/search/test_search.py tests/search/test_tree.py \
        tests/neighbors/test_concurrent_fits.py tests/neighbors/test_neighbors.py tests/neighbors/test_votes.py \
        tests/model_selection/test_neighbors_cv.py tests/persistence/test_mutated_models.py \
        tests/persistence/test_persistence.py tests/linear/test_linear_problem.py
fi

mkdir -p "$folder"
tar -C "$here" --exclude=./build --exclude='*.so' --exclude='*.c' --exclude=./.git --exclude=__pycache__ -cf - \
    setup.py pyproject.toml README.md LICENSE fastcls tests docs | tar -C "$folder" -xf -
cp "$here"/tests/kernels/*.c "$folder"/tests/kernels/
cd "$folder"
CC="${CC:-gcc} -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1" \
    python setup.py build_ext --inplace > build.log 2>&1 || { tail -n 20 build.log; exit 1; }

# Python's own arena would hide what lies next to an array; memory it never frees is no leak of ours.
preload="$(${CC:-gcc} -print-file-name=libasan.so) $(${CC:-gcc} -print-file-name=libubsan.so)"
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=2048:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
export PYTHONMALLOC=malloc PYTHONPATH="$folder"
LD_PRELOAD="$preload" python -m pytest -q --capture=sys -p no:cacheprovider "$@"  # a report must not end in a buffer
LD_PRELOAD="$preload" python tests/helpers/_mutated_models.py "$count"
