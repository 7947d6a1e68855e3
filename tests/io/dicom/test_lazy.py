"""Large series are read slice by slice: the same values, headers alone at opening, late damage."""

import threading
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from pydicom import dcmread
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
)

from napari_intseg.errors import FileError
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.io.dicom import pixels
from napari_intseg.io.dicom import series_reader as dicom_lazy
from napari_intseg.io.dicom.series_reader import LazySlices, list_series, read_series
from napari_intseg.io.hooks import layers_of, read_layers
from napari_intseg.io.read import read_volume, series_raster
from napari_intseg.io.write import write_labels

pytestmark = pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")


def compressed(path, syntax):
    data = dcmread(path)
    data.compress(syntax, generate_instance_uid=False)
    data.save_as(path)


def in_big_endian(data, _number):
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()


def with_sign(data, _number):
    data.PixelRepresentation, data.BitsStored, data.HighBit = 1, 13, 12


FIELDS = {
    "fractions": {"slope": 0.5, "intercept": 0.25},
    "signed": {"intercept": 0.0},
    "tilted": {"shear": (0.0, -0.3, 0.0)},
    "monochrome1": {"tags": {"Modality": "CR", "BitsStored": 12}},
}
CHANGES = {
    "monochrome1": lambda data, _: setattr(data, "PhotometricInterpretation", "MONOCHROME1"),
    "mixed": lambda data, number: setattr(data, "PixelRepresentation", number % 2),
    "signed": with_sign,
    "jpegls": lambda data, _: data.compress(JPEGLSLossless, generate_instance_uid=False),
    "implicit": lambda data, _: setattr(
        data.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian
    ),
    "big endian": in_big_endian,
}


def scan_of(kind, folder, dicom):
    """A series of a kind in a folder."""
    if kind.startswith("enhanced"):
        path = dicom.enhanced(folder, n=4, times=2 if kind == "enhanced in time" else 1)
        if kind == "enhanced rle":
            compressed(path, RLELossless)
        return path
    if kind == "colour":
        loop = np.random.default_rng(2).integers(0, 256, (4, 10, 11, 3)).astype(np.uint8)
        return dicom.picture(
            folder, loop, "RGB", Modality="US", NumberOfFrames=4,
            sop_class=UltrasoundMultiFrameImageStorage,
        )  # fmt: skip
    scan = dicom.Scan(n=4, **FIELDS.get(kind, {}))
    slices = scan.slices()
    for number, data in enumerate(slices):
        CHANGES.get(kind, lambda *_: None)(data, number)
    return scan.write(folder, slices)


@pytest.mark.parametrize(
    "kind",
    [
        "plain", "fractions", "signed", "tilted", "monochrome1", "mixed", "jpegls", "implicit",
        "big endian", "enhanced", "enhanced in time", "enhanced rle", "colour",
    ],
)  # fmt: skip
def test_values_are_those_of_reading_at_once_bit_for_bit(tmp_path, dicom, kind):
    (series,) = list_series(scan_of(kind, tmp_path / "s", dicom))
    for time in range(series.times):
        whole = read_series(series, time=time, lazy=False)
        lazy = read_series(series, time=time, lazy=True)
        assert isinstance(whole.data, np.ndarray)
        assert isinstance(lazy.data, LazySlices)
        assert (lazy.shape, lazy.n_channels) == (whole.shape, whole.n_channels)
        np.testing.assert_array_equal(np.asarray(lazy.data), whole.data)
        assert np.can_cast(whole.dtype, lazy.dtype)
        assert lazy.dtype.kind == "f" or whole.dtype.kind != "f"
        for index in (2, (1, 3), (slice(1, 3), slice(2, 9, 2), 4), (slice(None), 3), (-1, -1, -1)):
            np.testing.assert_array_equal(lazy.data[index], whole.data[index])
        assert lazy.data[2:2].shape == whole.data[2:2].shape
        np.testing.assert_array_equal(lazy.affine, whole.affine)
        assert lazy.window == whole.window
        for axis in range(3):
            plane = whole.planes(axis)[1]
            cut = slice(0, 3), slice(1, 9)
            np.testing.assert_array_equal(lazy.take(plane, *cut), whole.take(plane, *cut))


