"""What a model sees is said in one way: `segment`, `compare` and `start` take the same options."""

import numpy as np
import pydicom
import pytest
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.models import registry
from napari_intseg.models.automatic import automatic
from napari_intseg.models.automatic.automatic import Finding
from napari_intseg.models.automatic.hub_models import FAMILIES
from napari_intseg.models.registry import ModelSpec

CLICK = ("--click", "1,20,20")


class Seer:
    """Keeps what it sees; answers with what is bright."""

    def __init__(self, seen):
        self.traits, self.seen = Traits("seer", frozenset({"click", "mask"})), seen
        self.family = FAMILIES["segformer"]

    def prepare(self, image):
        self.seen.append(image)
        return Prepared(image.shape[:2], image.mean(axis=2), 0)

    def predict(self, query):
        return Answer(np.where(query.prepared.payload > 0.5, 6, -6).astype(np.float32))

    def find(self, image, _texts=(), *, threshold=None, masks_by=None):
        del threshold, masks_by
        self.seen.append(image)
        return (Finding(image.mean(axis=2) > 0.5, "thing", 0.9, None),)


@pytest.fixture
def seen(monkeypatch):
    images = []
    monkeypatch.setattr(
        "napari_intseg.testing.make_seer", lambda *_, **__: Seer(images), raising=False
    )
    for name in ("one", "other"):
        spec = ModelSpec("napari_intseg.testing:make_seer", name, "toy")
        monkeypatch.setitem(registry.MODELS, name, spec)
    monkeypatch.setattr(automatic, "load_automatic", lambda *_, **__: Seer(images))
    return images


@pytest.fixture
def series(shared, tmp_path):
    """Three slices of a CT with a window of its own, 64 pixels a side."""
    folder = tmp_path / "series"
    folder.mkdir()
    for path in sorted((shared / "data/samples/ct_dicom_series").iterdir())[:3]:
        dataset = pydicom.dcmread(path)
        dataset.PixelData = dataset.pixel_array[200:264, 200:264].tobytes()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.Rows = dataset.Columns = 64
        dataset.WindowCenter, dataset.WindowWidth = 40, 300
        dataset.save_as(folder / path.name)
    return folder


COMMANDS = {
    "segment": (*CLICK, "--model", "one", "--no-journal"),
    "compare": (*CLICK, "--model", "one", "--model", "other"),
    "start": ("--automatic", "segformer", "--weights", "folder", "--planes", "1:2"),
}


def run(command, image, out, *words):
    where = () if command == "compare" else ("-o", str(out))
    return main([command, str(image), *where, "--quiet", *COMMANDS[command], *words])


def windowed(raw, low, high):
    return np.clip((raw.astype(np.float32) - low) / (high - low), 0, 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_s_own_window_is_the_default(seen, series, tmp_path, command):
    from napari_intseg.io.read import read_volume

    raw = np.asarray(read_volume(series).data[1])
    assert run(command, series, tmp_path / "out.mha") == 0
    np.testing.assert_allclose(seen[0][..., 0], windowed(raw, -110, 190), atol=1e-6)
    seen.clear()
    assert run(command, series, tmp_path / "again.mha", "--window", "lung") == 0
    np.testing.assert_allclose(seen[0][..., 0], windowed(raw, -1350, 150), atol=1e-6)


@pytest.mark.parametrize("command", COMMANDS)
def test_neighbours_become_colours(seen, tmp_path, command):
    data = np.repeat(np.array([50, 150, 250], np.uint8), 40 * 40).reshape(3, 40, 40)
    np.save(tmp_path / "scan.npy", data)
    assert run(command, tmp_path / "scan.npy", tmp_path / "out.npy", "--neighbours") == 0
    np.testing.assert_allclose(seen[0][5, 5] * 255, [50, 150, 250], atol=1e-3)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_channel_has_a_window_and_a_colour(seen, tmp_path, command):
    data = np.zeros((3, 2, 40, 40), np.uint16)
    data[:, 0], data[:, 1] = 500, 3000
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "two.tif", data, imagej=True, metadata={"axes": "ZCYX"})
    words = ("--window", "0,1000", "--window", "2000,6000", "--colours", "magenta,green")
    assert run(command, tmp_path / "two.tif", tmp_path / "out.tif", *words) == 0
    np.testing.assert_allclose(seen[0][5, 5], [0.5, 0.25, 0.5], atol=1e-6)
    seen.clear()
    words = ("--window", "0,1000", "--channels", "0")
    assert run(command, tmp_path / "two.tif", tmp_path / "one.tif", *words) == 0
    np.testing.assert_allclose(seen[0][5, 5], [0.5, 0.5, 0.5], atol=1e-6)
    assert run(command, tmp_path / "two.tif", tmp_path / "bad.tif", "--window", "0,1",
               "--window", "0,1", "--window", "0,1") == 2  # fmt: skip


def test_tiles_and_a_mask_to_start_from_are_taken_by_compare_and_segment(seen, tmp_path):
    picture, mask = np.zeros((60, 700), np.uint8), np.zeros((60, 700), np.uint8)
    picture[10:50, 20:680], mask[12:40, 30:600] = 255, 1
    Image.fromarray(picture).save(tmp_path / "long.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = ("--click", "20,40", "--tiles", "--init", str(tmp_path / "mask.png"))
    for command, models in (("segment", ("one",)), ("compare", ("one", "other"))):
        chosen = [word for name in models for word in ("--model", name)]
        out = ["-o", str(tmp_path / "out.png"), "--no-journal"] if command == "segment" else []
        image = str(tmp_path / "long.png")
        assert main([command, image, *out, "--quiet", *chosen, *words]) == 0
    out = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(out > 0, picture > 0)
    assert seen


def test_colours_that_nobody_knows_are_told(tmp_path, capsys):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.png")
    words = ["segment", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--click", "1,1"]
    assert main([*words, "--colours", "magenta,beige"]) == 2
    assert "colours are not understood: expected some of grey" in capsys.readouterr().err
