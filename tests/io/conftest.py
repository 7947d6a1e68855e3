"""DICOM files made by the tests: a phantom whose value tells where a voxel lies."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from napari_intseg.io.read import read_volume

PATIENT = "Zyxwv^Qwertz"
PATIENT_ID = "PID-7781234"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def value_at(points):
    """A number for each place in the patient, (..., 3) LPS mm; its gradient is known everywhere."""
    x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
    return np.round(1000 + 4 * x + 6 * y + 9 * z)


def places(position, cols, rows, spacing, shape):
    """LPS millimetres of the pixels of a slice, (H, W, 3)."""
    r, c = np.mgrid[: shape[0], : shape[1]]
    steps = r[..., None] * spacing[0] * np.array(rows) + c[..., None] * spacing[1] * np.array(cols)
    return np.array(position) + steps


def fresh(sop_class=CTImageStorage, **tags):
    """A data set with what every image has, the patient's name included."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = sop_class, generate_uid()
    data.PatientName, data.PatientID = PATIENT, PATIENT_ID
    data.PatientBirthDate, data.PatientSex = "19481224", "F"
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(data, name, generate_uid())
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20200101", "1200", "7", ""
    data.ReferringPhysicianName = "Doctor^Who"
    data.Modality, data.SeriesDescription, data.SeriesNumber = "CT", "phantom", 3
    data.InstanceNumber, data.ImageType = 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def put_pixels(data, image, photometric="MONOCHROME2"):
    """Add an image (H, W) or (H, W, 3)."""
    data.Rows, data.Columns = image.shape[:2] if image.ndim < 4 else image.shape[1:3]
    data.SamplesPerPixel = image.shape[-1] if image.ndim > 2 and image.shape[-1] == 3 else 1
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = image.dtype.itemsize * 8
    data.BitsStored = data.get("BitsStored", data.BitsAllocated)
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(image.dtype.kind == "i")
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    content = image.tobytes()
    data.PixelData = content + b"\0" * (len(content) % 2)
    return data


def save(data, path):
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


@dataclass
class Scan:
    """A series of slices: change a field, or a slice of `slices`, then write it."""

    n: int = 5
    shape: tuple[int, int] = (12, 14)
    spacing: tuple[float, float] = (0.8, 0.7)
    step: float = 2.5
    origin: tuple[float, float, float] = (-20.0, 30.0, -50.0)
    cosines: tuple[float, ...] = AXIAL
    shear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    heights: Any = None
    slope: float = 1.0
    intercept: float = -1024.0
    sop_class: str = CTImageStorage
    tags: dict[str, Any] = field(default_factory=dict)

    def slices(self):
        cols, rows = self.cosines[:3], self.cosines[3:]
        normal = np.cross(cols, rows) + np.array(self.shear)
        uids = {n: generate_uid() for n in ("StudyInstanceUID", "SeriesInstanceUID")}
        reference = generate_uid()
        heights = np.arange(self.n) * self.step if self.heights is None else self.heights
        out = []
        for number, height in enumerate(heights):
            position = np.array(self.origin) + normal * height
            data = fresh(self.sop_class, **uids, FrameOfReferenceUID=reference, **self.tags)
            data.ImagePositionPatient = [f"{v:.10g}" for v in position]
            data.ImageOrientationPatient = [f"{v:.10g}" for v in self.cosines]
            data.PixelSpacing, data.SliceThickness = list(self.spacing), self.step
            data.InstanceNumber = number + 1
            data.RescaleSlope, data.RescaleIntercept = self.slope, self.intercept
            value = value_at(places(position, cols, rows, self.spacing, self.shape))
            put_pixels(data, np.round((value - self.intercept) / self.slope).astype(np.uint16))
            out.append(data)
        return out

    def write(self, folder, slices=None):
        folder.mkdir(exist_ok=True)
        every = self.slices() if slices is None else slices
        order = np.random.default_rng(len(every)).permutation(len(every))
        for data, name in zip(every, order, strict=True):
            save(data, folder / f"IM{len(list(folder.iterdir())):03d}_{name}")
        return folder


