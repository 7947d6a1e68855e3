"""The fuzzer, run short; and that it, or a round trip, covers every reader and writer."""

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_intseg.io as io_room
from fuzz_corpus import MAKERS, VOLUME, dicom_series, labels
from fuzz_files import Reader, damaged, fuzz
from napari_intseg.cli.cloud import read_points, write_labels_of_points
from napari_intseg.core.volume import Volume
from napari_intseg.io.hooks import read_layers, write_image_layer, write_labels_layer
from napari_intseg.io.measurements import measure, write_measurements
from napari_intseg.io.output_files import write_beside
from napari_intseg.io.read import read_mask, read_mask_folder, read_volume
from napari_intseg.io.suffixes import READABLE, WRITABLE
from napari_intseg.io.write import write_array, write_labels

pytest.importorskip("resource", reason="memory is limited on Unix")
pytest.importorskip("highdicom", reason="one of the files is DICOM-SEG")

ROUNDS = 4
SEED = 20261129
NO_WAY_BACK = (".json", ".geojson")
"""Formats that are written only: tests/io/test_exports.py reads them with pycocotools and json."""

ROUND_TRIPS = [e for e in WRITABLE if e not in NO_WAY_BACK]


@pytest.mark.slow
def test_damaged_files_of_every_kind_are_told_in_one_line():
    read = list(fuzz(list(MAKERS), SEED, rounds=ROUNDS))
    assert [found for _, _, found, _ in read if found] == []
    assert len(read) == ROUNDS * len(MAKERS)
    # most damage is noticed, or the files would not be damaged
    assert sum(bool(told) for *_, told in read) > len(read) // 4


def test_every_ending_that_is_read_is_fuzzed():
    assert sorted(set(READABLE) - set(MAKERS)) == []


def test_whole_files_are_read_without_a_word(tmp_path):
    reader = Reader()
    for kind, make in MAKERS.items():
        (tmp_path / kind).mkdir()
        path = make(tmp_path / kind, np.random.default_rng(0))
        assert reader.look(path) == "", kind
    reader.close()


def test_the_fuzzer_finds_a_hang_and_a_crash(tmp_path):
    path = MAKERS[".npy"](tmp_path, np.random.default_rng(0))
    reader = Reader()
    assert "not read after" in reader.look(path, limit_s=0.01)  # python has not even started
    assert reader.look(path) == ""
    reader._process.kill()
    assert "ended with -9" in reader.look(path)


def test_one_seed_makes_one_damage():
    content = bytes(range(256)) * 4
    first, again, other = (damaged(content, b"x" * 99, np.random.default_rng(n)) for n in (1, 1, 2))
    assert first == again
    assert first != other
    assert first != content


def _random_labels(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    out = np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint16)
    out[0, 0, 0], out[-1, -1, -1] = 1, 3  # DICOM-SEG holds no empty one
    return out


@pytest.mark.parametrize("ending", ROUND_TRIPS)
@settings(
    max_examples=5, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    seed=st.integers(0, 2**16),
    spacing=st.tuples(*(st.floats(0.01, 20.0) for _ in range(3))),
)
def test_written_labels_come_back_with_their_place(tmp_path, ending, seed, spacing):
    if ending.endswith(".dcm"):
        folder = tmp_path / f"{seed}"
        folder.mkdir(exist_ok=True)
        there = folder / "series"
        like = read_volume(
            there if there.exists() else dicom_series(folder, np.random.default_rng(seed))
        )
    elif ending == ".png":
        like = Volume(np.zeros((12, 10)))
    else:
        like = Volume(np.zeros((4, 12, 10)), spacing=spacing)
    made = _random_labels(seed, (like.shape if like.ndim == 3 else (1, *like.shape)))
    path = tmp_path / f"l{ending}"
    write_labels(path, made.reshape(like.shape), like, overwrite=True)
    np.testing.assert_array_equal(read_mask(path, like), made.reshape(like.shape))
    if not ending.endswith((".dcm", ".png", ".npy")):  # the last two hold no geometry
        assert read_volume(path).spacing == pytest.approx(like.spacing, rel=1e-5)


def test_every_ending_that_is_written_is_read_back_or_read_by_another_library():
    assert sorted(set(WRITABLE) - set(ROUND_TRIPS) - set(NO_WAY_BACK)) == []


def _readers_and_writers() -> set[str]:
    """Return the public functions of the room that are named after reading and writing."""
    found = set()
    for info in pkgutil.iter_modules(io_room.__path__):
        module = importlib.import_module(f"{io_room.__name__}.{info.name}")
        for name, item in inspect.getmembers(module, inspect.isfunction):
            if name.startswith(("read_", "write_")) and item.__module__ == module.__name__:
                found.add(f"{module.__name__}.{name}")
    return found


def _use_all(folder: Path) -> None:
    """Read and write each kind once, by the ways that the fuzzer and the round trips take."""
    import fuzz_child

    for kind, make in MAKERS.items():
        (folder / kind).mkdir()
        fuzz_child.look(make(folder / kind, np.random.default_rng(0)))
    write_labels(folder / "l.json", labels()[2], Volume(np.zeros((12, 10))))
    for ending in (".geojson", *ROUND_TRIPS):
        if not ending.endswith((".dcm", ".png")):
            write_labels(folder / f"l{ending}", labels(), VOLUME)
    series = read_volume(folder / "series" / "series", anonymous=False)
    for name in ("l.dcm", "l.rtstruct.dcm"):
        write_labels(folder / name, labels(), series)
    read_mask(folder / "l.dcm", series)
    data, meta, _ = read_layers(str(folder / "l.nii"))[0]
    write_labels_layer(str(folder / "layer.nii"), np.asarray(data), meta)
    write_image_layer(str(folder / "layer.mha"), np.asarray(data), meta)
    write_array(folder / "a.h5", np.zeros(VOLUME.shape), VOLUME)
    write_beside(folder / "l.nii", [{"a": 1}])
    write_measurements(folder / "m.csv", measure(labels(), VOLUME), VOLUME)
    (folder / "masks").mkdir()
    write_labels(folder / "masks" / "liver.nii.gz", labels(), VOLUME)
    read_mask_folder(folder / "masks", VOLUME)
    # ModelPixelScale and ModelTiepoint place an image on a map
    tags = [(33550, 12, 3, (1.0, 1.0, 0.0), True), (33922, 12, 6, (0.0,) * 6, True)]
    tifffile.imwrite(folder / "map.tif", np.zeros((12, 10), np.uint8), extratags=tags)
    write_labels(folder / "l.map.geojson", labels()[2], read_volume(folder / "map.tif"))
    write_labels_of_points(folder / "p.csv", np.zeros((2, 3)), np.ones(2, np.int32))
    read_points(folder / "p.csv")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_reader_or_writer_is_left_out(tmp_path):
    used = set()

    def see(frame, event, _):
        if event == "call" and frame.f_code.co_name.startswith(("read_", "write_")):
            used.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")

    sys.setprofile(see)
    try:
        _use_all(tmp_path)
    finally:
        sys.setprofile(None)
    assert sorted(_readers_and_writers() - used) == []
