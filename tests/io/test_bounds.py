"""No file runs code, takes far more than it holds, or keeps its reader for ever."""

import bz2
import gzip
import json
import lzma
import pickle
import struct
import sys
import threading
import zlib
from pathlib import Path

import google_crc32c
import h5py
import numcodecs
import numpy as np
import pydicom
import pytest
import tifffile
import zarr
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from fuzz_corpus import MAKERS, dicom_slice
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.evaluation.truth import read_labels
from napari_intseg.io import child_process
from napari_intseg.io.dicom.decoder import read_data_set
from napari_intseg.io.dicom.series_reader import list_series
from napari_intseg.io.hooks import read_layers
from napari_intseg.io.raster import in_pieces
from napari_intseg.io.read import read_mask, read_raster, read_volume
from napari_intseg.io.write import write_array
from napari_intseg.io.zarr_store import CODECS, unpacks_within

FLAT = Volume(np.zeros((8, 8)))
RNG = np.random.default_rng(0)


class Marks:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def zarr_with(folder: Path, content: bytes = b"", *, version: int = 2, **about: object) -> Path:
    """Write a bare array with such metadata and one piece."""
    path = folder / "i.zarr"
    path.mkdir(parents=True)
    if version == 2:
        told = {
            "zarr_format": 2, "shape": [8, 8], "chunks": [8, 8], "dtype": "<u2", "fill_value": 0,
            "compressor": None, "order": "C", "filters": None, **about,
        }  # fmt: skip
        (path / ".zarray").write_text(json.dumps(told))
        (path / "0.0").write_bytes(content)
    else:
        told = {
            "zarr_format": 3, "node_type": "array", "shape": [8, 8], "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {}, **about,
        }  # fmt: skip
        (path / "zarr.json").write_text(json.dumps(told))
        (path / "c" / "0").mkdir(parents=True)
        (path / "c" / "0" / "0").write_bytes(content)
    return path


PICKLES = {
    "compressor": {"compressor": {"id": "pickle", "protocol": 4}},
    "filter": {"filters": [{"id": "pickle", "protocol": 4}]},
    "v3": {"version": 3, "codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
    "in a shard": {
        "version": 3,
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [8, 8],
                    "codecs": [{"name": "numcodecs.pickle", "configuration": {}}],
                    "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                },
            }
        ],
    },
}


@pytest.mark.parametrize("where", PICKLES)
@pytest.mark.parametrize(
    "way",
    [
        read_volume, read_raster, read_mask, lambda path: read_layers(str(path)),
        lambda path: np.asarray(read_volume(path).data),
    ],
    ids=["volume", "raster", "mask", "layers", "pixels"],
)  # fmt: skip
def test_a_codec_that_runs_code_is_refused_before_it_is_asked(tmp_path, where, way):
    mark = tmp_path / "mark"
    path = zarr_with(tmp_path, pickle.dumps(Marks(mark)), **PICKLES[where])
    with pytest.raises(FileError, match=r"expected codecs that are known .* got 'pickle'"):
        way(path, FLAT) if way is read_mask else way(path)
    assert not mark.exists()


def test_pickle_is_not_among_the_codecs_and_all_of_them_exist():
    assert not {"pickle", "json2", "msgpack2"} & CODECS
    known = {name.removeprefix("numcodecs.") for name in numcodecs.registry.codec_registry}
    of_zarr = {"bytes", "endian", "transpose", "sharding_indexed", "gzip", "zstd", "blosc"}
    optional = {"crc32c", "msgpack2"}
    assert known | of_zarr | optional >= CODECS


