#!/usr/bin/env bash
# Builds kernels_selftest.c and filter_selftest.c with this machine's compiler, plainly and with the address and undefined
# behaviour sanitizers, and runs all four. Faults planted on purpose must be found. CC chooses the compiler. With --some, as
# the test suite runs it, a quarter of the cases are checked, and the plain programs are optimised less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
CC=${CC:-cc}
some=${1:-}
optimise=-O3
[ -z "$some" ] || optimise=-O1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
block_bytes=$(sed -n 's/^BLOCK_BYTES = \([0-9]*\).*/\1/p' fastcls/_search/bounds.py)
flags=(-std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -ffp-contract=off -Ifastcls/_simd "-DBLOCK_BYTES=${block_bytes:?not found in bounds.py}")

"$CC" "${flags[@]}" $optimise tests/kernels/kernels_selftest.c -o "$folder/plain" -lm &
"$CC" "${flags[@]}" -O0 -fsanitize=address,undefined -fno-sanitize-recover=all tests/kernels/kernels_selftest.c \
  -o "$folder/sanitized" -lm &
wait %1
wait %2
"$CC" "${flags[@]}" $optimise tests/kernels/filter_selftest.c -o "$folder/plain_filter" -lm &
"$CC" "${flags[@]}" -O0 -fsanitize=address,undefined -fno-sanitize-recover=all \
  tests/kernels/filter_selftest.c -o "$folder/sanitized_filter" -lm &
wait %1
wait %2

echo "== plain, $("$CC" --version | head -n 1)"
"$folder/plain" $some
"$folder/plain_filter" $some
for fault in plain:pair plain:panel plain:select plain:read plain_filter:screen plain_filter:both plain_filter:at plain_filter:project \
  plain_filter:bound plain_filter:read; do
  if "$folder/${fault%:*}" --break "${fault#*:}" >"$folder/found"; then
    echo "a fault planted in '$fault' was not found" >&2
    exit 1
  fi
  grep -q '^FAILED ' "$folder/found"
done
echo "ten planted faults found"

# A processor with AVX-512 VNNI but without AVX-VNNI has the same instruction in another encoding.
if [ "$(uname -m)" = x86_64 ] && grep -qw avx512_vnni /proc/cpuinfo && ! grep -qw avx_vnni /proc/cpuinfo; then
  "$CC" "${flags[@]}" $optimise -S tests/kernels/kernels_selftest.c -o "$folder/as.s"
  sed -i 's/{vex}[[:space:]]\+vpdpbusd/vpdpbusd/' "$folder/as.s"
  "$CC" "$folder/as.s" -o "$folder/reencoded" -lm
  echo "== avxvnni in AVX-512's encoding"
  "$folder/reencoded" $some --pretend avxvnni | grep '^avxvnni: .*as wanted'
fi

echo "== sanitizers: address, undefined"
"$folder/sanitized" $some
"$folder/sanitized_filter" $some
