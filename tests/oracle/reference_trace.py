#!/usr/bin/env python3
"""What `azimuth trace MODEL --request R.json` must print, computed by transformers 5.23.0 (f32, eager, CPU).

    reference_trace.py MODEL_DIR --request R.json > expected.json

The computation is the package's (azimuth.verification), so that users check their checkpoints with the same one.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Past the package itself, which has to be built.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python" / "src" / "azimuth"))

import torch
import transformers
from verification.reference_trace import (
    Reference, load_processor, open_reference, read_request, read_samples, shortest, spans_of, trace,
)  # fmt: skip

__all__ = [
    "Reference", "load_processor", "open_reference", "read_request", "read_samples", "shortest", "spans_of", "trace",
]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--request", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    json.dump(trace(open_reference(arguments.model), read_request(arguments.request)), sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
