"""Damaged files of every kind: one clear error or an image, never a crash, hang or greed."""

import gzip
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.hooks import get_reader, read_layers
from napari_intseg.io.ome_zarr import write_ome_zarr
from napari_intseg.io.read import read_mask, read_raster, read_volume
from napari_intseg.io.write import write_array, write_labels, write_picture

VOLUME = Volume(np.zeros((4, 12, 10)), spacing=(5.0, 0.7, 0.7))
FLAT = Volume(np.zeros((12, 10)))
HEADER_BYTES = 700  # where the formats keep their sizes
LIMIT_S = 120.0  # a hang, not a slow machine
GROWTH_KIB = 300_000
LIES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
FILES = (
    "i.nii", "i.nii.gz", "i.nrrd", "i.nhdr", "i.mha", "i.mhd", "i.tif", "i.ome.tif", "z.tif",
    "i.png", "i.jpg", "i.npy", "i.h5", "0.4.zarr", "0.5.zarr", "t.nii", "t.mha", "t.nrrd",
    "t.ome.tif", "t.h5",
)  # fmt: skip


def make(folder: Path, name: str) -> Path:
    """Write a small image of a kind, and return it."""
    rng = np.random.default_rng(3)
    path = folder / name
    if name.endswith(".zarr"):
        image = rng.integers(0, 900, VOLUME.shape).astype(np.uint16)
        write_ome_zarr(path, image, VOLUME, version=name[:3], is_labels=False)
    elif name == "z.tif":
        image = rng.integers(0, 9, VOLUME.shape).astype(np.uint16)
        tifffile.imwrite(path, image, compression="zlib", photometric="minisblack")
    elif name == "i.png":
        write_picture(path, rng.integers(0, 255, (12, 10, 3)).astype(np.uint8))
    elif name == "i.jpg":
        import imageio.v3 as iio

        iio.imwrite(path, rng.integers(0, 255, (12, 10, 3)).astype(np.uint8))
    elif name.startswith("t."):
        moving = rng.integers(0, 900, (3, *VOLUME.shape)).astype(np.int16)
        write_array(path, moving, VOLUME, time_step_s=2.0)
    else:
        write_array(path, rng.integers(0, 900, VOLUME.shape).astype(np.int16), VOLUME)
    return path


class Child:
    """Reads files in a process of its own, within a time and without greed for memory."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("child_reader.py")
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._peak_kib = 0

    def look(self, path: Path) -> str:
        """Return what is wrong with a file, "" if nothing."""
        watch = threading.Timer(LIMIT_S, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:  # it has ended before the question came
            line = ""
        finally:
            watch.cancel()
        if not line:
            code, trace = self._process.wait(), self._process.stderr.read()
            pytest.fail(f"reading ended with {code}: {trace[-2000:]}")
        answer = json.loads(line)
        before, self._peak_kib = self._peak_kib, max(self._peak_kib, answer["peak_kib"])
        assert not before or self._peak_kib - before < GROWTH_KIB
        return answer["told"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def look():
    """What is wrong with a file, "" if nothing."""
    pytest.importorskip("resource", reason="memory is bounded on Unix")
    child = Child()
    yield child.look
    child.close()


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut, overwrite, or lie somewhere."""
    made = bytearray(content)
    kind = rng.integers(5)
    at = int(rng.integers(min(len(made), HEADER_BYTES)))
    if kind == 0:
        return bytes(made[:at])
    if kind == 1:
        return bytes(made[: int(rng.integers(len(made)))])
    if kind == 2:
        for place in rng.integers(0, min(len(made), HEADER_BYTES), 4):
            made[place] = int(rng.integers(256))
    elif kind == 3:
        form = str(rng.choice(["<H", ">H", "<I", ">I"]))
        size = struct.calcsize(form)
        lie = int(rng.choice(LIES)) & (256**size - 1)
        made[at : at + size] = struct.pack(form, lie)
    else:
        digits = [i for i, byte in enumerate(made[:HEADER_BYTES]) if chr(byte).isdigit()]
        place = int(rng.choice(digits)) if digits else at
        made[place : place + 1] = str(rng.choice(["0", "-7", "999999999", "nan", "x"])).encode()
    return bytes(made)


