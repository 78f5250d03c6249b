#!/usr/bin/env bash
# scripts/bench.sh BUILD_DIR MODEL: per-stage figures of a model, then every micro-benchmark of the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1 model=$2

for dtype in f32 bf16; do
  echo "bench: $model, $dtype"
  "$build/azimuth" bench "$model" --dtype "$dtype" --prompt-tokens 256 --gen 32 --image 416x288
done

mapfile -t benchmarks < <(find "$build/bench" -maxdepth 1 -type f -executable 2>/dev/null | sort)
for benchmark in "${benchmarks[@]}"; do
  echo "bench: $(basename "$benchmark")"
  "$benchmark"
done