@pytest.fixture
def decoded(monkeypatch):
    """The files whose pixels were decoded, in order."""
    seen: list[Path] = []
    decode = dicom_lazy.decode

    def listening(header, *args):
        seen.append(header.file)
        return decode(header, *args)

    monkeypatch.setattr(dicom_lazy, "decode", listening)
    return seen


def test_headers_alone_are_read_at_opening_and_a_click_reads_its_slice(
    tmp_path, dicom, decoded, monkeypatch
):
    folder = dicom.Scan(n=9).write(tmp_path / "s")
    assert isinstance(read_volume(folder).data, np.ndarray)  # a small one is read at once
    monkeypatch.setattr(dicom_lazy, "LAZY_BYTES", 1000)
    volume = read_volume(folder)
    resolve_intensity(volume, "lung")
    assert decoded == []
    volume.take(volume.planes(0)[7], slice(2, 5))
    assert decoded == [volume.source.dicom.frames[7].header.file]
    volume.take(volume.planes(0)[7])
    assert len(decoded) == 1  # it is kept
    volume.take(volume.planes(1)[3])
    assert len(decoded) == 9


def test_no_more_slices_are_kept_than_there_is_room_for(tmp_path, dicom, decoded):
    (series,) = list_series(dicom.Scan(n=5).write(tmp_path / "s"))
    frames = series.stack.frames
    size = 12 * 14 * 4
    slices = LazySlices(frames, np.dtype(np.int32), cache_bytes=2 * size)
    for number in (0, 1, 0, 2, 0, 1):
        slices[number]
    assert [frames.index(f) for n in decoded for f in frames if f.header.file == n] == [0, 1, 2, 1]
    none = LazySlices(frames, np.dtype(np.int32), cache_bytes=0)
    np.testing.assert_array_equal(none[3], slices[3])


def test_several_threads_read_at_once(tmp_path, dicom):
    (series,) = list_series(dicom.Scan(n=6).write(tmp_path / "s"))
    whole, lazy = (read_series(series, lazy=lazy).data for lazy in (False, True))
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: lazy[n % 6]})) for n in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, plane in found.items():
        np.testing.assert_array_equal(plane, whole[number % 6])


def test_a_damaged_slice_is_told_with_its_place_when_it_is_asked_for(tmp_path, dicom):
    scan = dicom.Scan(n=5)
    slices = scan.slices()
    for data in slices:
        data.compress(RLELossless, generate_instance_uid=False)
    folder = scan.write(tmp_path / "s", slices)
    (series,) = list_series(folder)
    volume = read_series(series, lazy=True)
    bad = volume.source.dicom.frames[3].header.file
    content = bad.read_bytes()
    bad.write_bytes(content[:-80] + b"\xff" * 80)
    volume.take(volume.planes(0)[2])
    told = rf"pixels cannot be decoded: .*{bad.name}.*plane 3, at -42\.50 mm; "
    with pytest.raises(FileError, match=told):
        volume.take(volume.planes(0)[3])
    with pytest.raises(FileError, match=told):
        np.asarray(volume.data)
    bad.unlink()
    with pytest.raises(FileError, match=r"plane 3, at -42\.50 mm; .*No such file"):
        volume.take(volume.planes(0)[3])
    volume.take(volume.planes(0)[4])
    bad.write_bytes(content)
    assert volume.take(volume.planes(0)[3]).shape == (12, 14)


def test_a_slice_of_another_size_or_type_than_told_is_refused(tmp_path, dicom):
    (series,) = list_series(dicom.Scan(n=3).write(tmp_path / "s"))
    volume = read_series(series, lazy=True)
    one = volume.source.dicom.frames[1].header.file
    data = dcmread(one)
    data.BitsAllocated = data.BitsStored = 32
    data.HighBit, data.PixelData = 31, bytes(4 * 12 * 14)
    data.save_as(one)
    with pytest.raises(FileError, match=r"plane 1, .*an image of shape \(12, 14\), uint32"):
        volume.data[1]