@pytest.mark.parametrize("name", FILES)
def test_damage_is_told_in_one_line(tmp_path, look, name):
    rng = np.random.default_rng(FILES.index(name))
    good = make(tmp_path, name)
    assert look(good) == ""
    parts = sorted(p for p in good.rglob("*") if p.is_file()) if good.is_dir() else [good]
    parts = [
        p for p in parts if p.name in (".zattrs", ".zarray", ".zgroup", "zarr.json") or p == good
    ]
    refused = 0
    for round_ in range(60):
        part = parts[round_ % len(parts)]
        whole = part.read_bytes()
        content = gzip.decompress(whole) if name.endswith(".gz") and round_ % 2 else whole
        bad = damaged(content, rng)
        part.write_bytes(gzip.compress(bad, 1) if content is not whole else bad)
        told = look(good)
        part.write_bytes(whole)
        refused += bool(told)
        assert not told or ": expected " in told
        assert "\n" not in told
        assert "allocate" not in told
        assert "MemoryError" not in told
    assert refused
    assert look(good) == ""


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_of_a_million_million_voxels_asks_for_no_memory(tmp_path, ending):
    header = nibabel.Nifti1Header()
    header.set_data_shape((10000, 10000, 10000))
    header.set_data_dtype(np.int16)
    content = header.binaryblock + bytes(5000)
    path = tmp_path / f"i{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    with pytest.raises(FileError, match="header declares 2000000000352 bytes"):
        read_volume(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "i.mha",
            b"ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 10000 10000 10000\n"
            b"ElementSpacing = 1 1 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
        ),
        (
            "i.nrrd",
            b"NRRD0004\ntype: short\ndimension: 3\nsizes: 10000 10000 10000\n"
            b"encoding: gzip\nendian: little\n\n",
        ),
    ],
)
def test_other_headers_that_lie_ask_for_no_memory_either(tmp_path, name, content):
    (tmp_path / name).write_bytes(content + bytes(5000))
    with pytest.raises(FileError, match="header declares 2000000000000 bytes"):
        read_volume(tmp_path / name)


def test_an_array_that_lies_asks_for_no_memory(tmp_path):
    np.save(tmp_path / "i.npy", np.zeros((4, 12, 10), np.uint8))
    content = (tmp_path / "i.npy").read_bytes()
    told = b"'shape': (40000, 12000, 10000), }"
    start = content.index(b"'shape'")
    (tmp_path / "i.npy").write_bytes(content[:start] + told + content[start + len(told) :])
    with pytest.raises(FileError, match="header declares 4800000000000 bytes"):
        read_volume(tmp_path / "i.npy")


def test_a_tiff_that_lies_asks_for_no_memory(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", np.zeros((12, 10), np.uint8))
    with tifffile.TiffFile(tmp_path / "i.tif", mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(2_000_000_000)
        file.pages[0].tags["RowsPerStrip"].overwrite(2_000_000_000)
    with pytest.raises(FileError, match="header declares"):
        read_volume(tmp_path / "i.tif")


def with_tag(path, name, value):
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[name].overwrite(value)


def no_rows(folder: Path, name: str) -> Path:
    """Write an image of a kind that has no rows or planes by its header."""
    path = make(folder, name) if name != "i.npy" else folder / name
    if name == "i.npy":
        np.save(path, np.zeros((0, 12, 10)))
    elif name == "i.h5":
        with h5py.File(path, "w") as file:
            file["empty"] = np.zeros((0, 12, 10))
    elif name.endswith(".tif"):
        with_tag(path, "ImageLength", 0)
    elif path.is_dir():
        about = path / "0" / (".zarray" if name == "0.4.zarr" else "zarr.json")
        about.write_text(re.sub(r'("shape":\s*\[\s*)\d+', r"\g<1>0", about.read_text(), count=1))
    else:
        old, new = {
            "i.nii": (struct.pack("<4h", 3, 10, 12, 4), struct.pack("<4h", 3, 10, 12, 0)),
            "i.nrrd": (b"sizes: 10 12 4", b"sizes: 10 12 0"),
            "i.mha": (b"DimSize = 10 12 4", b"DimSize = 10 12 0"),
            "i.png": (struct.pack(">2I", 10, 12), struct.pack(">2I", 10, 0)),
            "i.jpg": (struct.pack(">2H", 12, 10), struct.pack(">2H", 0, 10)),
        }[name]
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "i.nii", "i.nrrd", "i.mha", "i.tif", "i.ome.tif", "i.png", "i.jpg", "i.npy", "i.h5",
        "0.4.zarr", "0.5.zarr",
    ],
)  # fmt: skip
def test_no_slices_are_no_image(tmp_path, look, name):
    told = look(no_rows(tmp_path, name))
    assert "data is empty: expected" in told or "file cannot be read: expected" in told


def of_wrong_type(folder: Path, name: str) -> Path:
    """Write a file of a kind whose values are no real numbers."""
    path = folder / name.replace("text ", "").replace("records ", "")
    complex_ = np.zeros((4, 12, 10), np.complex64)
    records = np.zeros((12, 10), [("a", "i4"), ("b", "f4")])
    if name == "text i.npy":
        np.save(path, np.full((12, 10), "text"))
    elif name.endswith(".npy"):
        np.save(path, records if "records" in name else complex_)
    elif name.endswith(".h5"):
        with h5py.File(path, "w") as file:
            file["data"] = records if "records" in name else complex_
    elif name.endswith(".nii"):
        nibabel.save(nibabel.Nifti1Image(complex_, np.eye(4)), path)
    elif name.endswith(".tif"):
        tifffile.imwrite(path, complex_)
    elif name.endswith(".zarr"):
        group = zarr.create_array(path, shape=(12, 10), dtype="complex64", zarr_format=2)
        group[...] = 1j
    else:
        content = make(folder, path.name).read_bytes()
        old, new = {".nrrd": (b"type: short", b"type: block"), ".mha": (b"_SHORT", b"_OTHER")}[
            path.suffix
        ]
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "i.npy", "text i.npy", "records i.npy", "i.h5", "records i.h5", "i.nii", "i.tif", "i.zarr",
        "i.nrrd", "i.mha",
    ],
)  # fmt: skip
def test_values_that_are_no_real_numbers_are_refused(tmp_path, look, name):
    assert ": expected " in look(of_wrong_type(tmp_path, name))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("i.png", struct.pack(">2I", 10, 12), struct.pack(">2I", 2**31 - 1, 2**31 - 1)),
        ("i.png", struct.pack(">2I", 10, 12), struct.pack(">2I", 60000, 60000)),
        ("i.jpg", struct.pack(">2H", 12, 10), struct.pack(">2H", 65500, 65500)),
    ],
)
def test_a_picture_that_lies_about_its_size_is_refused(tmp_path, look, name, old, new):
    path = make(tmp_path, name)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    assert "file cannot be read: expected" in look(path)


