"""How much memory the program holds, apart from what its allocator keeps for later."""

import ctypes
import gc
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

COUNTED = re.compile(r"# bytes in allocated blocks\s*=\s*([\d,]+)")


class Mallinfo(ctypes.Structure):
    """What `mallinfo2` of glibc 2.33 and later tells, over all arenas (its manual page)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes) at one moment.

    `held` was asked for, by Python or by a library, and is not freed: what leaks shows here.
    `resident` is what the system counts: also the code that was run so far, and what was freed but
    lies between what is held. glibc keeps an arena with such holes for each thread.
    """

    held: float
    resident: float

    def __str__(self) -> str:
        return f"{self.held:.1f} MB held, {self.resident:.1f} resident"


def memory() -> Memory:
    """Collect what is garbage, give back what can be given back, and look.

    `held` is not a number where the C library does not tell.
    """
    gc.collect()
    library, told = ctypes.CDLL(None) if sys.platform == "linux" else None, float("nan")
    if hasattr(library, "mallinfo2"):
        library.malloc_trim(0)
        library.mallinfo2.restype = Mallinfo
        info: Any = library.mallinfo2()
        told = info.uordblks + info.hblkhd + python_bytes()
    return Memory(told / 1e6, psutil.Process().memory_info().rss / 1e6)


def python_bytes() -> int:
    """Return how much Python's own allocator handed out, which takes its memory past glibc's.

    CPython tells it on the standard error alone.
    """
    with tempfile.TemporaryFile("w+") as file:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        found = COUNTED.search(file.read())
    return int(found[1].replace(",", "")) if found else 0


def growth_kb(taken: list[tuple[int, Memory]]) -> float:
    """Return by how many kB an action the memory held grew: the slope of a line."""
    after = np.array([(actions, one.held) for actions, one in taken])
    return float(1000 * np.polyfit(*after.T, 1)[0]) if len(after) > 1 else float("nan")
