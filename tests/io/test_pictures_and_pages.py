"""Pictures and TIFF of every depth, colour and compression; and what files lack, told."""

import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.evaluation import truth
from napari_intseg.io.hooks import read_layers
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.suffixes import FileWarning
from napari_intseg.io.write import write_labels

LABELS = np.zeros((30, 40), np.uint8)
LABELS[5:12, 5:12], LABELS[15:25, 20:33] = 1, 2


def indexed(path, **options):
    picture = Image.fromarray(LABELS).convert("P")
    picture.putdata(LABELS.ravel().tolist())
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"transparency": 0}, {"bits": 4}])
def test_the_numbers_of_a_palette_are_labels(tmp_path, options):
    image = tmp_path / "i.png"
    Image.fromarray(np.dstack([LABELS * 90] * 3)).save(image)
    found = read_mask(indexed(tmp_path / "voc.png", **options), read_volume(image))
    np.testing.assert_array_equal(found, LABELS)


def test_a_palette_of_an_image_is_its_colours(tmp_path):
    volume = read_volume(indexed(tmp_path / "i.png"))
    assert volume.n_channels == 3
    np.testing.assert_array_equal(volume.data[8, 8], (128, 0, 0))


@pytest.mark.parametrize("command", ["segment", "more", "measure", "compare"])
def test_commands_take_masks_with_a_palette(tmp_path, command, capsys):
    from napari_intseg.cli.main import main

    Image.fromarray(LABELS * 90 + 20).save(tmp_path / "i.png")
    mask, image = str(indexed(tmp_path / "voc.png")), str(tmp_path / "i.png")
    out = str(tmp_path / "o.tif")
    walker = ["--model", "random-walker"]
    words = {
        "segment": ["segment", image, "-o", out, "--init", mask, "--click", "20,25@2", *walker],
        "more": ["more", image, mask, "-o", out, *walker],
        "measure": ["measure", mask, "-o", str(tmp_path / "o.csv")],
        "compare": ["compare", image, "--truth", mask, "--click", "20,25", "--quiet",
                    "--model", "random-walker", "--model", "threshold"],
    }[command]  # fmt: skip
    code = main(words)
    told = capsys.readouterr().err
    assert "mask does not hold labels" not in told
    if command != "compare":
        assert code == 0, told


def save_16_bit(path, data):
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(data))
    return path


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_16_bits_keep_them(tmp_path, rng, channels):
    data = rng.integers(0, 65535, (30, 40, channels)).astype(np.uint16)
    path = save_16_bit(tmp_path / "i.png", data)
    np.testing.assert_array_equal(read_volume(path).data, data)
    np.testing.assert_array_equal(truth._read(path), data)


def test_cmyk_pictures_become_red_green_and_blue(tmp_path):
    rgb = np.full((32, 32, 3), (200, 30, 30), np.uint8)
    inks = Image.fromarray(rgb).convert("CMYK")
    inks.save(tmp_path / "i.jpg", quality=95)
    inks.save(tmp_path / "i.tif")
    for name in ("i.jpg", "i.tif"):
        volume = read_volume(tmp_path / name)
        assert volume.n_channels == 3
        np.testing.assert_allclose(volume.data[16, 16].astype(int), (200, 30, 30), atol=4)
    np.testing.assert_allclose(truth._read(tmp_path / "i.tif")[16, 16], (200, 30, 30), atol=2)


KINDS = ["lzw", "zlib", "packbits", "zstd", "lzma", "webp", "jpeg", "jpeg2000", "jpegxr", "png"]


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_tiff_is_read(tmp_path, rng, kind):
    shape = (40, 48, 3) if kind == "webp" else (40, 48)
    data = rng.integers(0, 255, shape).astype(np.uint8)
    exact = {"webp": {"lossless": True}, "jpegxr": {"level": 100}, "jpeg2000": {"reversible": True}}
    photometric = "rgb" if kind == "webp" else "minisblack"
    tifffile.imwrite(
        tmp_path / "i.tif", data, compression=kind, compressionargs=exact.get(kind),
        photometric=photometric,
    )  # fmt: skip
    found = read_volume(tmp_path / "i.tif").data
    assert found.shape == data.shape
    if kind == "jpeg":
        assert np.abs(found.astype(int) - data).mean() < 20
    else:
        np.testing.assert_array_equal(found, data)


def test_what_unpacks_is_named_where_it_is_not_installed(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "i.tif", np.zeros((40, 48), np.uint8), compression="lzw")
    monkeypatch.setattr(
        tifffile.TiffPageSeries, "asarray",
        lambda *_, **__: (_ for _ in ()).throw(ValueError("requires the 'imagecodecs' package")),
    )  # fmt: skip
    with pytest.raises(MissingExtraError, match="pip install imagecodecs"):
        read_volume(tmp_path / "i.tif")


