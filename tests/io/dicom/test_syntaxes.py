"""Every transfer syntax that pydicom lists is decoded, or named in an error with a remedy."""

import base64
import importlib.util
import io
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io.dicom import pixels
from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.read import read_volume

ROWS, COLS = np.mgrid[:16, :20]
GREY = (100 * ROWS + 37 * COLS + ROWS * COLS % 7).astype(np.uint16)

# GREY as OpenJPH 0.26.3 (by imagecodecs) compresses it: without loss, and with
HTJ2K_LOSSLESS = base64.b64decode(
    "/0//UQApQAAAAAAUAAAAEAAAAAAAAAAAAAAAFAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAIEBEAB"
    "/1wACiCIkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAARsAAf+TwAAuxP3/bPzR/q371f6hPpD/"
    "FR+zb8D35k/sH/H/adfu1fMfe6z8nd4VAH/6y6gfQgAxuwDAABaUAAFsQAAVwEiUiUQLBgUT6UF/sLiB+jqZAMKAUYAX"
    "gFeAN8BXwPdAIZiEADHl9JWbACAK0ZRJ1kFPRsfYCbgAwAAutgABdrAAC6jVBAIAiZCwDSABhQifQAAKEQGeQDAAEORO"
    "u5mE95PnpoV8liuJrhFKd7195QERIwiUsnFZGRYmaQEwIpQAJ7TBaGBKAZARSoDzYgCIQFsEQgBY+g8WW6PW+VCr7mmW"
    "m49ZAZvmqMjrRo5SkhNl0ZJekSytLeErdn+XJ71KdQ239yn6u9ESS/ukVQH/2Q=="
)
HTJ2K_LOSSY = base64.b64decode(
    "/0//UQApQAAAAAAUAAAAEAAAAAAAAAAAAAAAFAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAAJf9SAAwAAgABAAIEBEAA"
    "/1wAESJ35mg1aDVoeGAaYBpvv/9kABcAAU9wZW5KUEggVmVyIDAuMjYuMy7/kAAKAAAAAABsAAH/k8ABdUATIPjX/1E/"
    "+v8+62994c/82Of7or/tIX/r/T7p1b7mAH/6y5wfKYAzOwDAAlgAWgBW36t0AMLQQYeGDvpAx/yU3fvqOQDABNABVPju"
    "5wklAAL4/off79/suAD/2Q=="
)
LOSS = {uid.HTJ2K: 40, uid.JPEGLSNearLossless: 0, uid.JPEGBaseline8Bit: 4, uid.JPEGExtended12Bit: 4}
JPEG = "1.2.840.10008.1.2.4."
PLAIN = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)


def stream_of(syntax, image, folder):
    """An image as a compressed stream of a syntax; None if nothing here encodes it."""
    if syntax in (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL):
        return HTJ2K_LOSSLESS
    if syntax == uid.HTJ2K:
        return HTJ2K_LOSSY
    if syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "JPEG", quality=98)
        return out.getvalue()
    by_gdcm = {uid.JPEGLossless: "JPEG", uid.JPEGLosslessSV1: "JPEG"} | dict.fromkeys(
        (uid.JPEG2000Lossless, uid.JPEG2000, uid.JPEG2000MCLossless, uid.JPEG2000MC), "JPEG2000"
    )
    if syntax not in by_gdcm:
        return None
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(folder / "gdcm.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor(by_gdcm[syntax])
    writer.Execute(sitk.GetImageFromArray(image))
    (stream,) = list(dcmread_frames(folder / "gdcm.dcm"))
    return stream


def dcmread_frames(path):
    from pydicom.encaps import generate_frames

    data = dcmread(path)
    return generate_frames(data.PixelData, number_of_frames=int(data.get("NumberOfFrames") or 1))


def write(path, dicom, syntax, image):
    """A file in a syntax, with rubbish for pixels where nothing here encodes it."""
    if syntax == uid.ExplicitVRBigEndian:
        data = dicom.fresh(uid.SecondaryCaptureImageStorage, PixelSpacing=[0.5, 0.5])
        dicom.put_pixels(data, image)
        data.PixelData = image.astype(image.dtype.newbyteorder(">")).tobytes()
        data["PixelData"].VR = "OW"
        data.file_meta.TransferSyntaxUID = syntax
        return dicom.save(data, path)
    data = dcmread(dicom.picture(path, image))
    stream = stream_of(syntax, image, path.parent)
    if stream is None and syntax in (uid.RLELossless, uid.JPEGLSLossless, uid.JPEGLSNearLossless):
        data.compress(syntax, generate_instance_uid=False)
    elif syntax not in PLAIN:
        data.PixelData = encapsulate([stream or bytes(500)])
        data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path, enforce_file_format=True)
    return path


