"""The process in which the fuzzer has files read: it answers one line of JSON for each path.

Everything that opens a file is asked: layers, volumes, masks, evaluation, segmentations.
"""

import json
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fuzz_corpus
from napari_intseg.errors import IntSegError
from napari_intseg.evaluation.truth import IMAGE_SUFFIXES, MASK_SUFFIXES, read_image, read_labels
from napari_intseg.io.hooks import get_reader, read_layers
from napari_intseg.io.read import dicom_labels, read_mask, read_raster, read_volume

SMALL_BYTES = 1 << 24
MEMORY_BYTES = 3 << 30


def _layers(path: Path) -> None:
    # a folder of tracks has a reader of its own; any other way in must refuse it in one line
    for data, _, _ in (get_reader(str(path)) or read_layers)(str(path)):
        levels = data if isinstance(data, list) else [data]
        for level in levels[-1:]:
            if np.prod(level.shape, dtype=float) * level.dtype.itemsize <= SMALL_BYTES:
                np.asarray(level)


def _volume(path: Path) -> None:
    raster = read_raster(path)
    volume = read_volume(path, time=0 if "t" in raster.axes else None)
    volume.take(volume.planes(0)[0])


def _mask(path: Path) -> None:
    read_mask(path, fuzz_corpus.VOLUME)


def _evaluation(path: Path) -> None:
    if path.suffix.lower() in MASK_SUFFIXES:
        read_labels(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        read_image(path, (12, 10))


def _names(path: Path) -> None:
    if drawn := dicom_labels(path):
        drawn.names(path)


WAYS: tuple[Callable[[Path], None], ...] = (_layers, _volume, _mask, _evaluation, _names)


def look(path: Path) -> tuple[str, str]:
    """Return what our own errors say of an image, and what else was raised."""
    told, raised = "", ""
    for way in WAYS:
        try:
            way(path)
        except IntSegError as err:
            told = told or (str(err) if way in (_layers, _volume) else "")
            if "\n" in str(err) or ": expected " not in str(err):
                raised = raised or f"an error without a rule: {err}"
        except Exception as err:
            raised = raised or f"{way.__name__}: {type(err).__name__}: {err}"
    return told, raised


def main() -> None:
    """Answer until there are no more questions."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    for line in sys.stdin:
        told, raised = look(Path(line.rstrip("\n")))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"told": told, "raised": raised, "peak_kib": peak}
        sys.stdout.write("\x1e" + json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