def test_masks_of_1_bit_and_pictures_of_12_are_read(tmp_path, rng):
    mask = LABELS > 0
    tifffile.imwrite(tmp_path / "m.tif", mask)
    tifffile.imwrite(tmp_path / "i.tif", LABELS)
    image = read_volume(tmp_path / "i.tif")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif", image), mask)
    Image.fromarray(mask).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", image), mask)
    deep = rng.integers(0, 4095, (30, 40)).astype(np.uint16)
    path = packed_12_bit(tmp_path / "d.tif", deep)
    np.testing.assert_array_equal(read_volume(path).data, deep)


def packed_12_bit(path, data):
    """Write a TIFF whose values take a byte and a half, as cameras do."""
    blank = np.zeros((data.shape[0], data.shape[1] * 3 // 2), np.uint8)
    tifffile.imwrite(path, blank, metadata=None)
    pairs = data.reshape(-1, 2).astype(np.uint32)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1
    ).astype(np.uint8)
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages.first
        page.tags["ImageWidth"].overwrite(data.shape[1])
        page.tags["BitsPerSample"].overwrite(12)
        file.filehandle.seek(page.dataoffsets[0])
        file.filehandle.write(packed.tobytes())
    return path


def test_a_1_bit_mask_that_is_cut_off_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", np.ones((400, 480), bool))
    raw = (tmp_path / "m.tif").read_bytes()
    (tmp_path / "m.tif").write_bytes(raw[:-4000])
    with pytest.raises(FileError, match="file cannot be read"):
        read_volume(tmp_path / "m.tif")


def two_ome_files(folder, stack):
    names = ["s_1.ome.tif", "s_2.ome.tif"]
    ids = [f"urn:uuid:0000000{i}-1111-1111-1111-111111111111" for i in range(2)]
    data = "".join(
        f'<TiffData FirstC="0" FirstT="0" FirstZ="{3 * k + j}" IFD="{j}" PlaneCount="1">'
        f'<UUID FileName="{names[k]}">{ids[k]}</UUID></TiffData>'
        for k in range(2)
        for j in range(3)
    )
    for i, name in enumerate(names):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{ids[i]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="30" SizeY="20" SizeZ="6" SizeC="1" SizeT="1">{data}</Pixels>'
            "</Image></OME>"
        )
        tifffile.imwrite(
            folder / name, stack[3 * i : 3 * i + 3], description=xml.encode(), metadata=None,
            photometric="minisblack",
        )  # fmt: skip
    return [folder / name for name in names]


def test_a_missing_member_of_an_ome_tiff_is_told_by_name(tmp_path, rng):
    stack = rng.integers(1, 60000, (6, 20, 30)).astype(np.uint16)
    one, two = two_ome_files(tmp_path, stack)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_volume(one).data, stack)
    two.unlink()
    with pytest.warns(FileWarning, match=r"3 of 6 pages are missing .* there is no s_2.ome.tif"):
        found = read_volume(one).data
    np.testing.assert_array_equal(found[:3], stack[:3])
    with pytest.warns(FileWarning, match="3 of 6 pages are missing"):
        truth._read(one)


def test_pages_that_are_missing_are_told_or_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "whole.ome.tif", np.ones((6, 20, 30), np.uint16), ome=True,
        photometric="minisblack", metadata={"axes": "ZYX"},
    )  # fmt: skip
    with tifffile.TiffFile(tmp_path / "whole.ome.tif") as file:
        text = file.ome_metadata.encode()
    part = np.ones((3, 20, 30), np.uint16)
    about = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "p.ome.tif", part, description=text, **about)
    with pytest.warns(FileWarning, match="3 of 6 pages are missing and read as 0"):
        read_volume(tmp_path / "p.ome.tif")
    text = "ImageJ=1.54f\nimages=6\nslices=6\nloop=false\n"
    for packed in (None, "zlib"):
        tifffile.imwrite(tmp_path / "p.tif", part, description=text, compression=packed, **about)
        with pytest.raises(FileError, match="file cannot be read"):
            read_volume(tmp_path / "p.tif")


def test_the_largest_image_of_a_tiff_is_read_and_the_others_are_told(tmp_path, rng):
    whole = rng.integers(0, 255, (5, 60, 80)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "i.tif") as file:
        file.write(whole[0, ::4, ::4].copy(), photometric="minisblack")
        file.write(whole, photometric="minisblack")
    with pytest.warns(FileWarning, match=r"holds 2 images: number 2, .* not those of 15x20\."):
        volume = read_volume(tmp_path / "i.tif")
    np.testing.assert_array_equal(volume.data, whole)