@pytest.mark.parametrize("where", ["consolidated", "array"])
def test_consolidated_metadata_are_no_way_round(tmp_path, where):
    path = zarr_with(tmp_path / "x", pickle.dumps(Marks(tmp_path / "mark")), **PICKLES["filter"])
    group = tmp_path / "g.zarr"
    group.mkdir()
    path.rename(group / "0")
    bad = json.loads((group / "0" / ".zarray").read_text())
    good = {**bad, "filters": None}
    image = {"axes": [{"name": a} for a in "yx"], "datasets": [{"path": "0"}], "version": "0.4"}
    attributes = {"multiscales": [image]}
    told = {".zgroup": {"zarr_format": 2}, ".zattrs": attributes}
    told["0/.zarray"], own = (bad, good) if where == "consolidated" else (good, bad)
    (group / ".zgroup").write_text('{"zarr_format": 2}')
    (group / ".zattrs").write_text(json.dumps(attributes))
    (group / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": told}))
    (group / "0" / ".zarray").write_text(json.dumps(own))
    # what an array says itself counts, by which these are no pixels
    told = "damaged piece" if where == "consolidated" else "got 'pickle'"
    with pytest.raises(FileError, match=told):
        np.asarray(read_volume(group).data)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "codec",
    [
        numcodecs.Zlib(), numcodecs.GZip(), numcodecs.Zstd(), numcodecs.LZ4(), numcodecs.BZ2(),
        numcodecs.LZMA(), numcodecs.Blosc("zstd"), numcodecs.Blosc("lz4"),
    ],
)  # fmt: skip
def test_what_unpacks_to_far_more_is_refused_and_whole_pieces_are_read(tmp_path, codec):
    image = RNG.integers(0, 999, (8, 8)).astype(np.uint16)
    config = codec.get_config()
    whole = zarr_with(tmp_path / "a", bytes(codec.encode(image.tobytes())), compressor=config)
    np.testing.assert_array_equal(read_volume(whole).data, image)
    is_deflate = isinstance(codec, numcodecs.Zlib | numcodecs.GZip)
    bomb = bytes(codec.encode(bytes(1 << (27 if is_deflate else 22))))
    path = zarr_with(tmp_path / "b", bomb, compressor=config)
    with pytest.raises(FileError, match="unpacks to more than"):
        np.asarray(read_volume(path).data)


@pytest.mark.parametrize("name", ["gzip", "zstd", "blosc"])
@pytest.mark.parametrize("sharded", [False, True])
def test_zarr_3_is_bounded_too(tmp_path, name, sharded):
    codecs = {
        "gzip": zarr.codecs.GzipCodec(), "zstd": zarr.codecs.ZstdCodec(),
        "blosc": zarr.codecs.BloscCodec(),
    }  # fmt: skip
    image = RNG.integers(0, 999, (8, 8)).astype(np.uint16)
    path = tmp_path / "i.zarr"
    shards = {"shards": (8, 8), "chunks": (4, 4)} if sharded else {"chunks": (8, 8)}
    zarr.create_array(path, data=image, compressors=codecs[name], **shards)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, image)
    np.testing.assert_array_equal(volume.data[2:5, 1:2], image[2:5, 1:2])
    (piece,) = [p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json"]
    packed = {
        "gzip": gzip.compress, "zstd": numcodecs.Zstd().encode, "blosc": numcodecs.Blosc().encode,
    }[name](bytes(1 << 27))  # fmt: skip
    if sharded:  # one piece, four entries that show it
        index = np.array([[0, len(packed)]] * 4, "<u8").tobytes()
        packed = bytes(packed) + index + struct.pack("<I", google_crc32c.value(index))
    piece.write_bytes(bytes(packed))
    with pytest.raises(FileError, match="unpacks to more than"):
        np.asarray(read_volume(path).data)


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"chunks": [0, 8]}, "at least one value along each axis"),
        ({"chunks": [8]}, "at least one value along each axis"),
        ({"chunks": [1 << 20, 1 << 20]}, "pieces of at most"),
        ({"compressor": {"id": "zlib"}, "filters": [{"id": "zlib"}]}, "bytes that are packed once"),
        ({"filters": [{"id": "delta", "dtype": "<U99999999"}]}, "expected numbers for dtype"),
        ({"shape": "many"}, "metadata of an array"),
    ],
)
def test_metadata_that_cannot_be_are_refused(tmp_path, about, told):
    with pytest.raises(FileError, match=told):
        read_volume(zarr_with(tmp_path, **about))


def test_a_file_does_not_become_tens_of_thousands_of_layers(tmp_path):
    for count in (3, 20_000):
        tifffile.imwrite(
            tmp_path / "i.ome.tif", np.zeros((count, 2, 2), np.uint8), ome=True,
            photometric="minisblack", metadata={"axes": "CYX"},
        )  # fmt: skip
        if count == 3:
            assert len(read_layers(str(tmp_path / "i.ome.tif"))) == 3
    with pytest.raises(FileError, match="file has too many channels: expected at most 1000"):
        read_layers(str(tmp_path / "i.ome.tif"))


