#!/usr/bin/env bash
# scripts/fuzz.sh FOLDER SECONDS: runs every azimuth_NAME_fuzz in FOLDER for SECONDS, starting from the inputs in
# fuzz/corpus/NAME. New inputs that reach new code stay in build/fuzz-corpus/NAME; one that fails is left in
# build/fuzz-findings, and stops the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1 seconds=$2

mapfile -t targets < <(find "$folder" -maxdepth 1 -type f -executable -name 'azimuth_*_fuzz' | sort)
[[ ${#targets[@]} -gt 0 ]] || { echo "fuzz: expected executables azimuth_*_fuzz in $folder, found none" >&2; exit 1; }

mkdir -p build/fuzz-findings
for target in "${targets[@]}"; do
  name=$(basename "$target" _fuzz)
  name=${name#azimuth_}
  corpora=("build/fuzz-corpus/$name")
  mkdir -p "${corpora[0]}"
  if [[ -d fuzz/corpus/$name ]]; then corpora+=("fuzz/corpus/$name"); fi
  echo "fuzz: $name for $seconds s"
  "$target" "${corpora[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix="build/fuzz-findings/$name-"
done
echo "fuzz: ${#targets[@]} targets, no findings"
