"""What the Save dialogs open on keeps the geometry; what is written is reopened in its place."""

import npe2
import numpy as np
import pytest
import SimpleITK as sitk
from napari.components import ViewerModel
from napari.settings import get_settings

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.write import write_labels
from napari_intseg.ui.storage.disk_folders import PLUGIN, prefer_own_reader, put_writers_first

SPACING, ORIGIN = (2.5, 0.8, 0.7), (-30.0, 12.0, -7.5)
BY_ITK = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


@pytest.fixture(autouse=True)
def manager():
    found = npe2.PluginManager.instance()
    found.discover()
    return found


@pytest.fixture
def drawn(rng):
    viewer = ViewerModel()
    data = rng.integers(0, 5, (4, 6, 7))
    return viewer.add_labels(data, scale=SPACING, translate=ORIGIN, units=("mm",) * 3)


def first(manager, kind):
    return next(iter(manager.iter_compatible_writers([kind])))


def save(writer, layer, path):
    """Save as the dialog does with the filter that it opens on."""
    return writer.exec(args=(str(path), *layer.as_layer_data_tuple()[:2]))


def test_the_dialogs_open_on_the_writers_that_keep_the_geometry(manager, drawn, tmp_path):
    put_writers_first()
    put_writers_first()  # once more changes nothing
    for kind in ("labels", "image"):
        assert first(manager, kind).plugin_name == PLUGIN
        assert "napari" in {w.plugin_name for w in manager.iter_compatible_writers([kind])}
    assert not manager.is_disabled("napari")
    written = save(first(manager, "labels"), drawn, tmp_path / "x.nii.gz")
    assert written == [str(tmp_path / "x.nii.gz")]
    image = sitk.ReadImage(written[0])
    assert image.GetSpacing() == pytest.approx(SPACING[::-1])
    assert image.GetOrigin() == pytest.approx(ORIGIN[::-1])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), drawn.data)


def test_names_without_an_ending_and_pictures_are_saved_too(manager, drawn, tmp_path, rng):
    put_writers_first()
    labels, image = first(manager, "labels"), first(manager, "image")
    assert save(labels, drawn, tmp_path / "x") == [str(tmp_path / "x.nii.gz")]
    shown = ViewerModel().add_image(rng.integers(0, 255, (9, 8)).astype(np.uint8))
    for name in ("x.png", "x.tif", "x.bmp"):
        assert save(image, shown, tmp_path / name) == [str(tmp_path / name)]
        assert (tmp_path / name).stat().st_size
    with pytest.raises(FileError, match=r"file type is unknown: .*x\.unknown"):
        save(labels, drawn, tmp_path / "x.unknown")


@pytest.mark.parametrize("ending", [*BY_ITK, ".tif", ".ome.tif", ".zarr", ".h5", ".npy"])
def test_what_is_written_is_reopened_in_its_place(drawn, tmp_path, ending):
    path = tmp_path / f"x{ending}"
    assert drawn.save(str(path), plugin=PLUGIN) == [str(path)]
    (again,) = ViewerModel().open(str(path), plugin=PLUGIN if ending != ".npy" else "napari")
    np.testing.assert_array_equal(np.asarray(again.data), drawn.data)
    if ending != ".npy":
        np.testing.assert_allclose(again.scale, SPACING, rtol=1e-6)
        assert {str(unit) for unit in again.units} == {"millimeter"}
    if ending in (*BY_ITK, ".h5", ".zarr"):  # TIFF holds no place
        np.testing.assert_allclose(again.data_to_world((0, 0, 0)), ORIGIN, rtol=1e-6)
        np.testing.assert_allclose(
            again.data_to_world((1, 2, 3)), drawn.data_to_world((1, 2, 3)), rtol=1e-6
        )
    if ending in BY_ITK:
        image = sitk.ReadImage(str(path))
        assert image.GetSpacing() == pytest.approx(SPACING[::-1])
        assert image.GetOrigin() == pytest.approx(ORIGIN[::-1])
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), drawn.data)


def test_an_image_is_not_replaced_by_labels_and_labels_may_be(tmp_path, drawn):
    data = np.asarray(drawn.data, np.uint8)
    like = Volume(data, spacing=SPACING)
    write_labels(tmp_path / "labels.h5", data, like)
    sitk.WriteImage(sitk.GetImageFromArray(data), str(tmp_path / "image.nrrd"))
    viewer = ViewerModel()
    (labels,) = viewer.open(str(tmp_path / "labels.h5"), plugin=PLUGIN)
    labels.data = labels.data * 2
    assert labels.save(str(tmp_path / "labels.h5"), plugin=PLUGIN)
    (image,) = viewer.open(str(tmp_path / "image.nrrd"), plugin=PLUGIN)
    made = viewer.add_labels(data, metadata=dict(image.metadata), scale=image.scale)
    with pytest.raises(FileError, match="output is an input"):
        made.save(str(tmp_path / "image.nrrd"), plugin=PLUGIN)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "image.nrrd"))), data
    )


def test_napari_asks_for_no_reader_of_files_with_a_place(drawn, tmp_path):
    settings = get_settings().plugins
    before = dict(settings.extension2reader)
    try:
        settings.extension2reader = {"*.tif": "napari"}
        prefer_own_reader()
        assert settings.extension2reader["*.tif"] == "napari", "chosen by a person"
        assert settings.extension2reader["*.nii.gz"] == PLUGIN
        assert "*.png" not in settings.extension2reader
        for name in ("x.nii.gz", "x.zarr"):
            path = tmp_path / name
            write_labels(path, drawn.data, Volume(drawn.data, spacing=SPACING))
            # what dropping a file on the window calls; it raises where several readers are left
            (layer,) = ViewerModel()._open_or_raise_error([str(path)])
            assert layer.data.shape == drawn.data.shape
            np.testing.assert_allclose(layer.scale, SPACING)
    finally:
        settings.extension2reader = before