def test_sizes_are_those_of_the_image_that_is_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "i.ome.tif", ome=True) as file:
        for shape, size in (((10, 12), 4.0), ((40, 48), 1.0)):
            file.write(
                np.zeros(shape, np.uint8), photometric="minisblack",
                metadata={"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size},
            )  # fmt: skip
    with pytest.warns(FileWarning, match="number 2"):
        volume = read_volume(tmp_path / "i.ome.tif")
    np.testing.assert_allclose(volume.spacing, (1e-3, 1e-3))


def test_labels_of_an_image_with_inks_are_written(tmp_path):
    rgb = np.full((32, 32, 3), (200, 30, 30), np.uint8)
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "i.tif")
    volume = read_volume(tmp_path / "i.tif")
    write_labels(tmp_path / "l.tif", np.ones(volume.shape, np.uint8), volume)
    assert read_mask(tmp_path / "l.tif", volume).all()


@pytest.mark.parametrize("kind", ["cielab", "icclab", "itulab", "logluv", "ycbcr"])
def test_colours_that_are_not_red_green_and_blue_are_refused(tmp_path, kind):
    tifffile.imwrite(tmp_path / "i.tif", np.full((8, 9, 3), 90, np.uint8), photometric=kind)
    with pytest.raises(FileError, match=rf"colours cannot be read: .* got (?i:{kind}) in .*i\.tif"):
        read_volume(tmp_path / "i.tif")
    with pytest.raises(FileError, match="colours cannot be read"):
        read_layers(str(tmp_path / "i.tif"))


def test_jpeg_in_a_tiff_comes_out_of_its_decoder_as_red_green_and_blue(tmp_path):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    tifffile.imwrite(tmp_path / "i.tif", red, photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(tmp_path / "i.tif") as file:
        assert file.pages[0].photometric == tifffile.PHOTOMETRIC.YCBCR
    np.testing.assert_allclose(read_volume(tmp_path / "i.tif").data, red, atol=4)


def test_grey_where_0_is_shown_white_is_read_as_it_is_stored(tmp_path):
    grey = np.arange(72, dtype=np.uint8).reshape(8, 9)
    tifffile.imwrite(tmp_path / "i.tif", grey, photometric="miniswhite")
    np.testing.assert_array_equal(read_volume(tmp_path / "i.tif").data, grey)


@pytest.mark.parametrize("name", ["i.jpg", "i.png", "i.tif"])
def test_a_picture_that_asks_to_be_shown_turned_is_told(tmp_path, name):
    def save(orientation):
        if name == "i.tif":
            tifffile.imwrite(tmp_path / name, LABELS, extratags=[(274, 3, 1, orientation, True)])
            return
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(LABELS).save(tmp_path / name, exif=exif)

    save(6)
    with pytest.warns(FileWarning, match=r"shown turned or mirrored \(orientation 6\)"):
        assert read_volume(tmp_path / name).shape == LABELS.shape
    save(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FileWarning)
        read_volume(tmp_path / name)


def test_words_of_a_camera_that_are_damaged_are_passed_over(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "i.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_volume(tmp_path / "i.jpg").shape == LABELS.shape


def test_other_pictures_of_a_file_are_told(tmp_path):
    first, second = Image.fromarray(LABELS), Image.fromarray(LABELS * 9)
    first.save(tmp_path / "i.png", save_all=True, append_images=[second])
    with pytest.warns(FileWarning, match="it holds 2 pictures, of which the first is read"):
        np.testing.assert_array_equal(read_volume(tmp_path / "i.png").data, LABELS)


# 10,000 dots a centimetre are 1 µm; a metre of PNG and BMP holds a million of them
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(
    ("dots", "size_um", "told"),
    [
        ((25400, 12700), (2.0, 1.0), None),
        ((25400, 600), None, "tells 25400 dots an inch, the size of a print"),
        ((1200, 1200), None, "tells 1200 dots an inch, the size of a print"),
        ((300, 300), None, None),
        ((72, 72), None, None),
    ],
)
def test_a_picture_has_the_size_that_somebody_measured(tmp_path, suffix, dots, size_um, told):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(path, dpi=dots)
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        volume = read_volume(path)
    assert [told in str(one.message) for one in remarks] == ([True] if told else [])
    wanted = (1.0, 1.0) if size_um is None else tuple(um / 1e3 for um in size_um)
    np.testing.assert_allclose(volume.spacing[-2:], wanted, rtol=1e-4)
    assert volume.source.unit == ("pixel" if size_um is None else "µm")


def test_labels_of_such_a_picture_tell_its_size_again(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(path, dpi=(25400, 12700))
    volume = read_volume(path)
    labels = np.arange(72, dtype=np.uint8).reshape(8, 9)
    for name in ("b.png", "b.tif"):
        write_labels(tmp_path / name, labels, volume)
        again = read_volume(tmp_path / name)
        np.testing.assert_allclose(again.spacing, volume.spacing, rtol=1e-5)
        assert again.source.unit == "µm"
