"""Odd files and names: right values or one clear error, never a traceback or a silent guess."""

import gzip
import os
import shutil
import struct
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_intseg.cli.cloud import read_points
from napari_intseg.cli.main import main
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io import raster
from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.hooks import get_reader, read_layers
from napari_intseg.io.measurements import measure
from napari_intseg.io.output_files import check_apart, check_journal
from napari_intseg.io.read import read_mask, read_raster, read_volume
from napari_intseg.io.suffixes import FileWarning
from napari_intseg.io.write import check_target, write_labels

BASE = np.random.default_rng(3).integers(0, 200, (4, 6, 5)).astype(np.int16)
HEADER = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "0 0 0",
    "ElementSpacing": "1 1 1", "DimSize": "5 6 4", "ElementType": "MET_SHORT",
}  # fmt: skip


RAW = BASE.tobytes()


def metaimage(path, data=RAW, element_data_file="LOCAL", **fields):
    lines = {**HEADER, **fields, "ElementDataFile": element_data_file}
    path.write_bytes("".join(f"{k} = {v}\n" for k, v in lines.items()).encode() + data)
    return path


def values(path):
    found = read_volume(path)
    assert found.take(Plane(0, 0)).dtype == found.dtype
    return np.asarray(found.data)


def remarks(path):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FileWarning)
        read_volume(path)
    return " ".join(str(one.message) for one in told if issubclass(one.category, FileWarning))


# ---- which side is left


NO_SIDE = "does not say which side of a patient is left"


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("space: scanner-xyz", f"'scanner-xyz' {NO_SIDE}; places are taken as left-posterior"),
        ("Space: 3D-right-handed", f"'3D-right-handed' {NO_SIDE}"),
        ("space: 3D-left-handed", "left and right may be exchanged"),
        ("space dimension: 3", f"'without a name' {NO_SIDE}"),
        ("space: right-anterior-superior", ""),
        ("space: LPS", ""),
    ],
)
def test_spaces_of_nrrd_that_have_no_left_side_are_told_and_kept(tmp_path, space, told):
    head = (
        "NRRD0005", "type: short", "dimension: 3", space, "sizes: 5 6 4", "endian: little",
        "space directions: (1,0,0) (0,2,0) (0,0,3)", "space origin: (7,8,9)", "encoding: raw",
    )  # fmt: skip
    path = tmp_path / "i.nrrd"
    path.write_bytes("\n".join([*head, "", ""]).encode() + BASE.astype("<i2").tobytes())
    assert told in remarks(path) if told else not remarks(path)
    image = read_volume(path)
    write_labels(tmp_path / "l.nrrd", np.ones(image.shape, np.uint8), image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FileWarning)
        np.testing.assert_array_equal(read_volume(tmp_path / "l.nrrd").affine, image.affine)
    if "dimension" not in space:
        assert space.lower().encode() in (tmp_path / "l.nrrd").read_bytes().lower()


@pytest.mark.parametrize(
    ("letters", "matrix", "apart"),
    [
        ("RAI", "1 0 0 0 1 0 0 0 1", False),  # as ITK writes it: where axes come from
        ("LPS", "1 0 0 0 1 0 0 0 1", False),  # as the format has it: where they lead to
        ("LAI", "1 0 0 0 1 0 0 0 1", True),
        ("ASR", "1 0 0 0 1 0 0 0 1", True),
        ("ASL", "0 1 0 0 0 -1 -1 0 0", False),
        ("RAI", "0.8 0.6 0 -0.6 0.8 0 0 0 1", False),
        ("???", "1 0 0 0 1 0 0 0 1", False),
    ],
)
def test_letters_of_metaimage_that_contradict_its_matrix_are_told(tmp_path, letters, matrix, apart):
    path = metaimage(tmp_path / "i.mha", AnatomicalOrientation=letters, TransformMatrix=matrix)
    told = remarks(path)
    assert f"{letters!r} contradicts its TransformMatrix" in told if apart else not told


def test_nifti_without_a_form_tells_that_it_has_no_left_side(tmp_path):
    image = nibabel.Nifti1Image(BASE.T, None)
    nibabel.save(image, tmp_path / "i.nii")
    assert NO_SIDE in remarks(tmp_path / "i.nii")
    image.set_sform(np.eye(4), 1)
    nibabel.save(image, tmp_path / "i.nii")
    assert not remarks(tmp_path / "i.nii")


