"""Where a volume's planes came from, kept so that DICOM can be written that refers to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.io.dicom.decoder import read_data_set
from napari_intseg.io.dicom.header import DicomFrame, quiet

PATIENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
)
"""What tells whose images these are; read and written only when asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class DicomOrigin:
    """The frames of a volume.

    Parameters
    ----------
    frames : tuple of DicomFrame
        One a plane, unless the volume was resampled.
    is_resampled : bool
        Whether planes were interpolated between frames.
    patient : mapping of str to str
        The elements of `PATIENT`; empty unless asked for. Never shown.
    """

    frames: tuple[DicomFrame, ...] = field(repr=False)
    is_resampled: bool = False
    patient: Mapping[str, str] = field(default_factory=dict, repr=False)

    def plane_to_lps(self, plane: int, affine: FloatMatrix) -> FloatMatrix:
        """Return index ``(row, col, 1)`` on a plane to LPS millimetres, 3x3.

        It is the frame's own place, also where planes are uneven and the volume's `affine` holds
        their mean distance.
        """
        if not self.is_resampled and self.frames[plane].position is not None:
            return self.frames[plane].to_lps()
        return np.column_stack([affine[:3, 1:3], affine[:3] @ (plane, 0, 0, 1)])


def read_patient(file: Path) -> dict[str, str]:
    """Return who is imaged, as far as the file tells."""
    with quiet():
        data = read_data_set(file, PATIENT)
        return {name: str(data[name].value) for name in PATIENT if data.get(name)}