def test_an_image_has_few_levels(tmp_path):
    path = MAKERS[".zarr"](tmp_path, RNG)
    told = json.loads((path / ".zattrs").read_text())
    told["multiscales"][0]["datasets"] *= 100
    (path / ".zattrs").write_text(json.dumps(told))
    with pytest.raises(FileError, match="expected at most 64 levels"):
        read_layers(str(path))


@pytest.mark.parametrize("shape", [(32768, 32768, 32768), (3, 2**17, 2**17), (2**19, 64, 64)])
def test_many_pieces_are_joined_so_that_a_graph_can_hold_them(shape):
    class Array:
        ndim, dtype, chunks = 3, np.dtype(np.uint16), (1, 64, 64)

    Array.shape = shape
    joined = in_pieces(Array, Path("i.zarr"))
    assert joined.npartitions <= 1 << 19
    assert joined.shape == shape
    assert all(size % 64 == 0 for size in joined.chunks[1][:-1])


@pytest.mark.parametrize(
    ("codec", "pack"),
    [
        ("zlib", zlib.compress), ("gzip", gzip.compress), ("bz2", bz2.compress),
        ("lzma", lzma.compress), ("zstd", numcodecs.Zstd(22).encode),
        ("lz4", numcodecs.LZ4().encode), ("blosc", numcodecs.Blosc().encode),
    ],
)  # fmt: skip
def test_sizes_are_found_out_before_unpacking(codec, pack):
    for content in (bytes(1 << 20), RNG.bytes(1 << 20), b"ab" * (1 << 19)):
        packed = memoryview(bytes(pack(content)))
        assert unpacks_within(codec, packed, 1 << 20)
        assert unpacks_within(codec, packed[: len(packed) // 2], 1 << 20)
    bomb = memoryview(bytes(pack(bytes(1 << (27 if codec in ("zlib", "gzip") else 22)))))
    assert not unpacks_within(codec, bomb, 1 << 20)
    assert unpacks_within(codec, memoryview(b""), 0)
    assert unpacks_within(codec, memoryview(RNG.bytes(64)), 1 << 33)


def test_members_and_frames_one_after_another_are_added_up():
    packed = memoryview(gzip.compress(bytes(1 << 26)) * 2)
    assert not unpacks_within("gzip", packed, (1 << 27) - 1)
    assert unpacks_within("gzip", packed, 1 << 27)
    # a frame that does not state its size: made of two blocks of 128 kB of one byte each
    block = struct.pack("<I", (1 << 17) << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", (1 << 17) << 3 | 1 << 1 | 1)[:3] + b"\0"
    frame = memoryview(struct.pack("<IBB", 0xFD2FB528, 0, 0x58) + block + last)
    assert unpacks_within("zstd", frame, 1 << 18)
    assert not unpacks_within("zstd", frame, (1 << 18) - 1)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n",
        b"\xc5\xd0\xd3\xc6" + bytes(99), b"GIF89a" + bytes(99), b"BM" + bytes(99),
        b"RIFF\x10\0\0\0WEBP" + bytes(99), b"P6 9 9 255\n" + bytes(243), b"",
    ],
)  # fmt: skip
def test_pictures_are_opened_by_their_own_decoder_alone(tmp_path, monkeypatch, ending, content):
    asked = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *a, **_: asked.append(a))
    (tmp_path / f"i{ending}").write_bytes(content)
    for read in (read_volume, read_labels):
        with pytest.raises(FileError, match="expected an image or mask that begins as"):
            read(tmp_path / f"i{ending}")
    assert asked == []