def test_analyze_that_goes_by_the_name_of_nifti_is_refused(tmp_path):
    nibabel.save(nibabel.Spm99AnalyzeImage(BASE.T, np.eye(4)), tmp_path / "i.img")
    both = [(tmp_path / f"i.{end}").read_bytes() for end in ("hdr", "img")]
    (tmp_path / "i.nii").write_bytes(b"".join(both))
    with pytest.raises(FileError, match=r"expected the mark b'n\+1"):
        read_volume(tmp_path / "i.nii")


# ---- names


@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
@pytest.mark.parametrize("stem", ["a%s", "50%", "%d", "LIST", "LISTED", "a\nb", "LOCAL", "~x"])
def test_headers_of_any_name_are_written_and_read_again(tmp_path, ending, stem):
    image = Volume(BASE.astype(np.float32), spacing=(2, 1, 1))
    (tmp_path / f"a_s{ending}").write_text("of somebody else")
    (tmp_path / "a_s.raw").write_text("of somebody else")
    path = tmp_path / f"{stem}{ending}"
    for value in (1, 2):
        write_labels(path, np.full(image.shape, value, np.uint8), image, overwrite=True)
        assert (values(path) == value).all()
    # the data of before went with it
    assert len(list(tmp_path.iterdir())) == 4
    assert (tmp_path / "a_s.raw").read_text() == "of somebody else"


def test_a_name_that_is_too_long_is_told_and_left_to_other_readers():
    name = "n" * 300 + ".tif"
    for read in (read_volume, read_raster, read_layers, lambda path: read_mask(path, Volume(BASE))):
        with pytest.raises(FileError, match="name is too long"):
            read(name)
    assert get_reader(name) is None


def test_a_backslash_is_no_name_for_a_metaimage(tmp_path):
    for call in (read_volume, lambda path: write_labels(path, np.ones_like(BASE), Volume(BASE))):
        with pytest.raises(FileError, match="expected one without a backslash"):
            call(metaimage(tmp_path / "a\\b.mhd"))
        (tmp_path / "a\\b.mhd").unlink()


def test_a_tilde_does_not_lead_metaimage_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    for folder, value in (("there", 7), ("here", 3)):
        (tmp_path / folder / "~x.raw").write_bytes(np.full_like(BASE, value).tobytes())
    monkeypatch.chdir(tmp_path / "there")
    path = metaimage(tmp_path / "here" / "i.mhd", b"", "~x.raw")
    with pytest.raises(FileError, match="data file lies elsewhere"):
        read_volume(path)
    assert (values(metaimage(tmp_path / "here" / "i.mhd", b"", "./~x.raw")) == 3).all()


# ---- axes


@pytest.mark.parametrize(("shape", "axes"), [((5, 6, 4, 1, 3), "czyx"), ((5, 6, 4, 2, 3), "tczyx")])
def test_the_fifth_axis_of_nifti_holds_channels(tmp_path, rng, shape, axes):
    data = rng.integers(0, 99, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "i.nii.gz")
    raster = read_raster(tmp_path / "i.nii.gz")
    assert raster.axes == axes
    layers = read_layers(str(tmp_path / "i.nii.gz"))
    assert len(layers) == 3
    for number, (seen, _, _) in enumerate(layers):
        np.testing.assert_array_equal(seen, np.squeeze(data[..., number]).T)


def test_five_axes_of_nrrd_are_read_like_those_of_nifti(tmp_path, rng):
    data = rng.integers(0, 99, (3, 2, 4, 6, 5)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(data, isVector=False), str(tmp_path / "i.nrrd"))
    raster = read_raster(tmp_path / "i.nrrd")
    assert raster.axes == "tczyx"
    np.testing.assert_array_equal(raster.levels[0], data.swapaxes(0, 1))


def test_what_itk_says_comes_without_its_own_code(tmp_path):
    data = np.zeros((5, 6, 4, 1, 1, 2), np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "i.nii.gz")
    with pytest.raises(FileError, match=r"\(The file has unsupported image dimension of 6") as err:
        read_volume(tmp_path / "i.nii.gz")
    assert "cxx" not in str(err.value)
    assert "0x" not in str(err.value)


