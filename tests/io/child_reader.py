"""A process that reads files for the fuzz tests: a hang or a crash ends it, not the tests.

It gets a path a line, reads all of the file that is small, and answers with a line of JSON: what is
wrong with it ("" if nothing), and how much memory the process has taken at most.
"""

import json
import resource
import sys
import warnings
from pathlib import Path

import numpy as np

from napari_intseg.errors import IntSegError
from napari_intseg.io.read import read_raster

LARGEST_BYTES = 1 << 26
ALL_BYTES = 3 << 30


def read(path: Path) -> str:
    """Open a file and read all of it that is small; say what is wrong with it, "" if nothing."""
    try:
        raster = read_raster(path)
        volume = raster.volume(0 if "t" in raster.axes else None)
        for level in raster.levels:
            if isinstance(level, np.ndarray):
                assert level.nbytes <= LARGEST_BYTES, f"{level.nbytes} bytes"
            elif np.prod(level.shape) * level.dtype.itemsize <= LARGEST_BYTES:
                np.asarray(level[(0,) * (len(level.shape) - 2)])
        np.asarray(volume.data[tuple(n // 2 for n in volume.shape)])
    except IntSegError as err:
        return str(err)
    return ""


def main() -> None:
    """Answer until there are no more questions."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_DATA, (ALL_BYTES, ALL_BYTES))
    for line in sys.stdin:
        told = read(Path(line.rstrip("\n")))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"told": told, "peak_kib": peak}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
