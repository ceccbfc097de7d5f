#!/usr/bin/env bash
# Cross-compiles kernels_selftest.c and filter_selftest.c for aarch64 and runs them under user-mode emulation, on a
# processor with the dot product extension and on one without. Needs Debian's gcc-aarch64-linux-gnu and qemu-user.
# With --some, as the test suite runs it, a quarter of the cases are checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
CC=${AARCH64_CC:-aarch64-linux-gnu-gcc}
QEMU=${QEMU_AARCH64:-qemu-aarch64}
some=${1:-}
for tool in "$CC" "$QEMU"; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed (Debian: gcc-aarch64-linux-gnu, qemu-user)" >&2; exit 77; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
block_bytes=$(sed -n 's/^BLOCK_BYTES = \([0-9]*\).*/\1/p' fastcls/_search/bounds.py)
flags=(-std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -O3 -ffp-contract=off -static -Ifastcls/_simd
  "-DBLOCK_BYTES=${block_bytes:?not found in bounds.py}")
"$CC" "${flags[@]}" tests/kernels/kernels_selftest.c -o "$folder/selftest" -lm
"$CC" "${flags[@]}" tests/kernels/filter_selftest.c -o "$folder/filter" -lm

echo "== aarch64 with dot products, $("$CC" --version | head -n 1), $("$QEMU" --version | head -n 1)"
{ "$QEMU" -cpu cortex-a53 "$folder/selftest" $some && "$QEMU" -cpu cortex-a53 "$folder/filter" $some; } >"$folder/without" &
{ "$QEMU" -cpu max "$folder/selftest" $some && "$QEMU" -cpu max "$folder/filter" $some; } | tee "$folder/with"
grep -q '^neon_dotprod: .*as wanted' "$folder/with"
echo "== aarch64 without"
without=0
wait $! || without=$?
cat "$folder/without"
[ "$without" = 0 ]
grep -q '^neon: .*as wanted' "$folder/without"
grep -q '^neon_dotprod: .*cannot run here' "$folder/without"
for fault in selftest:panel selftest:read filter:screen filter:both filter:at filter:bound filter:read; do
  if "$QEMU" -cpu max "$folder/${fault%:*}" $some --break "${fault#*:}" >"$folder/found"; then
    echo "a fault planted in '$fault' was not found" >&2
    exit 1
  fi
  grep -q '^FAILED ' "$folder/found"
done
echo "seven planted faults found"
