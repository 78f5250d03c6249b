"""The machine, in words."""

import os
import platform
import re
import subprocess
from pathlib import Path

FLAGS = [
    "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
    "amx_int8", "amx_bf16",
]  # fmt: skip


def describe(cpuinfo, meminfo):
    """{"cpu", "cores", "flags", "memory_gb"} of the texts of /proc/cpuinfo and /proc/meminfo."""
    field = lambda name: (re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.M) or [None, ""])[1]  # noqa: E731
    present = set(field("flags").split())
    memory = re.search(r"^MemTotal:\s*(\d+) kB", meminfo, re.M)
    return {
        "cpu": field("model name") or platform.processor() or "unknown processor",
        "family_model_stepping": [field("cpu family"), field("model"), field("stepping")],
        "cores": len(re.findall(r"^processor\s*:", cpuinfo, re.M)),
        "flags": [flag for flag in FLAGS if flag in present],
        "memory_gb": round(int(memory[1]) / 2**20, 1) if memory else None,
    }


def here():
    text = lambda path: Path(path).read_text() if Path(path).exists() else ""  # noqa: E731
    found = describe(text("/proc/cpuinfo"), text("/proc/meminfo"))
    return found | {"kernel": platform.release(), "load_before": os.getloadavg()[0], "compiler": compiler()}


def compiler():
    try:
        return subprocess.run(["c++", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown compiler"
