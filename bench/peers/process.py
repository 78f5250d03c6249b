"""Programs that are run and timed from here."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass


class Failed(Exception):
    """A program that gave no figures; the text says which and why."""


@dataclass(frozen=True)
class Finished:
    stdout: str
    stderr: str
    seconds: float
    peak_mb: float  # of resident memory


def tail(text, lines=3):
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(kept[-lines:]) or "nothing on stderr"


def run(command, environment=None, timeout=7200):
    """Runs a program to its end. Raises Failed where it cannot be started, ends with another code than 0, or hangs."""
    command = [str(word) for word in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
            )
        except OSError as error:
            raise Failed(f"expected a program at {command[0]}, found {error.strerror}") from error
        usage = wait(child, start + timeout)
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if child.returncode != 0:
        name = os.path.basename(command[0])
        raise Failed(f"expected `{name}` to end with code 0, found {child.returncode}: {tail(stderr or stdout)}")
    return Finished(stdout, stderr, seconds, usage.ru_maxrss / 1024)


def wait(child, deadline):
    """Waits without a thread, and kills at the deadline; returns the child's resource usage."""
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.monotonic() > deadline:
            child.kill()
            deadline = float("inf")
        time.sleep(0.005)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