@pytest.mark.parametrize("count", [2, 5])
def test_samples_that_are_no_colours_are_channels(tmp_path, rng, count):
    data = rng.integers(0, 255, (6, 5, count)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "i.tif", data, photometric="minisblack", planarconfig="contig")
    layers = read_layers(str(tmp_path / "i.tif"))
    assert [meta["rgb"] for _, meta, _ in layers] == [False] * count
    for number, (seen, _, _) in enumerate(layers):
        np.testing.assert_array_equal(seen, data[..., number])


# ---- damage that the libraries pass over


DAMAGES = {
    "cut off": lambda b: b[: len(b) // 2],
    "last bytes gone": lambda b: b[:-3],
    "a bit in the middle": lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 4])
    + b[len(b) // 2 + 1 :],
    "zeros in the middle": lambda b: b[: len(b) // 2] + bytes(40) + b[len(b) // 2 + 40 :],
    "another checksum": lambda b: b[:-8] + bytes(4) + b[-4:],
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr", ".nii.gz"])
def test_packed_pixels_that_are_damaged_are_refused(tmp_path, rng, ending, how):
    path = tmp_path / f"i{ending}"
    image = sitk.GetImageFromArray(rng.integers(0, 200, (8, 32, 32)).astype(np.int16))
    sitk.WriteImage(image, str(path), useCompression=True)
    np.testing.assert_array_equal(values(path), sitk.GetArrayFromImage(image))
    held = {".mhd": tmp_path / "i.zraw", ".nhdr": tmp_path / "i.raw.gz"}.get(ending, path)
    held.write_bytes(DAMAGES[how](held.read_bytes()))
    with pytest.raises(FileError, match="file cannot be read"):
        read_volume(path)


def test_pixels_that_are_not_packed_as_the_header_says_are_refused(tmp_path):
    path = metaimage(tmp_path / "i.mha", CompressedData="True", CompressedDataSize="10")
    with pytest.raises(FileError, match="pixels that unpack whole"):
        read_volume(path)


@pytest.mark.parametrize("where", ["LOCAL", "i.mha"])
def test_pixels_that_begin_in_the_header_are_refused(tmp_path, where):
    path = metaimage(tmp_path / "i.mha", element_data_file=where, HeaderSize="4")
    with pytest.raises(FileError, match="where the header ends, for HeaderSize, got '4'"):
        read_volume(path)
    path = metaimage(tmp_path / "i.mha", element_data_file=where, HeaderSize="x")
    with pytest.raises(FileError, match="a whole number for HeaderSize"):
        read_volume(path)
    # counted from the end of the file
    path = metaimage(tmp_path / "i.mha", element_data_file=where, HeaderSize="-1")
    np.testing.assert_array_equal(values(path), BASE)


def test_a_header_that_is_its_own_data_file_is_refused(tmp_path):
    with pytest.raises(FileError, match="HeaderSize"):
        read_volume(metaimage(tmp_path / "i.mha", element_data_file="i.mha"))


def test_a_data_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(FileError, match=r"data file is missing: expected 'gone\.raw'"):
        read_volume(metaimage(tmp_path / "i.mhd", b"", element_data_file="gone.raw"))


# ---- sizes and values


def nifti(path, at, form, *numbers):
    """A NIfTI whose header has other numbers at a place."""
    content = bytearray(nibabel.Nifti1Image(BASE.T, np.eye(4)).to_bytes())
    struct.pack_into(f"<{form}", content, at, *numbers)
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


@pytest.mark.parametrize("size", [0.0, np.nan, np.inf])
def test_voxels_of_no_size_are_told(tmp_path, size):
    path = nifti(tmp_path / "i.nii", 80, "f", size)
    content = bytearray(path.read_bytes())
    struct.pack_into("<2h", content, 252, 0, 0)  # neither qform nor sform
    path.write_bytes(bytes(content))
    with pytest.warns(FileWarning, match="sizes of its voxels are not told"):
        assert read_volume(path).spacing[2] == 1.0


def test_an_sform_that_is_no_place_is_told_and_the_qform_taken(tmp_path):
    image = nibabel.Nifti1Image(BASE.T, np.diag([2.0, 3.0, 4.0, 1.0]))
    image.header.set_qform(image.affine, code=1)
    content = bytearray(image.to_bytes())
    struct.pack_into("<4f", content, 280, np.inf, 0, 0, 0)
    (tmp_path / "i.nii").write_bytes(content)
    with pytest.warns(FileWarning, match="sform is no place in space"):
        volume = read_volume(tmp_path / "i.nii")
    np.testing.assert_allclose(volume.spacing, (4, 3, 2))
    np.testing.assert_array_equal(volume.data, BASE)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_nifti_without_forms_has_the_sizes_of_its_voxels(tmp_path, kind):
    image = kind(BASE.T, None)
    image.header.set_zooms((2.0, 3.0, 4.0))
    image.header["qform_code"] = image.header["sform_code"] = 0
    nibabel.save(image, tmp_path / "i.nii")
    np.testing.assert_allclose(read_volume(tmp_path / "i.nii").spacing, (4, 3, 2))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("scale", [(1e-30, 0.0), (-1e-20, 3.0)])
def test_tiny_slopes_count(tmp_path, ending, scale):
    path = nifti(tmp_path / f"i{ending}", 112, "2f", *scale)
    np.testing.assert_allclose(values(path), nibabel.load(path).get_fdata().T, rtol=1e-12)


@pytest.mark.parametrize("told", ["nan 3 4", "0 3 4"])
def test_an_nrrd_that_does_not_know_its_spacing_says_so(tmp_path, told):
    lines = f"type: short\ndimension: 3\nsizes: 5 6 4\nspacings: {told}\nendian: little\n"
    (tmp_path / "i.nrrd").write_bytes(
        f"NRRD0004\n{lines}encoding: raw\n\n".encode() + BASE.tobytes()
    )
    if told.startswith("nan"):
        with pytest.warns(FileWarning, match="sizes of its voxels are not told"):
            assert read_volume(tmp_path / "i.nrrd").spacing == (4, 3, 1)
    else:
        with pytest.raises(FileError):
            read_volume(tmp_path / "i.nrrd")


def test_sizes_that_a_header_does_not_tell_are_told(tmp_path):
    untold = "sizes of its voxels are not told; 1 is taken"
    lines = "type: short\ndimension: 3\nsizes: 5 6 4\naxis maxs: 10 12 8\nendian: little\n"
    (tmp_path / "i.nrrd").write_bytes(
        f"NRRD0004\n{lines}encoding: raw\n\n".encode() + BASE.tobytes()
    )
    assert untold in remarks(tmp_path / "i.nrrd")
    path = metaimage(tmp_path / "i.mha", ElementSpacing="2 2 2")
    assert not remarks(path)
    path.write_bytes(path.read_bytes().replace(b"ElementSpacing = 2 2 2\n", b""))
    assert untold in remarks(path)


def test_values_that_a_metaimage_asks_for_are_told(tmp_path):
    asked = {"ElementToIntensityFunctionSlope": "1", "ElementToIntensityFunctionOffset": "-1024"}
    path = metaimage(tmp_path / "i.mha", **asked)
    assert "ElementToIntensityFunction (1 times, plus -1024) is not applied" in remarks(path)
    np.testing.assert_array_equal(values(path), BASE)
    assert not remarks(
        metaimage(tmp_path / "i.mha", **asked | {"ElementToIntensityFunctionOffset": "0"})
    )


def test_values_that_an_nrrd_was_made_from_are_told(tmp_path):
    head = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 3\nspacings: 2 2\nencoding: raw\n"
    path = tmp_path / "i.nrrd"
    path.write_bytes(head.encode() + b"old min: -0.5\noldmax: 4095\n\n" + bytes(12))
    assert "its values were -0.5 to 4095 before they were made whole numbers" in remarks(path)
    path.write_bytes(head.encode() + b"\n" + b"\nold min: 1\nold max: 2\n\n"[:12])
    assert not remarks(path)


def test_planes_of_a_tiff_that_have_no_distance_are_told(tmp_path):
    untold = "planes have no distance; the size of its columns is taken"
    about = {"axes": "ZYX", "unit": "um"}
    tifffile.imwrite(tmp_path / "i.tif", BASE, imagej=True, resolution=(2, 2), metadata=about)
    assert untold in remarks(tmp_path / "i.tif")
    tifffile.imwrite(tmp_path / "i.tif", BASE, imagej=True, resolution=(2, 2),
                     metadata=about | {"spacing": 3})  # fmt: skip
    assert not remarks(tmp_path / "i.tif")
    sizes = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "i.ome.tif", BASE, metadata=sizes)
    assert untold in remarks(tmp_path / "i.ome.tif")
    tifffile.imwrite(tmp_path / "i.ome.tif", BASE, metadata=sizes | {"PhysicalSizeZ": 2})
    assert not remarks(tmp_path / "i.ome.tif")


def test_a_resolution_of_nothing_is_no_inch(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", BASE[0], resolution=(0, 0), resolutionunit=2)
    volume = read_volume(tmp_path / "i.tif")
    assert (volume.spacing, volume.source.unit) == ((1.0, 1.0), "pixel")
    tifffile.imwrite(tmp_path / "i.tif", BASE[0], resolution=(10, 10), resolutionunit=2)
    assert read_volume(tmp_path / "i.tif").spacing == (2.54, 2.54)


@pytest.mark.parametrize("kind", [">i2", ">f4", ">u8", np.longdouble])
@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_come_in_types_that_all_parts_know(tmp_path, monkeypatch, kind, mapped):
    monkeypatch.setattr(raster, "MAPPED_BYTES", 1 if mapped else 1 << 30)
    np.save(tmp_path / "i.npy", BASE.astype(kind))
    data = values(tmp_path / "i.npy")
    assert data.dtype.isnative
    assert data.itemsize <= 8
    np.testing.assert_array_equal(data, BASE)
    ((seen, _, _),) = read_layers(str(tmp_path / "i.npy"))
    assert seen.dtype.isnative
    assert seen[1].dtype.isnative


def test_pieces_of_zarr_come_in_the_machines_byte_order(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(tmp_path / "i.zarr"), shape=BASE.shape, chunks=(2, 3, 5), dtype=">i2", zarr_format=2
    )
    array[...] = BASE
    data = values(tmp_path / "i.zarr")
    assert data.dtype.isnative
    np.testing.assert_array_equal(data, BASE)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_of_which_all_pieces_are_gone_is_told(tmp_path, zarr_format):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(tmp_path / "i.zarr"), shape=BASE.shape, chunks=(2, 3, 5), dtype="i2", fill_value=7,
        zarr_format=zarr_format,
    )  # fmt: skip
    assert "no piece of pixels is stored; 7 is shown everywhere" in remarks(tmp_path / "i.zarr")
    array[:2] = BASE[:2]
    assert not remarks(tmp_path / "i.zarr")


def test_the_level_of_an_ome_zarr_that_is_gone_is_named(tmp_path):
    pytest.importorskip("zarr")
    from napari_intseg.io.ome_zarr import write_ome_zarr

    path = tmp_path / "i.zarr"
    write_ome_zarr(path, BASE, Volume(BASE), version="0.4", is_labels=False)
    assert not remarks(path)
    for piece in (path / "0").iterdir():
        if not piece.name.startswith("."):
            shutil.rmtree(piece) if piece.is_dir() else piece.unlink()
    assert "no piece of pixels is stored of '0'" in remarks(path)


def test_pixels_of_hdf5_that_were_never_written_are_told(tmp_path):
    h5py = pytest.importorskip("h5py")

    def written(shape, count=0, **settings):
        path = tmp_path / "i.h5"
        with h5py.File(path, "w") as file:
            pixels = file.create_dataset("x", shape, "u1", **settings)
            for i in range(count):
                pixels[i] = 3
        return path

    # 10 GB in 2 kB, in one piece or in many
    for settings in ({"chunks": (1, 1000, 1000)}, {}):
        with pytest.raises(FileError, match="expected pixels of 10000000000 bytes, got '0 of "):
            read_volume(written((100, 10000, 10000), **settings))
    with pytest.warns(FileWarning, match="2 of its 4 pieces of pixels were never written; 7 is"):
        data = values(written((4, 6, 5), 2, chunks=(1, 6, 5), fillvalue=7))
    assert data[:, 0, 0].tolist() == [3, 3, 7, 7]
    with pytest.warns(FileWarning, match="1 of its 1 pieces"):
        assert not values(written((4, 6, 5))).any()


def test_a_transformation_of_ome_zarr_that_is_not_known_is_named(tmp_path):
    import json

    from napari_intseg.io.ome_zarr import write_ome_zarr

    path = tmp_path / "i.zarr"
    write_ome_zarr(path, BASE, Volume(BASE), version="0.4", is_labels=False)
    told = json.loads((path / ".zattrs").read_text())
    told["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [
        {"type": "affine", "affine": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}
    ]
    (path / ".zattrs").write_text(json.dumps(told))
    with pytest.raises(FileError, match="transformation is not understood"):
        read_volume(path)


# ---- DICOM


@pytest.mark.parametrize(("shift_mm", "is_told"), [(0.2, False), (5.0, True)])
def test_a_slice_that_lies_beside_the_others_is_told(tmp_path, dicom, shift_mm, is_told):
    slices = dicom.Scan().slices()
    x, y, z = map(float, slices[2].ImagePositionPatient)
    slices[2].ImagePositionPatient = [x + shift_mm, y, z]
    (series,) = list_series(dicom.Scan().write(tmp_path / "s", slices))
    assert any("beside the others" in problem for problem in series.problems) == is_told
    assert series.stack.is_regular != is_told


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_resampling_puts_a_slice_that_lies_beside_into_its_place(tmp_path, dicom):
    slices = dicom.Scan().slices()
    x, y, z = map(float, slices[2].ImagePositionPatient)
    # two columns; its pixels hold what is there
    slices[2].ImagePositionPatient = [x + 1.4, y, z]
    stored = np.frombuffer(slices[2].PixelData, np.uint16) + 4 * 1.4
    slices[2].PixelData = np.round(stored).astype(np.uint16).tobytes()
    (series,) = list_series(dicom.Scan().write(tmp_path / "s", slices))
    volume = read_series(series, resample=True)
    points = np.moveaxis(np.indices(volume.shape), 0, -1)
    wanted = dicom.value_at(points @ volume.affine[:3, :3].T + volume.affine[:3, 3])
    middle = (slice(None), slice(None), slice(2, 14))
    np.testing.assert_allclose(volume.data[middle], wanted[middle], atol=1)


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_a_tilted_uneven_stack_does_not_lie_beside_itself(tmp_path, dicom):
    scan = dicom.Scan(shear=(0.0, -0.3, 0.0), heights=[0, 2.5, 5, 10, 12.5])
    (series,) = list_series(scan.write(tmp_path / "s"))
    assert not any("beside" in problem for problem in series.problems)


@pytest.mark.parametrize("told", ["label 99999999999", "label ²", "label -3", "label 3 and more"])
def test_a_segment_whose_words_are_no_label_has_its_number(tmp_path, dicom, told):
    from pydicom import dcmread

    volume = read_volume(dicom.Scan().write(tmp_path / "s"))
    labels = np.zeros(volume.shape, np.uint8)
    labels[1, 2:5, 2:5], labels[2, 3, 3] = 4, 9
    write_labels(tmp_path / "l.dcm", labels, volume)
    seg = dcmread(tmp_path / "l.dcm")
    seg.SegmentSequence[1].TrackingID = told
    seg.SegmentSequence[1].SegmentLabel = "left\\right"
    seg.save_as(tmp_path / "l.dcm")
    assert np.unique(read_mask(tmp_path / "l.dcm", volume)).tolist() == [0, 2, 4]
    assert read_raster(tmp_path / "l.dcm").names == {4: "object 4", 2: "left\\right"}


# ---- names


ODD_NAMES = ["a b.{}", "per%cent%03d.{}", "日本 ü.{}", "new\nline.{}", "-dash.{}", "tab\t.{}"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha", "tif", "npy", "h5", "zarr"])
def test_odd_names_are_written_and_read(tmp_path, name, ending):
    path = tmp_path / name.format(ending)
    labels = (BASE > 100).astype(np.uint8)
    write_labels(path, labels, Volume(BASE))
    np.testing.assert_array_equal(values(path), labels)
    with pytest.raises(FileError, match="file exists"):
        write_labels(path, labels, Volume(BASE))


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on Unix alone")
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_names_that_end_itk_are_refused(tmp_path, ending):
    """SimpleITK ends the whole process over such a name, with the window and all work in it."""
    path = Path(f"{tmp_path}/\udcff.{ending}")
    try:
        path.write_bytes(b"")
    except OSError:
        pytest.skip("the disk takes no such name")
    with pytest.raises(FileError, match="name cannot be used"):
        read_volume(path)
    folder = Path(f"{tmp_path}/\udcfe")
    folder.mkdir()
    for target in (folder / f"l.{ending}", *([] if ending == "nii.gz" else [path])):
        with pytest.raises(FileError, match="name cannot be used"):
            write_labels(target, BASE > 100, Volume(BASE), overwrite=True)


def test_names_that_cannot_be_are_one_clear_error(tmp_path):
    with pytest.raises(FileError, match="name cannot be used"):
        check_target(f"{tmp_path}/a\0b.nii.gz")
    with pytest.raises(FileError, match="file is missing"):
        read_volume(f"{tmp_path}/a\0b.nii.gz")
    check_apart(f"{tmp_path}/a\0b.nii.gz", tmp_path / "i.nii.gz")
    with pytest.raises(FileError, match=r"journal cannot be written: .* Choose a shorter name"):
        check_journal(tmp_path / ("n" * 243 + ".nii.gz"), overwrite=False)


def test_links_in_a_circle_are_one_clear_error(tmp_path, capsys):
    one, two = tmp_path / "one.nii.gz", tmp_path / "two.nii.gz"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(FileError, match="file is missing"):
        read_volume(one)
    nibabel.save(nibabel.Nifti1Image(BASE.T, np.eye(4)), tmp_path / "i.nii.gz")
    click = ("--model", "random-walker", "--click", "2,3,3")
    assert main(["segment", str(one), "-o", str(tmp_path / "o.nii.gz"), *click]) == 2
    assert "file is missing" in capsys.readouterr().err
    assert main(["segment", str(tmp_path / "i.nii.gz"), "-o", str(one), *click]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


# ---- tables


def test_labels_below_zero_are_not_measured():
    labels = np.array([[0, -3], [2, 2]])
    with pytest.raises(DataError, match=r"labels are not counted from 0: .* got -3"):
        measure(labels, Volume(np.zeros((2, 2))))
    assert [row.label for row in measure(np.abs(labels), Volume(np.zeros((2, 2))))] == [2, 3]


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((4, 3), complex), np.full((4, 3), 1e300), np.zeros((4, 2)),
        np.full((4, 3), np.nan), np.zeros((4, 3), "U2"), np.full((4, 6), np.inf),
    ],
)  # fmt: skip
def test_points_that_are_no_places_are_refused(tmp_path, table):
    np.save(tmp_path / "c.npy", table)
    with pytest.raises(FileError, match="points cannot be read"):
        read_points(tmp_path / "c.npy")
    np.save(tmp_path / "c.npy", np.ones((4, 3), np.float32))
    assert read_points(tmp_path / "c.npy")[0].shape == (4, 3)


# ---- forms and offsets that cannot be


def changed_nifti(path, fields, version=nibabel.Nifti1Image):
    """A NIfTI of `BASE` whose header is changed byte by byte."""
    nibabel.save(version(BASE.T, np.diag([2, 3, 4, 1])), path)
    content = bytearray(path.read_bytes())
    for at, (form, value) in fields.items():
        struct.pack_into(form, content, at, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("version", "at"), [(nibabel.Nifti1Image, (108, "<f")), (nibabel.Nifti2Image, (168, "<q"))]
)
def test_an_offset_of_nothing_means_behind_the_header(tmp_path, version, at):
    path = changed_nifti(tmp_path / "i.nii", {at[0]: (at[1], 0)}, version)
    np.testing.assert_array_equal(values(path), BASE)
    packed = tmp_path / "i.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(values(packed), BASE)


@pytest.mark.parametrize(("b", "told"), [(2.0, "its qform is no place"), (1.0004, "")])
def test_a_rotation_that_is_none_does_not_change_sizes(tmp_path, b, told):
    fields = {254: ("<h", 0), 252: ("<h", 1), 256: ("<f", b), 260: ("<f", 0), 264: ("<f", 0)}
    path = changed_nifti(tmp_path / "i.nii", fields)
    assert read_volume(path).spacing == pytest.approx((4, 3, 2), rel=1e-5)
    assert told in remarks(path)
    assert bool(told) == bool(remarks(path))
    np.testing.assert_array_equal(values(path), BASE)


def test_a_unit_of_length_that_does_not_exist_is_told(tmp_path):
    path = changed_nifti(tmp_path / "i.nii", {123: ("B", 7)})
    assert "its unit of length has the unknown code 7" in remarks(path)
    assert read_volume(path).spacing == (4, 3, 2)


def test_an_axis_of_nrrd_without_a_direction_is_told(tmp_path):
    head = (
        "NRRD0005\ntype: short\ndimension: 3\nsizes: 5 6 4\nendian: little\nencoding: raw\n"
        "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) {}\n"
        "space origin: (1,2,3)\n\n"
    )
    for last, told in (("none", "sizes of its voxels are not told"), ("(0,0,4)", "")):
        path = tmp_path / "i.nrrd"
        path.write_bytes(head.format(last).encode() + RAW)
        assert bool(told) == bool(remarks(path))
        assert told in remarks(path)
