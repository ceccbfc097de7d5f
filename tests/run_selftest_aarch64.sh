#!/usr/bin/env bash
# Cross-compiles kernels_selftest.c for aarch64 and runs it under user-mode emulation, on a processor with the dot product
# extension and on one without. Needs Debian's gcc-aarch64-linux-gnu and qemu-user.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CC=${AARCH64_CC:-aarch64-linux-gnu-gcc}
QEMU=${QEMU_AARCH64:-qemu-aarch64}
for tool in "$CC" "$QEMU"; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed (Debian: gcc-aarch64-linux-gnu, qemu-user)" >&2; exit 77; }
done
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
block_bytes=$(sed -n 's/^BLOCK_BYTES = \([0-9]*\).*/\1/p' fastcls/_bounds.py)
"$CC" -std=gnu11 -Wall -Wextra -Werror -O3 -ffp-contract=off -static -Ifastcls/_simd \
  "-DBLOCK_BYTES=${block_bytes:?not found in _bounds.py}" tests/kernels_selftest.c -o "$room/selftest" -lm

echo "== aarch64 with dot products, $("$CC" --version | head -n 1), $("$QEMU" --version | head -n 1)"
"$QEMU" -cpu cortex-a53 "$room/selftest" >"$room/without" &
"$QEMU" -cpu max "$room/selftest" | tee "$room/with"
grep -q '^neon_dotprod: .*as wanted' "$room/with"
echo "== aarch64 without"
without=0
wait $! || without=$?
cat "$room/without"
[ "$without" = 0 ]
grep -q '^neon: .*as wanted' "$room/without"
grep -q '^neon_dotprod: .*cannot run here' "$room/without"
for fault in panel read; do
  if "$QEMU" -cpu max "$room/selftest" --break "$fault" >"$room/found"; then
    echo "a fault planted in '$fault' was not found" >&2
    exit 1
  fi
  grep -q '^FAILED ' "$room/found"
done
echo "two planted faults found"
