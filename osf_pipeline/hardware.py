"""What this machine has: cores and memory as the process may use them (containers included)."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_count() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def memory_gb() -> float:
    """Memory in GB: the smaller of the machine's and the control group's limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return min(total, int(text) if text.isdigit() else total) / 1e9
