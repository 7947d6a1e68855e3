"""What the child of `child` does with each kind of file: opens it, reads it if it is small."""

import contextlib
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_intseg.io.child_process import SMALL_BYTES


def limit_memory(more: int | None) -> None:
    """Allow so many bytes more than are taken now; None: as many as there are.

    Only Linux counts them; elsewhere time alone is limited.
    """
    try:
        import resource
    except ImportError:
        return
    kind, (_, hard) = resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)
    limit = hard
    if more is not None:
        status = Path("/proc/self/statm")
        if not status.exists():
            return
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        limit = taken + more if hard == resource.RLIM_INFINITY else min(hard, taken + more)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (limit, hard))


def _open_itk(path: Path) -> None:
    import SimpleITK

    sitk: Any = SimpleITK
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    found = re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    values = math.prod(reader.GetSize()) * int(reader.GetNumberOfComponents())
    if values * (int(found[1]) if found else 8) // 8 <= SMALL_BYTES:
        reader.Execute()


def _open_tiff(path: Path) -> None:
    import tifffile

    logging.getLogger("tifffile").disabled = True
    with tifffile.TiffFile(path) as file:
        for series in file.series[:1]:
            if series.nbytes <= SMALL_BYTES:
                series.asarray()


def _open_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "r") as file:

        def visit(_: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                is_own = not item.is_virtual and not item.external
                if is_own and item.dtype.kind in "buifc" and item.nbytes <= SMALL_BYTES:
                    item[()]
                dict(item.attrs)

        file.visititems(visit)


OPENERS: dict[str, Callable[[Path], None]] = {
    "itk": _open_itk,
    "tiff": _open_tiff,
    "hdf5": _open_hdf5,
}