def test_a_picture_with_the_other_ending_is_read_as_what_it_is(tmp_path):
    image = RNG.integers(0, 255, (12, 10, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "i.png")
    (tmp_path / "i.png").rename(tmp_path / "i.jpg")
    np.testing.assert_array_equal(read_volume(tmp_path / "i.jpg").data, image)


def test_a_picture_holds_the_pixels_that_it_declares(tmp_path):
    Image.fromarray(np.zeros((12, 10), np.uint8)).save(tmp_path / "i.png")
    content = (tmp_path / "i.png").read_bytes()
    (tmp_path / "i.png").write_bytes(
        content.replace(struct.pack(">2I", 10, 12), struct.pack(">2I", 10, 7238254))
    )
    with pytest.raises(FileError, match="header declares 79620794 bytes"):
        read_volume(tmp_path / "i.png")
    Image.fromarray(np.zeros((4000, 4000), np.uint8)).save(tmp_path / "i.png")  # all one colour
    assert read_volume(tmp_path / "i.png").shape == (4000, 4000)
    Image.fromarray(np.zeros((4000, 4000), np.uint8)).save(
        tmp_path / "i.jpg", progressive=True, optimize=True
    )
    assert read_volume(tmp_path / "i.jpg").shape == (4000, 4000)


def test_a_jpeg_of_a_thousand_scans_is_refused(tmp_path):
    Image.fromarray(RNG.integers(0, 255, (64, 64)).astype(np.uint8)).save(
        tmp_path / "i.jpg", progressive=True
    )
    content = (tmp_path / "i.jpg").read_bytes()
    at = content.rindex(b"\xff\xda")
    (tmp_path / "i.jpg").write_bytes(content[:at] + content[at:-2] * 1000 + b"\xff\xd9")
    with pytest.raises(FileError, match="expected a JPEG of at most 100 scans"):
        read_volume(tmp_path / "i.jpg")


def test_pages_in_a_circle_are_refused(tmp_path):
    path = tmp_path / "i.tif"
    tifffile.imwrite(path, np.zeros((3, 12, 10), np.uint8), metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
        (count,) = struct.unpack_from("<H", path.read_bytes(), offsets[2])
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, offsets[2] + 2 + 12 * count, offsets[1])
    path.write_bytes(content)
    with pytest.raises(FileError, match="got a circle of 3"):
        read_volume(path)


@pytest.mark.parametrize("levels", [2, 5])
def test_levels_that_follow_one_another_are_no_circle(tmp_path, levels):
    image = RNG.integers(0, 999, (64, 96)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "i.ome.tif", ome=True) as file:
        file.write(image, subifds=levels, photometric="minisblack")
        for level in range(1, levels + 1):
            part = image[:: 2**level, :: 2**level]
            file.write(part, subfiletype=1, photometric="minisblack")
    raster = read_raster(tmp_path / "i.ome.tif")
    assert len(raster.levels) == levels + 1
    np.testing.assert_array_equal(raster.levels[0], image)


def pages_in_pages(count, back):
    """A TIFF whose pages lie in one another, the last of which leads back to the first."""
    at = [8 + 18 * i for i in range(count)]
    to = [*at[1:], at[0] if back else 0]
    pages = [struct.pack("<HHHIII", 1, 330, 4, 1, one, 0) for one in to]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


@pytest.mark.parametrize(("count", "back"), [(2, True), (3, True), (50_000, False)])
def test_pages_that_lie_in_themselves_or_without_end_are_refused(tmp_path, count, back):
    (tmp_path / "i.tif").write_bytes(pages_in_pages(count, back))
    with pytest.raises(FileError, match="got a circle of"):
        read_volume(tmp_path / "i.tif")


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
def test_a_packed_tiff_holds_the_pixels_that_it_declares(tmp_path, compression):
    path = tmp_path / "i.tif"
    tifffile.imwrite(path, np.zeros((12, 10), np.uint8), compression=compression)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(100_000_000)
    with pytest.raises(FileError, match="header declares 1200000000 bytes"):
        read_volume(path)
    with pytest.raises(FileError, match="header declares 1200000000 bytes"):
        read_labels(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("at", "form", "value", "told"),
    [
        (108, "f", -1.36e8, "voxels that begin at"),
        (108, "f", float("nan"), "voxels that begin at"),
        (108, "f", 3e9, "voxels that begin at"),
        (40, "h", -3, "1 to 7 axes"),
        (42, "h", 0, "1 to 7 axes"),
        (345, "B", 0x69, "voxels in the same file"),
    ],
)
def test_a_nifti_header_is_checked_before_itk_reads_it(tmp_path, ending, at, form, value, told):
    path = MAKERS[ending](tmp_path, RNG)
    content = bytearray(
        path.read_bytes() if ending == ".nii" else gzip.decompress(path.read_bytes())
    )
    struct.pack_into(f"<{form}", content, at, value)
    path.write_bytes(content if ending == ".nii" else gzip.compress(content))
    with pytest.raises(FileError, match=told):
        read_volume(path)


@pytest.mark.parametrize("length", [0, -16, 8, 17, 1 << 20])
def test_extensions_of_nifti_come_to_an_end(tmp_path, length):
    path = MAKERS[".nii"](tmp_path, RNG)
    content = path.read_bytes()
    image = read_volume(path).data
    for size in (32, length):
        changed = bytearray(
            content[:348] + b"\1\0\0\0" + struct.pack("<2i", size, 6) + bytes(24) + content[352:]
        )
        struct.pack_into("<f", changed, 108, 352 + 32)
        path.write_bytes(changed)
        if size == 32:
            np.testing.assert_array_equal(read_volume(path).data, image)
    with pytest.raises(FileError, match="expected an extension of 16 bytes or a multiple"):
        read_volume(path)


def test_what_is_behind_the_voxels_of_nifti_is_not_unpacked(tmp_path):
    path = MAKERS[".nii"](tmp_path, RNG)
    (tmp_path / "j.nii.gz").write_bytes(gzip.compress(path.read_bytes() + bytes(1 << 27), 1))
    with pytest.raises(FileError, match="that its header declares"):
        read_volume(tmp_path / "j.nii.gz")


def test_deflated_dicom_is_unpacked_as_far_as_needed(tmp_path):
    image = RNG.integers(0, 900, (12, 10))
    path = dicom_slice(tmp_path / "i.dcm", image, 0, DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(read_volume(path).data[0], image - 1024)
    whole = pydicom.dcmread(path)
    assert read_data_set(path, pixels=True) == whole
    assert "PixelData" not in read_data_set(path)
    content = path.read_bytes()
    start = 144 + struct.unpack("<I", content[140:144])[0]
    raw = zlib.decompress(content[start:], -15)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    bomb = packer.compress(raw + struct.pack("<HH2sHI", 0x7FE1, 0x1001, b"OB", 0, 1 << 27))
    bomb += packer.compress(bytes(1 << 27)) + packer.flush()
    path.write_bytes(content[:start] + bomb)
    assert len(list_series(path)) == 1
    with pytest.raises(FileError, match="unpacks to more than the"):
        read_volume(path)


def test_pieces_of_hdf5_hold_what_they_say(tmp_path):
    path = tmp_path / "i.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", (8, 8), "u2", chunks=(8, 8), compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 27), 1))
    with pytest.raises(FileError, match=r"expected pieces of 128 bytes|its reader ended"):
        read_volume(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=RNG.integers(0, 999, (64, 64)), compression="gzip")
    assert read_volume(path).shape == (64, 64)


