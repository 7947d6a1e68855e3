"""`napari-intseg start --tiles`: an OME-Zarr that is looked at and labelled in pieces."""

import json
import os
import signal
import sys
from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image

from napari_intseg.cli import start_tiles
from napari_intseg.cli.main import main
from napari_intseg.core import workers
from napari_intseg.core.volume import Volume
from napari_intseg.io.ome_zarr import stored_labels, write_ome_zarr
from napari_intseg.models.automatic.start_model import number_tiles, same_objects, shared_pixels
from small_onnx import linear

zarr = pytest.importorskip("zarr")

SHAPE = (2, 150, 290)
TILES = ("--tiles", "64", "--overlap", "32", "--window", "0,255", "--quiet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network for which what is bright is a cell, and two planes of cells as OME-Zarr."""
    place = tmp_path_factory.mktemp("tiles")
    path = linear(place / "bright.onnx", [[0] * 3, [10] * 3], [15, 0])
    output = {"kind": "classes", "names": ["background", "cell"], "apart": True}
    path.with_suffix(".json").write_text(json.dumps({"title": "Bright cells", "output": output}))
    rows, cols = np.mgrid[: SHAPE[1], : SHAPE[2]]
    data = np.zeros(SHAPE, np.uint8)
    # some lie on one border, one on four tiles, one touches the rim of a tile, one is on one plane
    for row, col in ((20, 20), (64, 64), (30, 128), (128, 40), (75, 200), (140, 285), (53, 240)):
        data[0, np.hypot(rows - row, cols - col) < 11] = 240
        data[1, np.hypot(rows - row - 3, cols - col) < 11] = 240 * (col != 40)
    write_ome_zarr(place / "cells.zarr", data, Volume(data), is_labels=False)
    return place


def start(folder, out, *words, model="bright.onnx"):
    given = ["start", str(folder / "cells.zarr"), "-o", str(folder / out), "--device", "cpu"]
    return main([*given, "--model", str(folder / model), *words])


def levels(path):
    group = zarr.open_group(str(path), mode="r")
    return [np.asarray(group[str(n)]) for n in range(len(group))]


@pytest.fixture(scope="module")
def alone(folder):
    """The labels as one process makes them, tile by tile."""
    assert start(folder, "alone.zarr", *TILES) == 0
    return levels(folder / "alone.zarr")


def check_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_tiles_give_the_objects_of_the_whole(folder, alone):
    assert start(folder, "whole.zarr", "--window", "0,255", "--quiet") == 0
    whole = levels(folder / "whole.zarr")[0]
    assert whole.max() == 7
    pairs = np.unique([alone[0][whole > 0], whole[whole > 0]], axis=1)
    assert pairs.shape[1] == 7
    np.testing.assert_array_equal(alone[0] > 0, whole > 0)
    assert alone[0].dtype == np.uint8
    assert not (folder / "alone.zarr.parts").exists()


def test_every_level_is_every_second_pixel_of_the_one_above(alone):
    assert [level.shape for level in alone] == [SHAPE, (2, 75, 145)]
    np.testing.assert_array_equal(alone[1], alone[0][:, ::2, ::2])


def test_labels_go_beside_their_image_and_are_listed(folder, alone):
    assert start(folder, "cells.zarr/labels/found", *TILES) == 0
    check_equal(levels(folder / "cells.zarr/labels/found"), alone)
    assert list(stored_labels(folder / "cells.zarr")) == ["found"]
    assert not list(folder.glob("*.parts"))


def test_what_was_done_before_an_error_is_kept_for_resume(folder, alone, monkeypatch, capsys):
    find, asked = start_tiles.find_tile, []

    def once(job):
        asked.append(job.at)
        return "DeviceError: no room" if job.at == (1, 64, 0) else find(job)

    monkeypatch.setattr(start_tiles, "find_tile", once)
    assert start(folder, "again.zarr", *TILES) == 2
    assert "(1, 64, 0) (DeviceError: no room)" in capsys.readouterr().err
    assert not (folder / "again.zarr").exists()
    assert len(asked) == 30
    monkeypatch.setattr(start_tiles, "find_tile", lambda job: asked.append(job.at) or find(job))
    assert start(folder, "again.zarr", *TILES) == 2, "they are there, and nobody said --resume"
    assert start(folder, "again.zarr", *TILES, "--resume", "--overlap", "16") == 2, "other work"
    assert "those of the same options" in capsys.readouterr().err
    assert start(folder, "again.zarr", *TILES, "--resume") == 0
    assert asked[30:] == [(1, 64, 0)]
    check_equal(levels(folder / "again.zarr"), alone)


def test_ctrl_c_keeps_the_tiles_that_are_done(folder, alone, monkeypatch, capsys):
    find, asked = start_tiles.find_tile, []

    def interrupted(job):
        asked.append(job.at)
        if len(asked) == 3:
            signal.raise_signal(signal.SIGINT)
        return find(job)

    monkeypatch.setattr(start_tiles, "find_tile", interrupted)
    assert start(folder, "stopped.zarr", *TILES) == 130
    assert "--resume" in capsys.readouterr().err
    assert start(folder, "stopped.zarr", *TILES, "--resume") == 0
    assert len(asked) == len(set(asked)) == 30
    check_equal(levels(folder / "stopped.zarr"), alone)


KILLER = """
import os, signal
from pathlib import Path
from napari_intseg.cli import start_tiles

def die_once(work, name, job):
    mark = Path(os.environ["MARKS"], name)
    if job.at == (1, 0, 64) and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return work(job)

def find_and_die(job):
    return die_once(start_tiles.find_tile, "find", job)

def put_and_die(job):
    return die_once(start_tiles.put_labels, "put", job)
"""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Have the first attempts at a tile end their process, when found and when written."""
    (tmp_path / "tile_killer.py").write_text(KILLER, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("MARKS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    import tile_killer

    monkeypatch.setattr(start_tiles, "find_tile", tile_killer.find_and_die)
    monkeypatch.setattr(start_tiles, "put_labels", tile_killer.put_and_die)
    yield lambda: {one.name for one in tmp_path.iterdir() if one.name in ("find", "put")}
    sys.modules.pop("tile_killer")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_processes_that_are_killed_in_the_middle_change_no_pixel(folder, alone, killed):
    assert start(folder, "killed.zarr", *TILES, "--workers", "2") == 0
    assert killed() == {"find", "put"}
    check_equal(levels(folder / "killed.zarr"), alone)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_workers_of_a_cluster_that_are_killed_in_the_middle_change_no_pixel(folder, alone, killed):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        words = ("--scheduler", cluster.scheduler_address)
        assert start(folder, "cluster.zarr", *TILES, *words) == 0
    assert killed() == {"find", "put"}
    check_equal(levels(folder / "cluster.zarr"), alone)


def test_a_cluster_of_another_machine_needs_tls_or_to_be_insisted_on(folder, capsys):
    words = ("--scheduler", "tcp://10.0.0.5:8786")
    assert start(folder, "unsafe.zarr", *TILES, *words) == 2
    assert "address is not safe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--workers", "2"), "--workers has no effect"),
        (("--resume",), "--resume has no effect"),
        (("--tiles", "100"), "a power of two from 64 to 8192, got 100"),
        (
            ("--tiles", "64", "--overlap", "65"),
            "expected 1 to 64 pixels, got 65",
        ),
        (("--tiles", "64", "--workers", "0"), "workers are too few"),
        (("--tiles", "64", "--axis", "1"), "--axis does not go with --tiles"),
        (("--tiles", "64", "--annotate", "2,3@cell"), "--annotate does not go with --tiles"),
    ],
)
def test_what_does_not_go_with_tiles_is_told(folder, capsys, words, told):
    assert start(folder, "out.zarr", *words) == 2
    assert told in capsys.readouterr().err
    assert start(folder, "out.tif", "--tiles", "64") == 2
    assert "a name ending in .zarr" in capsys.readouterr().err


def test_of_classes_all_that_has_one_name_is_one_object():
    none = np.zeros((0, 3), int)
    found = number_tiles(["sky", "tree", "tree"], [4, 5, 6], none[:, :2], none, by_name=True)
    assert found.tolist() == [1, 2, 2]
    assert number_tiles([], np.zeros(0, int), none[:, :2], none, by_name=False).tolist() == []


def test_parts_are_one_object_in_a_plane_and_go_on_where_whole_objects_overlap():
    names, sizes = ["cell"] * 6 + ["tree"], np.array([10, 30, 8, 20, 20, 5, 5])
    same = np.array([[0, 1], [3, 4], [1, 6]])
    # 0 and 1, of 40 pixels, share 25 with 3 and 4, of 40; the part 3 alone shares too little
    shared = np.array([[0, 3, 5], [1, 4, 20], [2, 3, 4], [2, 5, 3]])
    found = number_tiles(names, sizes, same, shared, by_name=False)
    # 25 of 55 and 3 of 10 are enough, which 4 of 44 is not; a tree is no cell
    assert found.tolist() == [1, 1, 2, 1, 1, 2, 3]


def test_strips_tell_which_labels_are_one_object():
    one = np.array([[1, 1, 0, 2], [1, 1, 0, 3]], np.int32)
    other = np.array([[4, 4, 4, 5], [4, 0, 0, 0]], np.int32)
    assert same_objects(one, other).tolist() == [[1, 4], [2, 5]]
    assert shared_pixels(one, other).tolist() == [[1, 4, 3], [2, 5, 1]]
    assert same_objects(one, 0 * other).shape == (0, 2)


@pytest.mark.slow
def test_several_images_are_shared_out_and_one_that_fails_does_not_end_the_others(folder, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 2, (40, 50), np.uint8) * 240).save(images / f"{name}.png")
    (images / "c.png").write_bytes(b"no picture")
    words = ["--model", str(folder / "bright.onnx"), "--window", "0,255", "--quiet"]
    for out, more in (("alone", []), ("shared", ["--workers", "2"])):
        assert main(["start", str(images), "-o", str(tmp_path / out), *words, *more]) == 1
    for name in ("a_labels.png", "b_labels.png"):
        one, other = (tmp_path / out / name for out in ("alone", "shared"))
        assert one.read_bytes() == other.read_bytes()


def test_several_images_go_to_a_cluster_and_one_that_it_loses_is_told(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "labels").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.eye(30, dtype=np.uint8)).save(tmp_path / "labels" / f"{name}.png")

    def futures(function, jobs, address, stop, *, insecure):
        assert (address, insecure, stop()) == ("tcp://127.0.0.1:1", False, False)
        for job in jobs:
            future = Future()
            if job.image.name == "a.png":
                future.set_result(function(job))
            else:
                future.set_exception(RuntimeError("its workers died"))
            yield job, future

    monkeypatch.setattr(workers, "futures_on_cluster", futures)
    words = ["measure", str(tmp_path / "labels"), "-o", str(tmp_path / "tables")]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1"]) == 1
    told = capsys.readouterr()
    assert "b.png: failed: RuntimeError: its workers died" in told.err
    assert told.out.endswith("1 of 2 done\n")
    assert [one.name for one in (tmp_path / "tables").iterdir()] == ["a.csv"]


def test_a_damaged_record_is_one_error_that_says_what_to_do(folder, alone, monkeypatch, capsys):
    find = start_tiles.find_tile

    def damaged(job):
        told = find(job)
        if job.at == (0, 64, 64):
            place = folder / "damaged.zarr.parts/0/64/64.npz"
            place.write_bytes(place.read_bytes()[:-40])
        return told

    monkeypatch.setattr(start_tiles, "find_tile", damaged)
    assert start(folder, "damaged.zarr", *TILES) == 2
    told = capsys.readouterr().err
    assert "record of a tile cannot be read" in told
    assert "64.npz" in told
    (folder / "damaged.zarr.parts/0/64/64.npz").unlink()
    monkeypatch.setattr(start_tiles, "find_tile", find)
    assert start(folder, "damaged.zarr", *TILES, "--resume") == 0
    check_equal(levels(folder / "damaged.zarr"), alone)


@pytest.mark.parametrize("command", ["start", "more", "measure"])
def test_workers_need_several_images(folder, capsys, command):
    image = str(folder / "cells.zarr")
    given = {"start": ["--model", "x"], "more": [image], "measure": []}[command]
    assert main([command, image, *given, "-o", str(folder / "no.tif"), "--workers", "2"]) == 2
    assert "--workers has no effect: expected it with" in capsys.readouterr().err
