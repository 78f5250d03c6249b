#!/usr/bin/env bash
# Plants one fault at a time in a copy of the tree and shows that each turns a test red; see run.py --help.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