def enhanced(path, n=6, times=1, order=None, first=0, *, sop_class=EnhancedCTImageStorage, **tags):
    """One enhanced file, CT by default: frames out of order, each with its intercept and window."""
    data = fresh(sop_class, NumberOfFrames=n * times, **tags)
    shared, data.PerFrameFunctionalGroupsSequence = Dataset(), []
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.8, 0.7]
    shared.PixelMeasuresSequence[0].SliceThickness = 3.0
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    order = np.random.default_rng(1).permutation(n * times) if order is None else order
    for number in order:
        time, plane = divmod(int(number), n)
        plane += first
        position = (10.0 - 3.0 * plane, -5.0, 40.0)
        group, intercept = Dataset(), -100.0 * plane
        group.PlanePositionSequence = [Dataset()]
        group.PlanePositionSequence[0].ImagePositionPatient = list(position)
        group.PixelValueTransformationSequence = [Dataset()]
        group.PixelValueTransformationSequence[0].RescaleSlope = 1
        group.PixelValueTransformationSequence[0].RescaleIntercept = intercept
        group.FrameVOILUTSequence = [Dataset()]
        group.FrameVOILUTSequence[0].WindowCenter = 1040
        group.FrameVOILUTSequence[0].WindowWidth = 400
        group.FrameContentSequence = [Dataset()]
        group.FrameContentSequence[0].TemporalPositionIndex = time + 1
        data.PerFrameFunctionalGroupsSequence.append(group)
        value = value_at(places(position, (0, 1, 0), (0, 0, -1), (0.8, 0.7), (9, 11)))
        frames.append((value + time - intercept).astype(np.uint16))
    put_pixels(data, np.stack(frames)[..., None])
    data.SamplesPerPixel = 1
    return save(data, path)


def picture(path, image, photometric="MONOCHROME2", sop_class=SecondaryCaptureImageStorage, **tags):
    """One image without a place in the patient."""
    data = fresh(sop_class, **{"Modality": "OT", "PixelSpacing": [0.5, 0.25], **tags})
    del data.FrameOfReferenceUID
    return save(put_pixels(data, image, photometric), Path(path))


ANGLE = np.deg2rad(20)
SCANS = {
    "axial": {},
    "sagittal": {"cosines": (0, 1, 0, 0, 0, -1)},
    "flipped": {"cosines": (-1, 0, 0, 0, 1, 0)},
    "oblique": {"cosines": (np.cos(ANGLE), np.sin(ANGLE), 0, 0, 0, -1)},
    "tilted": {"shear": (0.0, -0.3, 0.0)},
    "gap": {"heights": [0, 2.5, 5, 10, 12.5]},
}


@pytest.fixture(params=SCANS)
def scanned(request, tmp_path):
    """A series of each kind, read: its volume, and its slices in order of the planes."""
    scan = Scan(**SCANS[request.param])
    slices = scan.slices()
    volume = read_volume(scan.write(tmp_path / "s", slices))
    order = {frame.header.uid: i for i, frame in enumerate(volume.source.dicom.frames)}
    slices.sort(key=lambda one: order[one.SOPInstanceUID])
    return SimpleNamespace(volume=volume, slices=slices)


@pytest.fixture
def drawn(rng):
    """Labels for it: a ring with an island, specks of another object, planes that hold neither."""
    labels = np.zeros((5, 12, 14), np.uint8)
    labels[1:4, 1:11, 1:12] = 3
    labels[1:4, 3:9, 3:10] = 0
    labels[2, 5:7, 5:8] = 3
    labels[3][(rng.random((12, 14)) > 0.7) & (labels[3] == 0)] = 8
    return labels


@pytest.fixture(scope="session")
def dicom():
    """What makes DICOM files."""
    return SimpleNamespace(
        Scan=Scan, enhanced=enhanced, picture=picture, fresh=fresh, put_pixels=put_pixels,
        save=save, value_at=value_at, places=places, PATIENT=PATIENT, PATIENT_ID=PATIENT_ID,
    )  # fmt: skip