def test_a_decoder_that_crashed_over_one_slice_decodes_the_next(tmp_path, dicom, monkeypatch):
    asked = []

    class Broken(pixels.DecoderProcess):
        def decode(self, path, **kwargs):
            asked.append(path)
            if len(asked) == 1:
                raise RuntimeError("the decoder crashed over it")
            return super().decode(path, **kwargs)

    monkeypatch.setattr(dicom_lazy, "DecoderProcess", Broken)
    scan = dicom.Scan(n=2)
    slices = scan.slices()
    for data in slices:
        data.compress(JPEGLSLossless, generate_instance_uid=False)
    (series,) = list_series(scan.write(tmp_path / "s", slices))
    whole, lazy = (read_series(series, lazy=lazy).data for lazy in (False, True))
    with pytest.raises(FileError, match="the decoder crashed"):
        lazy[0]
    np.testing.assert_array_equal(lazy[0], whole[0])


def test_the_viewer_gets_slices_lazily_and_survives_a_damaged_one(
    tmp_path, dicom, decoded, monkeypatch
):
    monkeypatch.setattr(dicom_lazy, "LAZY_BYTES", 1000)
    folder = dicom.Scan(n=5, tags={"WindowCenter": 40, "WindowWidth": 400}).write(tmp_path / "s")
    ((data, meta, kind),) = read_layers(str(folder))
    assert hasattr(data, "dask")
    assert decoded == []
    assert meta["contrast_limits"] == (-160, 240)
    layer = Layer.create(data, meta, kind)
    viewer = ViewerModel()
    viewer.add_layer(layer)
    expected = dicom.value_at(layer.data_to_world((0, 0, 0))[::-1])
    viewer.dims.set_current_step(0, 0)
    bad = layer.metadata["napari_intseg"]["source"].dicom.frames[3].header.file
    bad.write_bytes(bad.read_bytes()[:-100])
    assert layer._slice.image.view[0, 0] == pytest.approx(expected, abs=1)
    with pytest.raises(Exception, match=r"plane 3, at -42\.50 mm"):
        viewer.dims.set_current_step(0, 3)
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(0, 0)
    assert layer._slice.image.view[0, 0] == pytest.approx(expected, abs=1)


def test_time_points_of_a_large_series_are_one_lazy_array(tmp_path, dicom, monkeypatch):
    (series,) = list_series(dicom.enhanced(tmp_path / "e.dcm", n=4, times=3))
    whole = series_raster(series)
    told = []
    monkeypatch.setattr(dicom_lazy, "LAZY_BYTES", 1000)
    lazy = series_raster(series, on_progress=lambda *n: told.append(n))
    assert told == [(1, 1)]
    assert lazy.axes == whole.axes == "tzyx"
    assert isinstance(lazy.levels[0], LazySlices)
    np.testing.assert_array_equal(np.asarray(lazy.levels[0]), whole.levels[0])
    ((data, _, _),) = layers_of(lazy)
    np.testing.assert_array_equal(np.asarray(data[2, 1]), np.asarray(layers_of(whole)[0][0])[2, 1])
    one = lazy.volume(1)
    np.testing.assert_array_equal(one.take(one.planes(0)[2]), whole.levels[0][1, 2])


def test_resampling_needs_all_slices_and_gets_them(tmp_path, dicom, monkeypatch):
    folder = dicom.Scan(n=9, shape=(20, 24), shear=(0, -0.3, 0)).write(tmp_path / "s")
    (series,) = list_series(folder)
    expected = read_series(series, resample=True)
    monkeypatch.setattr(dicom_lazy, "LAZY_BYTES", 1000)
    assert isinstance(read_series(series).data, LazySlices)
    again = read_series(series, resample=True)
    np.testing.assert_array_equal(again.data, expected.data)


def test_what_only_pixels_tell_is_read_at_once(tmp_path, dicom, rng):
    large = rng.integers(0, 2**30, (10, 12)).astype(np.uint32)
    (series,) = list_series(dicom.picture(tmp_path / "i", large))
    volume = read_series(series, lazy=True)
    assert isinstance(volume.data, np.ndarray)
    np.testing.assert_array_equal(volume.data[0], large)


def test_labels_of_a_lazy_series_are_written_as_those_of_any_other(tmp_path, dicom):
    (series,) = list_series(dicom.Scan().write(tmp_path / "s"))
    volume = read_series(series, lazy=True)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:3, 2:6, 3:7] = 1
    write_labels(tmp_path / "l.nii.gz", labels, volume)
    write_labels(tmp_path / "l.dcm", labels, volume)
    np.testing.assert_allclose(read_volume(tmp_path / "l.nii.gz").affine, volume.affine, atol=1e-4)
