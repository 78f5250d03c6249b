"""examples/python/grpo_reference.py: steps of TRL's GRPO on pictures whose reference log-probabilities come from the engine."""

import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[3])


def test_the_reference_is_the_policy_until_something_is_learned():
    """kl is E[exp(d) - d - 1], d the difference of the log-probabilities: differences of 1e-4 make 5e-9 of it."""
    run = subprocess.run(
        [sys.executable, str(SOURCE / "examples" / "python" / "grpo_reference.py"), "--steps", "2"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    kl = [float(value) for value in re.findall(r"step \d+: kl (\S+),", run.stdout)]
    assert len(kl) == 2, run.stdout
    assert 0 <= kl[0] <= 5e-9
    assert kl[1] > 1e-3  # the policy has moved, its reference has not
