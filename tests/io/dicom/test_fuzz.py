"""Damaged DICOM: one clear error or an image, never a crash, a hang or a flood of memory."""

import struct
import sys
import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless, RLELossless

from napari_intseg.errors import FileError, IntSegError
from napari_intseg.io.dicom import decoder
from napari_intseg.io.dicom.series_reader import (
    DicomWarning,
    choose_series,
    list_series,
    read_series,
)
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_labels

pytestmark = pytest.mark.timeout(120)  # a hang, not a slow machine
TRIES = 150


def by_slice(path):
    """Open without pixels, then read slice by slice."""
    series = choose_series(path)
    volume = read_series(series, time=0, lazy=True)
    for plane in volume.planes(0):
        volume.take(plane)
    return volume


def attempt(path, read=read_volume):
    """Read; return whether it was refused, by an error that a person can use."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            volume = read(path)
            assert np.asarray(volume.data).shape[:3] == volume.shape
    except IntSegError as err:
        text = str(err)
        assert "expected" in text
        assert "\n" not in text
        assert len(text) < 1500
        return True
    return False


def tries(kind, read, many):
    """How often to try: each time that GDCM is asked starts a process."""
    if not kind.startswith("jpeg"):
        return many
    return 12 if read is read_volume else 4


@pytest.fixture
def kinds(tmp_path, dicom, rng):
    """A whole file of each kind."""
    grey = rng.integers(0, 4000, (10, 12)).astype(np.uint16)
    plain = dicom.picture(tmp_path / "plain", grey)
    made = {"plain": plain, "enhanced": dicom.enhanced(tmp_path / "enhanced", n=3)}
    for name, syntax in (("jpegls", JPEGLSLossless), ("rle", RLELossless)):
        data = dcmread(plain)
        data.compress(syntax, generate_instance_uid=False)
        data.save_as(tmp_path / name)
        made[name] = tmp_path / name
    for name in ("JPEG", "JPEG2000"):
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(tmp_path / f"{name}.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor(name)
        writer.Execute(sitk.GetImageFromArray(grey))
        made[name.lower()] = tmp_path / f"{name}.dcm"
    return {name: path.read_bytes() for name, path in made.items()}


@pytest.mark.parametrize("read", [read_volume, by_slice])
@pytest.mark.parametrize("kind", ["plain", "enhanced", "jpegls", "rle", "jpeg", "jpeg2000"])
def test_a_file_cut_anywhere_is_refused_or_gives_the_frames_before(
    tmp_path, rng, kinds, kind, read
):
    content = kinds[kind]
    path = tmp_path / "cut.dcm"
    path.write_bytes(content)
    assert attempt(path, read) is False
    for length in rng.integers(0, len(content) - 12, tries(kind, read, 50)):
        path.write_bytes(content[:length])
        if attempt(path, read):
            continue
        # of several frames that are not compressed those before the end are read, and that is told
        assert kind == "enhanced", length
        with pytest.warns(DicomWarning, match="ends before the last"):
            assert read(path).shape[0] < 3, length


@pytest.mark.parametrize("read", [read_volume, by_slice])
@pytest.mark.parametrize("kind", ["plain", "enhanced", "jpegls", "rle", "jpeg", "jpeg2000"])
def test_bytes_that_flipped_are_survived(tmp_path, rng, kinds, kind, read):
    path = tmp_path / "flipped.dcm"
    refused = 0
    for _ in range(tries(kind, read, TRIES)):
        content = bytearray(kinds[kind])
        for at in rng.integers(132, len(content), rng.integers(1, 12)):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content)
        refused += attempt(path, read)
    assert refused > 0


@pytest.mark.parametrize("kind", ["plain", "jpegls", "rle", "jpeg", "jpeg2000"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Rows", [0, 1, 9, 11, 65535]),
        ("Columns", [0, 11, 13, 65535]),
        ("BitsAllocated", [0, 7, 8, 32, 65535]),
        ("SamplesPerPixel", [0, 2, 3, 65535]),
    ],
)
def test_sizes_that_lie_are_refused(tmp_path, kinds, kind, name, values):
    for value in values:
        path = tmp_path / "lie.dcm"
        path.write_bytes(kinds[kind])
        data = dcmread(path)
        setattr(data, name, value)
        data.save_as(path)
        # the number of bits is not read back from a compressed stream by every decoder
        may_pass = kind.startswith("jpeg") and name == "BitsAllocated"
        assert attempt(path) or may_pass, value


@pytest.mark.parametrize("frames", [-3, 2, 2**31 - 1])
@pytest.mark.parametrize("kind", ["plain", "enhanced", "jpegls", "rle", "jpeg", "jpeg2000"])
def test_frames_that_are_not_there_are_refused_without_asking_for_memory(
    tmp_path, kinds, kind, frames
):
    resource = pytest.importorskip("resource", reason="memory is measured on Unix")
    path = tmp_path / "lie.dcm"
    path.write_bytes(kinds[kind])
    data = dcmread(path)
    data.NumberOfFrames = frames
    data.save_as(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert attempt(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        ("PixelSpacing", "DS", b"a\\b "),
        ("PixelSpacing", "DS", b"-1\\0"),
        ("PixelSpacing", "DS", b"nan\\inf "),
        ("ImagePositionPatient", "DS", b"1\\2 "),
        ("ImagePositionPatient", "DS", b"1e999\\0\\0 "),
        ("ImageOrientationPatient", "DS", b"0\\0\\0\\0\\0\\0 "),
        ("RescaleSlope", "DS", b"0 "),
        ("RescaleSlope", "DS", b"x "),
        ("WindowWidth", "DS", b"-5"),
        ("InstanceNumber", "IS", b"one "),
        ("Rows", "US", b"\0"),
        ("ImageType", "CS", b"\\\\\\ "),
        ("SeriesDescription", "LO", b"\xff\xfe\0\x01"),
        ("SpecificCharacterSet", "CS", b"NOT_KNOWN "),
    ],
)
def test_values_of_the_wrong_type_end_in_an_image_or_an_error(tmp_path, dicom, tag, vr, value):
    from pydicom.datadict import tag_for_keyword

    scan = dicom.Scan(n=1)
    folder = scan.write(tmp_path / "s")
    path = next(folder.iterdir())
    number = tag_for_keyword(tag)
    data = dcmread(path)
    if tag in data:
        del data[number]
    data.save_as(path)
    content = path.read_bytes()
    head = struct.pack("<HH", number >> 16, number & 0xFFFF) + vr.encode()
    element = head + struct.pack("<H", len(value)) + value
    # elements are in order of their tags: put it before the first one that is larger
    at = content.index(b"\x08\0\x08\0" if number < 0x00080008 else head[:2], 132)
    path.write_bytes(content[:at] + element + content[at:])
    attempt(path)
    attempt(folder)


def test_zero_slices_and_files_of_something_else_are_refused(tmp_path):
    assert attempt(tmp_path)
    for name, content in (("a.dcm", b""), ("b.dcm", bytes(200)), ("c.dcm", bytes(128) + b"DICM")):
        (tmp_path / name).write_bytes(content)
        assert attempt(tmp_path / name)
    assert attempt(tmp_path)


def test_an_element_that_claims_four_gigabytes_is_refused(tmp_path, kinds):
    content = kinds["plain"]
    at = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    path = tmp_path / "lie.dcm"
    path.write_bytes(content[:at] + struct.pack("<I", 2**32 - 2) + content[at + 4 :])
    attempt(path)
    at = content.index(b"\x08\x00\x60\x00CS") + 6
    path.write_bytes(content[:at] + b"\xff\xff" + content[at + 2 :])
    assert attempt(path)


def test_sequences_nested_without_end_are_refused(tmp_path, kinds):
    deep = b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 3000
    content = kinds["plain"]
    at = content.index(b"\x28\x00\x02\x00US")
    (tmp_path / "deep.dcm").write_bytes(content[:at] + deep)
    assert attempt(tmp_path / "deep.dcm")


def test_damaged_segmentations_are_refused_as_masks(tmp_path, dicom, rng):
    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    path = tmp_path / "l.dcm"
    write_labels(path, np.pad(np.ones((1, 4, 4), "u1"), ((2, 2), (4, 4), (5, 5))), volume)
    content = path.read_bytes()
    for length in rng.integers(400, len(content) - 12, 40):
        path.write_bytes(content[:length])
        with pytest.raises(FileError, match="expected"):
            read_mask(path, volume)


def test_a_whole_series_beside_damaged_files_is_still_read(tmp_path, dicom, kinds):
    folder = dicom.Scan(n=3).write(tmp_path / "s")
    (folder / "zz1").write_bytes(kinds["plain"][:600])
    (folder / "zz2").write_bytes(b"nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert sorted(s.slices for s in list_series(folder))[-1] == 3


def test_a_decoder_that_crashes_or_hangs_is_an_error_about_the_file(tmp_path, kinds, monkeypatch):
    path = tmp_path / "i.dcm"
    path.write_bytes(kinds["jpeg2000"])
    assert attempt(path) is False
    dies = [sys.executable, "-c", "import os; input(); print('noise', flush=True); os._exit(11)"]
    monkeypatch.setattr(decoder, "COMMAND", dies)
    with pytest.raises(FileError, match=r"pixels cannot be decoded: .*the decoder crashed"):
        read_volume(path)
    monkeypatch.setattr(decoder, "COMMAND", [sys.executable, "-c", "while True: pass"])
    monkeypatch.setattr(decoder, "TIMEOUT_S", 0.5)
    with pytest.raises(FileError, match=r"pixels cannot be decoded: .*the decoder crashed"):
        read_volume(path)


def test_a_jpeg_of_54_bits_is_refused(tmp_path, kinds):
    content = bytearray(kinds["jpeg"])
    at = content.index(b"\xff\xc3")  # the frame header; GDCM writes beyond its memory over it
    content[at + 4] = 54
    (tmp_path / "i.dcm").write_bytes(content)
    assert attempt(tmp_path / "i.dcm")
