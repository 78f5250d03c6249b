#!/bin/sh
# The whole recipe: train (or go on), export, compare with transformers, draw the curve.
#   lab/tiny/run.sh [STATE] [OUT]
# Interrupt it at will; the same command goes on. PYTHON names an interpreter with requirements.txt installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
state=${1:-build/lab-tiny/run}
out=${2:-build/lab-tiny/export}
python=${PYTHON:-python3}
export OMP_NUM_THREADS=1
"$python" -u "$here/train.py" --state "$state" --compile
"$python" "$here/export.py" --state "$state" --out "$out"
"$python" "$here/check.py" --model "$out"
"$python" "$here/plot.py" "$state/curve.csv" "$state/curve.svg"
"$python" "$here/evaluate.py" --model "$out" --no-engine --transformers