def test_the_child_tells_a_crash_and_a_hang(monkeypatch):
    child = Child()
    child._process.kill()
    with pytest.raises(pytest.fail.Exception, match="reading ended with -9"):
        child.look(Path("anything"))
    monkeypatch.setattr(sys.modules[__name__], "LIMIT_S", 0.1)
    child = Child()
    # it has not even come to the question by then
    with pytest.raises(pytest.fail.Exception, match="reading ended with -9"):
        child.look(Path("anything"))


def test_content_of_another_type_is_told_or_read_as_what_it_is(tmp_path, look):
    sources = [make(tmp_path, name) for name in ("i.nii", "i.tif", "i.png", "i.npy", "i.h5")]
    for source in sources:
        for ending in (".nii", ".nii.gz", ".nrrd", ".mha", ".tif", ".jpg", ".npy", ".h5", ".dcm"):
            other = tmp_path / f"other{ending}"
            shutil.copy(source, other)
            look(other)
    write_labels(tmp_path / "l.json", np.ones((12, 10), int), FLAT)
    with pytest.raises(FileError, match="file type is unknown"):
        read_volume(tmp_path / "l.json")


def test_the_viewer_is_told_the_same(tmp_path):
    (tmp_path / "i.nii").write_bytes(b"no image")
    assert get_reader(str(tmp_path / "i.nii")) is read_layers
    with pytest.raises(FileError, match="file cannot be read"):
        read_layers(str(tmp_path / "i.nii"))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("NDims", "-7", "expected 2, 3 or 4 for NDims, got '-7'"),
        ("Offset", "010 0", "expected 3 numbers for Offset, got '010 0'"),
        ("CompressedData", "alse", "expected True or False for CompressedData"),
        ("CompressedDataSize", "-1", "expected a whole number for CompressedDataSize"),
        ("DimSize", "10 -12 4", "expected 3 whole numbers for DimSize"),
        ("ElementType", "MET_STRING", "expected a number for ElementType"),
        ("ElementSpacing", "\x07", "expected lines of NAME = VALUE for header"),
        ("ElementDataFile", None, "expected a line ElementDataFile for header"),
    ],
)
def test_a_metaimage_header_is_checked_field_by_field(tmp_path, field, value, told):
    content = make(tmp_path, "i.mha").read_bytes()
    start = content.index(f"\n{field} = ".encode())
    end = content.index(b"\n", start + 1)
    rest = b"" if value is None else f"\n{field} = {value}".encode() + content[end:]
    (tmp_path / "i.mha").write_bytes(content[:start] + rest)
    with pytest.raises(FileError, match=told):
        read_volume(tmp_path / "i.mha")


def test_sizes_that_lie_make_no_endless_list_of_pieces(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", np.zeros((12, 10), np.uint8), compression="zlib")
    with tifffile.TiffFile(tmp_path / "i.tif", mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(4_000_000_000)
    with pytest.raises(FileError, match=r"header declares|expected a place for each of"):
        read_volume(tmp_path / "i.tif")
    path = make(tmp_path, "0.5.zarr")
    about = (path / "0" / "zarr.json").read_text()
    shape = re.search(r'"shape":\s*\[[^]]*\]', about)[0]
    (path / "0" / "zarr.json").write_text(about.replace(shape, '"shape": [4000000000000, 12, 10]'))
    with pytest.raises(FileError, match=r"got shape \(4000000000000, 12, 10\) in pieces of"):
        read_layers(str(path))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_damaged_piece_is_told_when_it_is_read(tmp_path, version):
    path = make(tmp_path, f"{version}.zarr")
    files = [p for p in (path / "0").rglob("*") if p.is_file()]
    (piece,) = (p for p in files if not p.name.startswith((".z", "zarr")))
    piece.write_bytes(b"rubbish" * 9)
    volume = read_volume(path)
    with pytest.raises(FileError, match=r"got a damaged piece in .*\.zarr"):
        volume.take(volume.planes(0)[0])
    with pytest.raises(FileError, match="got a damaged piece"):
        np.asarray(read_raster(path).levels[0])
    with pytest.raises(FileError, match="got a damaged piece"):
        read_mask(path, VOLUME)
