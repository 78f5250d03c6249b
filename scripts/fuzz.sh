#!/usr/bin/env bash
# scripts/fuzz.sh FOLDER SECONDS: runs every libFuzzer executable in FOLDER for SECONDS each, starting from the inputs in
# fuzz/corpus/NAME where there are any. What is found new stays in build/fuzz-corpus/NAME; an input that fails is left in
# build/fuzz-findings, and stops the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1 seconds=$2

mapfile -t targets < <(find "$folder" -maxdepth 1 -type f -executable -name '*fuzz*' | sort)
[[ ${#targets[@]} -gt 0 ]] || { echo "fuzz: expected executables named *fuzz* in $folder, found none" >&2; exit 1; }

mkdir -p build/fuzz-findings
for target in "${targets[@]}"; do
  name=$(basename "$target")
  corpora=("build/fuzz-corpus/$name")
  mkdir -p "${corpora[0]}"
  if [[ -d fuzz/corpus/$name ]]; then corpora+=("fuzz/corpus/$name"); fi
  echo "fuzz: $name for $seconds s"
  "$target" "${corpora[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix="build/fuzz-findings/$name-"
done
echo "fuzz: ${#targets[@]} targets, no findings"