NOT_DECODED = [
    syntax
    for syntax in uid.AllTransferSyntaxes
    # video, images that lie elsewhere, streams of video and sound
    if str(syntax).startswith((f"{JPEG}10", f"{JPEG}204", f"{JPEG}205", "1.2.840.10008.1.2.7."))
]
DECODED = [syntax for syntax in uid.AllTransferSyntaxes if syntax not in NOT_DECODED]


@pytest.mark.filterwarnings("ignore:.*tell no slope and intercept")
@pytest.mark.parametrize("syntax", DECODED, ids=str)
def test_still_images_of_every_syntax_are_decoded(tmp_path, dicom, syntax):
    is_8_bits = syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
    image = (GREY // 16).astype(np.uint8) if is_8_bits else GREY
    path = write(tmp_path / "i.dcm", dicom, syntax, image)
    seen = read_volume(path).data[0]
    assert seen.dtype.isnative
    np.testing.assert_allclose(seen.astype(int), image, atol=LOSS.get(syntax, 0))


@pytest.mark.parametrize("syntax", NOT_DECODED, ids=str)
def test_what_is_no_still_image_is_named_with_a_remedy(tmp_path, dicom, syntax):
    path = write(tmp_path / "i.dcm", dicom, syntax, GREY)
    with pytest.raises(FileError, match=r"expected still images, .*again, uncompressed") as caught:
        read_volume(path)
    assert repr(syntax.name) in str(caught.value)


def test_a_syntax_that_nobody_knows_is_named_by_its_uid(tmp_path, dicom):
    for number in ("1.2.840.10008.1.2.4.110", "1.2.3.4"):  # the first is JPEG XL
        data = dcmread(dicom.picture(tmp_path / "i", GREY))
        data.PixelData = encapsulate([bytes(500)])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = uid.MPEG2MPML
        data.save_as(tmp_path / "i.dcm")
        content = (tmp_path / "i.dcm").read_bytes()
        old = f"{uid.MPEG2MPML}\0".encode()
        assert len(number) <= len(old)
        (tmp_path / "i.dcm").write_bytes(
            content.replace(old, number.encode().ljust(len(old), b"\0"))
        )
        with pytest.raises(FileError, match=f"expected still images, .*got '{number}'"):
            read_volume(tmp_path / "i.dcm")


def test_high_throughput_jpeg_2000_names_what_to_install(tmp_path, dicom, monkeypatch):
    write(tmp_path / "i.dcm", dicom, uid.HTJ2KLossless, GREY)
    there = importlib.util.find_spec
    monkeypatch.setattr(
        pixels, "find_spec", lambda name: None if name == "openjpeg" else there(name)
    )
    with pytest.raises(MissingExtraError, match=r"High-Throughput.*napari-intseg\[dicom\]"):
        read_volume(tmp_path / "i.dcm")


def test_high_throughput_jpeg_2000_that_is_damaged_is_refused(tmp_path, dicom, rng):
    path = tmp_path / "i.dcm"
    write(path, dicom, uid.HTJ2KLossless, GREY)
    content = path.read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    for at in rng.integers(start + 8, len(content) - 120, 4):
        path.write_bytes(content[:at])
        with pytest.raises(FileError, match="expected"):
            read_volume(path)


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.JPEG2000Lossless, uid.RLELossless])
def test_one_compressed_frame_of_many_is_read_alone(tmp_path, dicom, syntax):
    images = np.stack([GREY] * 3)
    path = dicom.picture(tmp_path / "i.dcm", images[..., None], NumberOfFrames=3)
    data = dcmread(path)
    data.SamplesPerPixel = 1
    if syntax == uid.RLELossless:
        data.compress(syntax, generate_instance_uid=False)
    else:
        data.PixelData = encapsulate([stream_of(syntax, GREY, tmp_path)] * 3, has_bot=False)
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path)
    (series,) = list_series(path)
    whole, lazy = (read_series(series, lazy=lazy).data for lazy in (False, True))
    np.testing.assert_array_equal(whole, images)
    np.testing.assert_array_equal(lazy[1], GREY)
    np.testing.assert_array_equal(np.asarray(lazy), images)


def test_names_of_syntaxes_are_those_of_the_standard(tmp_path, dicom):
    (series,) = list_series(dicom.picture(tmp_path / "i", GREY))
    header = replace(series.stack.frames[0].header, syntax="")
    pixels.check_syntax(header)
    assert not pixels.is_for_decoder(header)
    assert pixels.name_of(uid.JPEG2000) == "JPEG 2000 Image Compression"
    assert pixels.name_of("") == "no named transfer syntax"
