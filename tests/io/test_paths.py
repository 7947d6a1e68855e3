"""One rule for the files that a file may name, kept by every format that names some."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from napari_intseg.cli.batch_table import read_points
from napari_intseg.cli.main import main
from napari_intseg.errors import FileError
from napari_intseg.io.file_checks import VARIABLE, check_regular, data_file, numbered_names
from napari_intseg.io.folder_queue import RECORD, ImageQueue
from napari_intseg.io.read import read_raster, read_volume
from napari_intseg.session.journal.recorder import read_journal

IMAGE = np.arange(6 * 14 * 12, dtype=np.int16).reshape(6, 14, 12)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    "ElementSpacing = 0.5 0.5 2\nDimSize = 12 14 6\nElementType = MET_SHORT\nElementDataFile = {}\n"
)
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nsizes: 12 14 6\nendian: little\nencoding: raw\n"
    "data file: {}\n"
)
OME = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="20" '
    'SizeY="20" SizeC="1" SizeZ="2" SizeT="1"><Channel ID="c"/><TiffData FirstZ="0" IFD="0">'
    '<UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData><TiffData FirstZ="1" IFD="0">'
    '<UUID FileName="{}">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
)


@pytest.fixture
def folder(tmp_path):
    """A folder for headers, with secrets outside of it."""
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "secret.raw").write_bytes(IMAGE.tobytes())
    tifffile.imwrite(tmp_path / "secret.tif", np.full((20, 20), 65, np.uint8))
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a"] = IMAGE
    return inside


def written(folder: Path, kind: str, name: str) -> Path:
    """Write a file of a kind that takes its pixels from another one."""
    path = folder / f"a{kind}"
    if kind == ".mhd":
        path.write_text(META.format(name))
    elif kind == ".nhdr":
        path.write_text(NRRD.format(name))
    elif kind == ".ome.tif":
        tifffile.imwrite(
            path, np.zeros((20, 20), np.uint8), description=OME.format(name), metadata=None
        )
    else:
        with h5py.File(path, "w") as file:
            if kind == "storage.h5":
                size = IMAGE.nbytes
                file.create_dataset("a", IMAGE.shape, "<i2", external=[(name, 0, size)])
            elif kind == "link.h5":
                file["a"] = h5py.ExternalLink(name, "a")
            else:
                layout = h5py.VirtualLayout(IMAGE.shape, "<i2")
                layout[:] = h5py.VirtualSource(name, "a", IMAGE.shape)
                file.create_virtual_dataset("a", layout)
    return path


def opened(path: Path) -> np.ndarray:
    named = path / "a" if path.name.endswith("link.h5") else path
    return np.asarray(read_volume(named).data)


ENDINGS = {
    ".mhd": "raw", ".nhdr": "raw", ".ome.tif": "tif", "storage.h5": "raw", "link.h5": "h5",
    "virtual.h5": "h5",
}  # fmt: skip


@pytest.mark.parametrize("where", ["absolute", "above", "link"])
@pytest.mark.parametrize("kind", ENDINGS)
def test_a_file_outside_of_the_folder_is_not_read(folder, kind, where):
    secret = folder.parent / f"secret.{ENDINGS[kind]}"
    name = {"absolute": str(secret), "above": f"../{secret.name}", "link": "linked"}[where]
    (folder / "linked").symlink_to(secret)
    with pytest.raises(FileError, match="data file lies elsewhere: expected one in the folder"):
        opened(written(folder, kind, name))


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_file_in_a_folder_in_it_is_read(folder, kind):
    secret = folder.parent / f"secret.{ENDINGS[kind]}"
    (folder / "sub" / "b").write_bytes(secret.read_bytes())
    expected = 65 if kind == ".ome.tif" else IMAGE.max()
    assert opened(written(folder, kind, "sub/b")).max() == expected
    if kind != "link.h5":
        assert opened(written(folder, kind, str(folder / "sub" / "b"))).max() == expected


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_file_elsewhere_is_read_when_the_person_says_so(folder, kind, monkeypatch):
    secret = folder.parent / f"secret.{ENDINGS[kind]}"
    path = written(folder, kind, str(secret))
    with pytest.raises(FileError, match=VARIABLE):
        opened(path)
    monkeypatch.setenv(VARIABLE, os.pathsep.join(["/nowhere", str(folder.parent)]))
    assert opened(path).max() == (65 if kind == ".ome.tif" else IMAGE.max())


def test_links_in_a_zarr_do_not_lead_out_of_it(folder):
    made = zarr.create_array(folder / "i.zarr", data=IMAGE, zarr_format=2)
    assert made.shape == IMAGE.shape
    (piece,) = [p for p in (folder / "i.zarr").iterdir() if not p.name.startswith(".z")]
    (folder.parent / "other").write_bytes(piece.read_bytes())
    assert np.array_equal(read_volume(folder / "i.zarr").data, IMAGE)
    piece.unlink()
    piece.symlink_to(folder.parent / "other")
    with pytest.raises(FileError, match="data file lies elsewhere"):
        np.asarray(read_volume(folder / "i.zarr").data)


def test_a_dataset_of_a_dataset_keeps_the_rule(folder):
    written(folder, "storage.h5", "../secret.raw").rename(folder / "middle.h5")
    with pytest.raises(FileError, match="data file lies elsewhere"):
        opened(written(folder, "virtual.h5", "middle.h5"))
    with pytest.raises(FileError, match="data file lies elsewhere"):
        opened(written(folder, "link.h5", "middle.h5"))


def test_values_beside_a_file_are_looked_for_beside_it(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)  # which has a file of that name
    (folder / "secret.raw").write_bytes((IMAGE[::-1].copy()).tobytes())
    assert np.array_equal(opened(written(folder, "storage.h5", "secret.raw")), IMAGE[::-1])
    with pytest.raises(FileError, match="expected files that are there"):
        opened(written(folder, "virtual.h5", "secret.h5"))


def test_links_in_a_circle_come_to_an_end(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["b"] = h5py.SoftLink("/c")
        file["c"] = h5py.SoftLink("/b")
    with pytest.raises(FileError, match="expected at most 16 links"):
        read_raster(folder / "a.h5" / "b")


@pytest.mark.parametrize(
    "name",
    ["//host/share/a.raw", "\\\\host\\share\\a.raw", "C:\\a.raw", "a\0.raw", "..", "../inside2/a"],
)
def test_shares_drives_and_neighbours_are_elsewhere(folder, name):
    (folder.parent / "inside2").mkdir()
    with pytest.raises(FileError, match="data file lies elsewhere"):
        data_file(folder / "a.mhd", name)


@pytest.mark.parametrize("name", ["a.raw", "./a.raw", "sub/../a.raw", "sub/a b.raw", "ä%.raw"])
def test_names_inside_are_kept(folder, name):
    found = data_file(folder / "a.mhd", name)
    assert folder in found.parents


@pytest.mark.parametrize(("kind", "text"), [(".mhd", META), (".nhdr", NRRD)])
@pytest.mark.parametrize(
    "name",
    ["%s 1 9 1", "s%99999999d.raw 1 2 1", "%n.raw 1 2 1", "a%d%d.raw 1 2 1", "%s", "a%*d 1 2 1"],
)
def test_a_pattern_that_printf_would_follow_anywhere_is_refused(folder, kind, text, name):
    (folder / f"a{kind}").write_text(text.format(name))
    (folder / "pad.raw").write_bytes(bytes(99999))
    with pytest.raises(FileError, match="file cannot be read: expected a name"):
        read_volume(folder / f"a{kind}")


@pytest.mark.parametrize(("kind", "text"), [(".mhd", META), (".nhdr", NRRD)])
@pytest.mark.parametrize("listed", ["pattern", "list"])
def test_one_file_a_plane_is_read(folder, kind, text, listed):
    names = [f"sub/s{i:03d}.raw" for i in range(1, 7)]
    for name, plane in zip(names, IMAGE, strict=True):
        (folder / name).write_bytes(plane.tobytes())
    value = "sub/s%03d.raw 1 6 1" if listed == "pattern" else "\n".join(["LIST", *names])
    (folder / f"a{kind}").write_text(text.format(value))
    assert np.array_equal(read_volume(folder / f"a{kind}").data, IMAGE)
    (folder / names[2]).unlink()
    (folder / names[2]).symlink_to(folder.parent / "secret.raw")
    with pytest.raises(FileError, match="data file lies elsewhere"):
        read_volume(folder / f"a{kind}")


def test_numbers_are_put_into_names_without_printf():
    header = Path("a.mhd")
    assert numbered_names(header, "s%03d.raw", 1, 3, 1) == ["s001.raw", "s002.raw", "s003.raw"]
    assert numbered_names(header, "s%d", 5, 1, -2) == ["s5", "s3", "s1"]
    for first, last, step in ((1, 3, 0), (3, 1, 1)):
        with pytest.raises(FileError, match="expected a name or a pattern"):
            numbered_names(header, "s%d", first, last, step)
    with pytest.raises(FileError, match="at most 100000 data files"):
        numbered_names(header, "s%d", 1, 10**9, 1)


def test_a_data_file_is_stated_once_and_in_one_way(folder):
    for line in ("ElementDataFile : ../secret.raw", "elementdatafile = ../secret.raw"):
        (folder / "a.mhd").write_text(META.format("LOCAL").replace("NDims", f"{line}\nNDims"))
        with pytest.raises(FileError, match="file cannot be read: expected"):
            read_volume(folder / "a.mhd")
    (folder / "a.nhdr").write_text(NRRD.format("a.raw\ndatafile: ../secret.raw"))
    (folder / "a.raw").write_bytes(IMAGE.tobytes())
    with pytest.raises(FileError, match="expected one data file"):
        read_volume(folder / "a.nhdr")


ASK = """
import sys
from napari_intseg.errors import IntSegError
from napari_intseg.io.hooks import get_reader
from napari_intseg.io.read import read_volume
from napari_intseg.evaluation.truth import read_labels
for path in sys.argv[1:]:
    get_reader(path)
    for read in (read_volume, read_labels):
        try:
            read(__import__("pathlib").Path(path))
        except IntSegError as err:
            print(str(err))
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_named_pipes_are_refused_at_every_way_in(folder):
    paths = []
    for name in (
        "a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.tif", "a.png", "a.npy", "a.h5", "a.dcm", "a.mat",
    ):  # fmt: skip
        os.mkfifo(folder / name)
        paths.append(folder / name)
    os.mkfifo(folder / "pipe")
    for kind, name in ((".mhd", "b"), (".nhdr", "b"), (".ome.tif", "b"), ("storage.h5", "b")):
        made = written(folder, kind, "pipe")
        paths.append(made.rename(folder / f"{name}{kind}"))
    (folder / "only").mkdir()
    os.mkfifo(folder / "only" / "pipe")
    zarr.create_array(folder / "i.zarr", data=IMAGE, zarr_format=2)
    (folder / "i.zarr" / ".zarray").unlink()
    os.mkfifo(folder / "i.zarr" / ".zarray")
    paths += [folder / "only", folder / "i.zarr"]
    # a hang ends the process and fails the test, whichever path it is
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, *paths], capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("expected a file, got a pipe, device or socket") > len(paths)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="devices are of Unix")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("l.journal.jsonl", read_journal),
        ("points.csv", read_points),
        (RECORD, lambda path: ImageQueue([path], path.parent)),
        ("jobs.csv", lambda path: main(["batch", str(path), "-o", str(path.parent)])),
    ],
)
def test_a_device_in_place_of_a_text_is_refused(tmp_path, name, read, capsys):
    # it ends at once, unlike a pipe or /dev/zero: the test fails instead of hanging
    (tmp_path / name).symlink_to("/dev/null")
    try:
        read(tmp_path / name)
        told = capsys.readouterr().err
    except FileError as err:
        told = str(err)
    assert "got a pipe, device or socket" in told


def test_a_device_is_no_file():
    with pytest.raises(FileError, match="got a pipe, device or socket '/dev/zero'"):
        check_regular(Path("/dev/zero"))
    assert check_regular(Path("nothing.nii")) == Path("nothing.nii")
