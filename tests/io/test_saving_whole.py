"""A full disk or a kill while labels are saved: at the path lies the old whole or the new whole."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from napari_intseg.core.volume import Volume
from napari_intseg.io import itk
from napari_intseg.io.output_files import check_journal, write_beside
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels

VOLUMES = ("a.nii", "a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.h5", "a.tif", "a.ome.tif",
           "a.npy", "a.zarr", "s_%03d.png", "a.geojson")  # fmt: skip
FLAT = ("a.png", "a.json")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="no limits, no kill -9")

FULL = """
import hashlib, json, os, resource, sys, warnings
from pathlib import Path
import numpy as np
from napari_intseg.core.volume import Volume
from napari_intseg.errors import IntSegError
from napari_intseg.io.output_files import write_beside
from napari_intseg.io.write import write_labels
warnings.simplefilter("ignore")

def labels(seed, flat):
    made = np.random.default_rng(seed).integers(0, 4, (3, 40, 40)).astype(np.int32)
    return made[0] if flat else made

def content(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}

def save(path, seed, flat):
    made = labels(seed, flat)
    write_labels(path, made, Volume(np.zeros(made.shape, np.uint8)), overwrite=True)
    write_beside(path, [{"seed": seed, "text": "x" * 3000}])

root, told = Path(sys.argv[1]), {}
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for name in sys.argv[2:]:
    flat = name in ("a.png", "a.json")
    folder = root / name.replace("%", "_")
    folder.mkdir()
    save(folder / name, 1, flat)
    good = content(folder)
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file() and "journal" not in p.name]
    for part in (0.0, 0.3, 0.6, 0.95):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(max(sizes) * part), hard))
        try:
            save(folder / name, 2, flat)
            told[f"{name} {part}"] = "written"
        except IntSegError as err:
            told[f"{name} {part}"] = "changed" if content(folder) != good else "kept"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
# what was removed and is open still takes its room until the process ends
links = Path("/proc/self/fd")
left = [fd for fd in (os.listdir(links) if links.is_dir() else ()) if (links / fd).is_symlink()]
mine = [int(fd) for fd in left if os.readlink(links / fd).startswith(str(root))]
told["held"] = sum(os.fstat(fd).st_size for fd in mine)
print(json.dumps(told))
"""


def test_a_full_disk_leaves_the_old_labels_and_is_told_in_one_error(tmp_path):
    words = [sys.executable, "-c", FULL, str(tmp_path), *VOLUMES, *FLAT]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told.pop("held") == 0
    assert len(told) == 4 * len([*VOLUMES, *FLAT])
    assert {case: what for case, what in told.items() if what != "kept"} == {}


# one process loads all that is needed, and each save is a fork of it that dies one step later
KILLED = """
import os, sys, traceback
import numpy as np
import PIL.Image, SimpleITK, zarr
from napari_intseg.core import files
from napari_intseg.core.volume import Volume
from napari_intseg.io import write
count = 0
def dying(real, die):
    def act(*args, **kwargs):
        global count
        count += 1
        if count > die:
            os.kill(os.getpid(), 9)
        return real(*args, **kwargs)
    return act
move = write._move
def save(path, die):
    def moving(*args):
        for name in ("replace", "rename", "unlink", "link"):
            setattr(os, name, dying(getattr(os, name), die))
        files.exchange = dying(files.exchange, die)
        move(*args)
    write._move = moving
    labels = np.full((3, 8, 9), 2, np.uint8)
    write.write_labels(path, labels, Volume(labels), overwrite=True)
for die, path in enumerate(sys.argv[1:]):
    child = os.fork()
    if child == 0:
        try:
            save(path, die)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(ended)
    if ended == 0:
        break
