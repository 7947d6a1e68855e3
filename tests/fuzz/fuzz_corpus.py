"""Small whole files of every kind that is read or written, for the fuzzer to damage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
)

from napari_intseg.core.volume import Volume
from napari_intseg.io.cell_tracking import write_ctc
from napari_intseg.io.ome_zarr import write_ome_zarr
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels, write_picture

SHAPE = (4, 12, 10)
VOLUME = Volume(np.zeros(SHAPE), spacing=(5.0, 0.7, 0.7))


def labels() -> np.ndarray:
    """Three objects, one of which is a single pixel."""
    out = np.zeros(SHAPE, np.uint16)
    out[1:3, 2:6, 2:7], out[2, 8:, 5:], out[3, 0, 0] = 1, 2, 3
    return out


def _stack(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 900, SHAPE).astype(np.int16)


def _array(ending: str) -> Callable[[Path, np.random.Generator], Path]:
    def make(folder: Path, rng: np.random.Generator) -> Path:
        path = folder / f"i{ending}"
        write_array(path, _stack(rng), VOLUME)
        return path

    return make


def _picture(ending: str) -> Callable[[Path, np.random.Generator], Path]:
    def make(folder: Path, rng: np.random.Generator) -> Path:
        from PIL import Image

        path = folder / f"i{ending}"
        image = rng.integers(0, 255, (12, 10, 3)).astype(np.uint8)
        if ending == ".png":
            write_picture(path, image)
        else:
            Image.fromarray(image).save(path)
        return path

    return make


def _matlab(folder: Path, rng: np.random.Generator) -> Path:
    from scipy.io import savemat

    savemat(folder / "i.mat", {"GTinst": {"Segmentation": rng.integers(0, 3, (12, 10))}})
    return folder / "i.mat"


def _video(folder: Path, rng: np.random.Generator) -> Path:
    import av

    with av.open(str(folder / "i.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for _ in range(3):
            picture = rng.integers(0, 255, (32, 48, 3), np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return folder / "i.mp4"


def _zarr(version: str) -> Callable[[Path, np.random.Generator], Path]:
    def make(folder: Path, rng: np.random.Generator) -> Path:
        path = folder / f"{version}.zarr"
        write_ome_zarr(path, _stack(rng), VOLUME, version=version, is_labels=False)
        return path

    return make


def _packed_tiff(folder: Path, rng: np.random.Generator) -> Path:
    import tifffile

    tifffile.imwrite(
        folder / "z.tif", _stack(rng), compression="zlib", photometric="minisblack", tile=(16, 16)
    )
    return folder / "z.tif"


def _dicom(
    syntax: pydicom.uid.UID, name: str = "i.dcm"
) -> Callable[[Path, np.random.Generator], Path]:
    def make(folder: Path, rng: np.random.Generator) -> Path:
        return dicom_slice(folder / name, rng.integers(0, 900, (12, 10)), 0, syntax)

    return make


def dicom_slice(
    path: Path,
    image: np.ndarray,
    plane: int,
    syntax: pydicom.uid.UID = ExplicitVRLittleEndian,
) -> Path:
    """Write one slice of a CT."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, f"1.2.3.{plane + 1}"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3.100", "1.2.3.101"
    data.FrameOfReferenceUID, data.Modality = "1.2.3.102", "CT"
    data.PatientName, data.PatientID, data.StudyID, data.SeriesNumber = "A^B", "1", "1", 1
    data.StudyDate, data.StudyTime, data.AccessionNumber = "20200101", "1200", ""
    data.PatientBirthDate, data.PatientSex, data.ReferringPhysicianName = "", "", ""
    data.InstanceNumber, data.ImageType = plane + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.ImagePositionPatient = [0, 0, 2.5 * plane]
    data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = image.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept, data.SliceThickness = 1, -1024, 2.5
    data.PixelData = image.astype("<i2").tobytes()
    data["PixelData"].VR = "OW"
    if syntax == RLELossless:
        data.compress(RLELossless)
    data.save_as(path, enforce_file_format=True)
    return path


def dicom_series(folder: Path, rng: np.random.Generator) -> Path:
    """Write a folder with a series."""
    (folder / "series").mkdir()
    for plane in range(SHAPE[0]):
        dicom_slice(folder / "series" / f"{plane}.dcm", rng.integers(0, 900, SHAPE[1:]), plane)
    return folder / "series"


def _drawn(name: str) -> Callable[[Path, np.random.Generator], Path]:
    """Labels as DICOM, in the folder of their series: contours have no grid of their own."""

    def make(folder: Path, rng: np.random.Generator) -> Path:
        path = dicom_series(folder, rng) / name
        write_labels(path, labels(), read_volume(path.parent))
        return path

    return make


def _marked(ending: str) -> Callable[[Path, np.random.Generator], Path]:
    """Labels that tell so themselves, flat where the format is."""

    def make(folder: Path, _: np.random.Generator) -> Path:
        path = folder / f"labels{ending}"
        flat = ending == ".png"
        like = Volume(np.zeros(SHAPE[1:])) if flat else VOLUME
        write_labels(path, labels()[2] if flat else labels(), like)
        return path

    return make


def _slicer(folder: Path, _: np.random.Generator) -> Path:
    """Segments as 3D Slicer saves them, not packed, so that damage meets the header too."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(labels())
    for number, name in enumerate(("liver", "spleen", "kidney")):
        image.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_Color", "0.5 0.25 1")
    SimpleITK.WriteImage(image, str(folder / "s.seg.nrrd"))
    return folder / "s.seg.nrrd"


def _label_table(folder: Path, _: np.random.Generator) -> Path:
    """NIfTI with names and colours in an extension, as Connectome Workbench has it."""
    import nibabel

    table = b"".join(
        b'<Label Key="%d" Red="0.5" Green="0" Blue="1" Alpha="1"><![CDATA[n%d]]></Label>' % (n, n)
        for n in range(1, 4)
    )
    image = nibabel.Nifti1Image(labels().T, np.eye(4))
    extension = nibabel.nifti1.Nifti1Extension(0, b"<LabelTable>%s</LabelTable>" % table)
    image.header.extensions.append(extension)
    nibabel.save(image, folder / "table.nii")
    return folder / "table.nii"


def _tracks(folder: Path, _: np.random.Generator) -> Path:
    return write_ctc(folder / "01_RES", labels(), {3: (1,)})


MAKERS: dict[str, Callable[[Path, np.random.Generator], Path]] = {
    **{
        e: _array(e)
        for e in (
            ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".ome.tiff", ".ome.tif", ".tiff",
            ".tif", ".npy", ".h5", ".hdf5", ".hdf",
        )
    },
    **{e: _picture(e) for e in (".png", ".jpg", ".jpeg", ".bmp", ".gif")},
    ".mat": _matlab,
    ".mp4": _video,
    ".zarr": _zarr("0.4"),
    "0.5.zarr": _zarr("0.5"),
    "z.tif": _packed_tiff,
    ".dcm": _dicom(ExplicitVRLittleEndian),
    "deflated.dcm": _dicom(DeflatedExplicitVRLittleEndian),
    "rle.dcm": _dicom(RLELossless),
    "series": dicom_series,
    "seg.dcm": _drawn("seg.dcm"),
    "rtstruct.dcm": _drawn("rtstruct.dcm"),
    **{f"labels{e}": _marked(e) for e in (".png", ".tif", ".ome.tif", ".mha", ".nrrd", ".nii")},
    "s.seg.nrrd": _slicer,
    "table.nii": _label_table,
    "tracks": _tracks,
}  # fmt: skip
"""By ending, or by a name of their own where an ending has several kinds."""