@pytest.fixture
def hanging(monkeypatch):
    """A child that answers that it is there, and then does as it is told."""

    def start(then: str) -> None:
        program = (
            f"import sys, time\nprint('ready', flush=True)\nfor line in sys.stdin:\n    {then}\n"
        )
        monkeypatch.setattr(child_process, "COMMAND", (sys.executable, "-c", program + then))
        monkeypatch.setattr(child_process, "LIMIT_S", 1.0)
        monkeypatch.setattr(child_process, "_first", child_process._First())

    yield start
    child_process._first.close()


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("time.sleep(999)", "it was not open after 1 s"),
        ("sys.exit(3)", "the reader crashed"),
        ("print('memory', flush=True)", "it asks for much memory"),
    ],
)
def test_a_reader_that_ends_badly_ends_in_the_child(tmp_path, hanging, then, told):
    path = tmp_path / "i.mha"
    write_array(path, np.zeros((8, 8), np.int16), FLAT)
    hanging(then)
    with pytest.raises(FileError, match=f"over which its reader ended .{told}"):
        read_volume(path)
    threads = threading.active_count()
    hanging("print('done', flush=True)")
    assert read_volume(path).shape == (8, 8)
    assert read_volume(path).shape == (8, 8)
    assert threading.active_count() <= threads + 1


def test_without_a_child_files_are_read_all_the_same(tmp_path, monkeypatch, caplog):
    path = tmp_path / "i.mha"
    write_array(path, np.zeros((8, 8), np.int16), FLAT)
    monkeypatch.setattr(child_process, "_first", child_process._First())
    monkeypatch.setattr(child_process, "COMMAND", (sys.executable, "-c", "pass"))
    assert read_volume(path).shape == (8, 8)
    assert "files are not opened in a process of their own first" in caplog.text
