"""Text files that an editor on Windows saved say the same."""

import numpy as np
import pytest

from napari_intseg import Session, Volume, load_model
from napari_intseg.cli import cloud
from napari_intseg.cli.batch_table import read_points
from napari_intseg.evaluation.label_files import read_table
from napari_intseg.io.cell_tracking import read_ctc, write_ctc
from napari_intseg.io.output_files import write_beside
from napari_intseg.io.read import read_volume
from napari_intseg.models.weights.store import recorded_sums
from napari_intseg.session.journal.recorder import read_journal


def points(folder):
    text = "index,plane,row,col,positive,object\n0,1,2.5,3,1,1\n1,1,4,5,0,2\n"
    (folder / "points.csv").write_text(text, "utf-8")
    return folder / "points.csv", read_points


def run_lengths(folder):
    text = "ImageId,EncodedPixels,ClassId\na.jpg,1 3 10 2,4\na.jpg,,1\nb.jpg,5 5,1\n"
    (folder / "train.csv").write_text(text, "utf-8")
    return folder / "train.csv", read_table


def cloud_points(folder):
    (folder / "cloud.xyz").write_text("x,y,z\n1,2,3\n4.5,5,6\n", "utf-8")
    return folder / "cloud.xyz", lambda path: cloud.read_points(path)[0].tolist()


def sums(folder):
    text = f"{'a' * 64}  one file.pth\n{'b' * 64} *two.pth\n"
    (folder / "SHA256SUMS").write_text(text, "utf-8")
    return folder / "SHA256SUMS", lambda path: recorded_sums(path.parent)


def tracks(folder):
    labels = np.zeros((3, 8, 12), np.int64)
    labels[:1, 2:6, 2:9], labels[1:, 2:6, 2:5], labels[1:, 2:6, 6:9] = 2, 5, 9
    write_ctc(folder / "01_RES", labels, {5: (2,), 9: (2,)})
    told = folder / "01_RES" / "res_track.txt"
    return told, lambda path: (read_ctc(path.parent)[1].parents, read_ctc(path.parent)[1].spans)


def detached_nrrd(folder):
    data = np.arange(6 * 14 * 12, dtype=np.int16).reshape(6, 14, 12)
    (folder / "v.raw").write_bytes(data.tobytes())
    (folder / "v.nhdr").write_text(
        "NRRD0004\n# a comment\ntype: short\ndimension: 3\nsizes: 12 14 6\nendian: little\n"
        "encoding: raw\nspacings: 0.5 0.5 2\ndata file: v.raw\n",
        "utf-8",
    )
    return folder / "v.nhdr", lambda path: (read_volume(path).spacing, read_volume(path).data.sum())


def journal(folder):
    image = np.zeros((30, 40), np.float32)
    image[8:20, 9:25] = 1
    session = Session(load_model("random-walker"), Volume(image))
    session.click((12, 14))
    session.click((2, 2), positive=False)
    path = write_beside(folder / "labels.tif", session.journal.lines)
    return path, lambda path: (read_journal(path).lines, read_journal(path).torn)


KINDS = [points, run_lengths, cloud_points, sums, tracks, detached_nrrd, journal]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_file_says_the_same_with_the_line_endings_of_windows(tmp_path, kind):
    path, read = kind(tmp_path)
    plain = path.read_bytes()
    assert plain.count(b"\n") > 1
    # what is written is the same on every system
    assert b"\r" not in plain
    told = read(path)
    assert told
    path.write_bytes(plain.replace(b"\n", b"\r\n"))
    assert read(path) == told
