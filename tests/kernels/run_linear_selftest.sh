#!/usr/bin/env bash
# Builds linear_selftest.c and runs it: with this machine's compiler, plainly and with the address and undefined behaviour
# sanitizers, or, with the argument aarch64, cross-compiled and under user-mode emulation (Debian: gcc-aarch64-linux-gnu,
# qemu-user). Faults planted on purpose must be found. With --some as the last argument, as the test suite runs it, a quarter
# of the cases are checked, and the plain program of this machine is optimised less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# table.h and the oracle hold what only other self-tests use.
flags=(-std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -ffp-contract=off -Ifastcls/_simd)
some=
optimise=-O3
if [ "${*: -1}" = --some ]; then
  some=--some
  optimise=-O1
fi
if [ "${1:-}" = aarch64 ]; then
  CC=${AARCH64_CC:-aarch64-linux-gnu-gcc}
  run=("${QEMU_AARCH64:-qemu-aarch64}" -cpu cortex-a53)
  "$CC" "${flags[@]}" -O3 -static tests/kernels/linear_selftest.c -o "$folder/plain" -lm
else
  CC=${CC:-cc}
  run=()
  "$CC" "${flags[@]}" $optimise tests/kernels/linear_selftest.c -o "$folder/plain" -lm
  "$CC" "${flags[@]}" -O0 -fsanitize=address,undefined -fno-sanitize-recover=all tests/kernels/linear_selftest.c \
    -o "$folder/sanitized" -lm
fi

echo "== plain, $("$CC" --version | head -n 1)"
"${run[@]}" "$folder/plain" $some
for fault in scores gradient squares descend product panels softmax best read; do
  if "${run[@]}" "$folder/plain" $some --break "$fault" >"$folder/found"; then
    echo "a fault planted in '$fault' was not found" >&2
    exit 1
  fi
  grep -q '^FAILED ' "$folder/found"
done
echo "nine planted faults found"
if [ -e "$folder/sanitized" ]; then
  echo "== sanitizers: address, undefined"
  "$folder/sanitized" $some
fi
