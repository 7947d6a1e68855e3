"""GDCM in a process of its own: a damaged image can end that process, never the window.

Run as a module it is that process: it reads paths, a line each, and saves what they hold beside
them.
"""

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from napari_intseg.core.segmenter import Array

COMMAND = (sys.executable, "-X", "utf8", "-m", "napari_intseg.io.dicom_decoder")
TIMEOUT_S = 300.0
_DONE, _FAILED = "done", "failed "


class Decoder:
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
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def decode(self, path: Path) -> Array:
        """Return the pixels of a file as SimpleITK reads them.

        Raises
        ------
        RuntimeError
            If GDCM refuses the file, crashes over it, or does not come to an end.
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
            answer = _ask(process, path)
        finally:
            watch.cancel()
        if answer.startswith(_FAILED):
            raise RuntimeError(answer.removeprefix(_FAILED))
        if answer != _DONE:
            raise RuntimeError("the decoder crashed over it")
        return np.asarray(np.load(_beside(path), allow_pickle=False))


def _ask(process: "subprocess.Popen[str]", path: Path) -> str:
    """Return the answer for a path; nothing if the process ended over it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{path}\n")
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
    import SimpleITK

    sitk: Any = SimpleITK
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
            np.save(_beside(path), sitk.GetArrayFromImage(image))
            answer = _DONE
        except Exception as err:
            # whatever ITK says, the one who asked turns it into an error about the file
            answer = _FAILED + " ".join(str(err).split())[-200:]
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