"""


def found(path):
    if "%" not in path.name:
        return set(np.unique(np.asarray(read_volume(path).data)).tolist())
    values = [np.asarray(read_volume(str(path) % i).data) for i in range(3)]
    return set(np.unique(np.stack(values)).tolist())


@pytest.mark.parametrize("name", ["a.zarr", "a.mhd", "a.nhdr", "s_%03d.png", "a.nii.gz"])
def test_a_kill_between_any_two_moves_leaves_the_old_or_the_new(tmp_path, name):
    pytest.importorskip("zarr")
    old = np.ones((3, 8, 9), np.uint8)
    paths = [tmp_path / str(die) / name for die in range(20)]
    for path in paths:
        path.parent.mkdir()
        write_labels(path, old, Volume(old))
    words = [sys.executable, "-c", KILLED, *map(str, paths)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    codes = [int(line) for line in ended.stdout.splitlines()]
    # killed at each step, and whole in the end
    assert len(codes) > 1, ended.stderr
    assert codes == [-9] * (len(codes) - 1) + [0], ended.stderr
    outcomes = []
    for path in paths[: len(codes)]:
        outcomes.append(found(path))
        assert outcomes[-1] in ({1}, {2}), path.parent.name
        write_labels(path, old * 3, Volume(old), overwrite=True)
        assert found(path) == {3}
        assert not list(path.parent.glob(".intseg-*"))
    assert outcomes[0] == {1}
    assert outcomes[-1] == {2}


@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
def test_the_data_of_a_header_never_takes_the_place_of_another_file(tmp_path, ending):
    ones = np.ones((3, 4, 5), np.uint8)
    path = tmp_path / f"l{ending}"
    for name in ("l.raw", "l.data7.txt", "l2.zraw"):
        (tmp_path / name).write_text("mine")
    for value in (1, 2, 3):
        write_labels(path, ones * value, Volume(ones), overwrite=True)
        assert sitk.GetArrayFromImage(sitk.ReadImage(str(path))).max() == value
        data = [p for p in tmp_path.iterdir() if p.name not in (path.name, "l.raw", "l.data7.txt")]
        assert len(data) == 2, "one file of data, and somebody else's"
    for name in ("l.raw", "l.data7.txt", "l2.zraw"):
        assert (tmp_path / name).read_text() == "mine"


def test_planes_that_there_are_no_longer_go_and_what_is_beside_stays(tmp_path):
    (tmp_path / "s_mine.png").write_text("mine")
    old = np.ones((5, 4, 5), np.uint8)
    write_labels(tmp_path / "s_%03d.png", old, Volume(old))
    write_labels(tmp_path / "s_%03d.png", old[:2] * 2, Volume(old[:2]), overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s_000.png", "s_001.png", "s_mine.png"]


def test_a_journal_of_other_work_is_not_replaced_unasked(tmp_path):
    write_beside(tmp_path / "l.tif", [{"do": "begin"}])
    with pytest.raises(OSError, match="journal exists"):
        check_journal(tmp_path / "l.tif", overwrite=False)
    check_journal(tmp_path / "l.tif", overwrite=True)
    check_journal(tmp_path / "m.tif", overwrite=False)


class Asked(Exception):
    pass


@pytest.mark.parametrize("name", [*VOLUMES, *FLAT])
def test_what_is_stopped_at_any_step_leaves_the_old_whole_and_nothing_beside(
    tmp_path, name, monkeypatch
):
    monkeypatch.setattr(itk, "_PACKED_BYTES", 400)
    made = np.random.default_rng(0).integers(0, 4, (8, 9) if name in FLAT else (3, 8, 9))
    like, path, steps = Volume(np.zeros(made.shape, np.uint8)), tmp_path / name, []
    write_labels(path, made, like, check=lambda: steps.append(1))
    assert len(steps) > 1

    def content():
        return {p: p.read_bytes() if p.is_file() else b"" for p in tmp_path.rglob("*")}

    before = content()
    for last in range(len(steps)):
        left = iter(range(last))

        def check(left=left):
            if next(left, None) is None:
                raise Asked

        with pytest.raises(Asked):
            write_labels(path, made[::-1], like, overwrite=True, check=check)
        assert content() == before
    if name in ("a.geojson", "a.json", "a.nii.gz"):
        # not only before and after: by objects, planes or pieces
        assert len(steps) > 2
