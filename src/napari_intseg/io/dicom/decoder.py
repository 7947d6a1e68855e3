"""GDCM in a process of its own: a damaged image can end that process, never the window.

Run as a module it is that process: it reads who is to decode and a path, a line each, and saves
what the files hold beside them.
"""

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from napari_intseg.core.segmenter import Array

COMMAND = (sys.executable, "-X", "utf8", "-m", "napari_intseg.io.dicom.decoder")
TIMEOUT_S = 300.0
_DONE, _FAILED = "done", "failed "
_GDCM, _PYDICOM = "gdcm", "pydicom"


class DecoderProcess:
    """A process that decompresses DICOM files, started when the first is asked for.

    Use it as a context manager, so that it ends.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; it is started anew when a file is to be decoded."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def decode(self, path: Path, *, by_pydicom: bool = False) -> Array:
        """Return the pixels of a file as SimpleITK reads them, or as pydicom and its plugins do.

        Raises
        ------
        RuntimeError
            If the library refuses the file, crashes over it, or does not come to an end.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, encoding="utf-8",
            )  # fmt: skip
        process = self._process
        watch = threading.Timer(TIMEOUT_S, process.kill)
        watch.daemon = True
        watch.start()
        try:
            answer = _ask(process, f"{_PYDICOM if by_pydicom else _GDCM} {path}")
        finally:
            watch.cancel()
        if answer.startswith(_FAILED):
            raise RuntimeError(answer.removeprefix(_FAILED))
        if answer != _DONE:
            self.close()
            raise RuntimeError("the decoder crashed over it")
        return np.asarray(np.load(_beside(path), allow_pickle=False))


def _ask(process: "subprocess.Popen[str]", task: str) -> str:
    """Return the answer for a task; nothing if the process ended over it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{task}\n")
        process.stdin.flush()
    except OSError:
        return ""
    for line in process.stdout:  # what a library prints is passed over
        if line.strip() == _DONE or line.startswith(_FAILED):
            return line.strip()
    return ""


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".npy")


def serve() -> None:
    """Decode the files that are named on the standard input."""
    for line in sys.stdin:
        who, _, name = line.rstrip("\n").partition(" ")
        path = Path(name)
        try:
            np.save(_beside(path), _READERS[who](path))
            answer = _DONE
        except Exception as err:
            # whatever a library says, the one who asked turns it into an error about the file
            answer = _FAILED + " ".join(str(err).split())[-200:]
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def _by_gdcm(path: Path) -> Array:
    import SimpleITK

    sitk: Any = SimpleITK
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO")))


def _by_pydicom(path: Path) -> Array:
    from pydicom.pixels.utils import pixel_array

    return np.asarray(pixel_array(path))


_READERS = {_GDCM: _by_gdcm, _PYDICOM: _by_pydicom}


if __name__ == "__main__":
    serve()
