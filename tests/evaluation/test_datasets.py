"""Tiny folders in each published layout."""

import nibabel
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, FileError
from napari_intseg.evaluation.datasets import LAYOUTS, Choices, open_datasets
from napari_intseg.evaluation.truth import (
    MaskRules,
    ObjectRef,
    find_objects,
    guess_kind,
    read_image,
    read_labels,
    truth_of,
)
from napari_intseg.io.suffixes import FileWarning


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)


def photo(path, size=(20, 30)):
    save(path, np.full((*size, 3), 90))


def blocks(*values, size=(20, 30)):
    """One 4 x 5 block of each value, side by side with a gap."""
    mask = np.zeros(size, int)
    for i, value in enumerate(values):
        mask[3:7, 1 + 6 * i : 6 + 6 * i] = value
    return mask


def only(folder, **choices):
    (data,) = open_datasets(folder, Choices(**choices))
    return data


def truths(data):
    out = []
    for entry in data.entries:
        labels = read_labels(entry.mask)
        read_image(entry.image, labels.shape)
        out += [truth_of(labels, ref, entry.rules) for ref in entry.objects]
    return out


def test_grabcut_has_objects_at_255_and_ignores_128(tmp_path):
    photo(tmp_path / "data_GT" / "b.jpg")
    photo(tmp_path / "data_GT" / "a.png")
    for name in "ab":
        save(tmp_path / "boundary_GT" / f"{name}.bmp", blocks(255, 128))
    data = only(tmp_path)
    assert data.layout == "grabcut"
    assert [entry.name for entry in data.entries] == ["a", "b"]
    for truth in truths(data):
        np.testing.assert_array_equal(truth, blocks(1, -1))


def test_berkeley_masks_share_a_photograph_by_number(tmp_path):
    photo(tmp_path / "images" / "7.jpg")
    photo(tmp_path / "images" / "9#2.jpg")
    for name in ("7#1", "7#2", "9#2"):
        save(tmp_path / "masks" / f"{name}.png", np.repeat(blocks(243)[..., None], 3, axis=2))
    data = only(tmp_path)
    assert data.layout == "berkeley"
    assert [(e.name, e.image.name) for e in data.entries] == [
        ("7#1", "7.jpg"),
        ("7#2", "7.jpg"),
        ("9#2", "9#2.jpg"),
    ]
    np.testing.assert_array_equal(truths(data)[0], blocks(1))


def test_a_folder_named_berkeley_is_one(tmp_path):
    photo(tmp_path / "Berkeley" / "images" / "7.jpg")
    save(tmp_path / "Berkeley" / "masks" / "7.png", blocks(255))
    assert only(tmp_path / "Berkeley").layout == "berkeley"
    assert only(tmp_path / "Berkeley", layout="plain").layout == "plain"


@pytest.mark.parametrize("layout", ["auto", "davis", "COCO_MVal"])
def test_davis_takes_the_brightest_channel(tmp_path, layout):
    photo(tmp_path / "img" / "bear_00.jpg")
    mask = np.stack([blocks(0, 60), blocks(200, 0), blocks(0, 0)], axis=-1)
    save(tmp_path / "gt" / "bear_00.png", mask)
    data = only(tmp_path, layout=layout)
    assert data.layout == "davis"
    np.testing.assert_array_equal(truths(data)[0], blocks(1, 1))


@pytest.mark.parametrize("below", ["", "dataset"])
def test_sbd_reads_instances_of_its_list(tmp_path, below):
    root = tmp_path / below
    for name in ("2008_1", "2008_2"):
        photo(root / "img" / f"{name}.jpg")
        (root / "inst").mkdir(parents=True, exist_ok=True)
        inside = np.zeros((1, 1), [("Segmentation", "O"), ("Boundaries", "O")])
        inside["Segmentation"][0, 0] = blocks(1, 2, 3).astype(np.uint8)
        savemat(root / "inst" / f"{name}.mat", {"GTinst": inside})
    assert only(tmp_path).n_objects == 6
    (root / "val.txt").write_text("2008_2\n")
    (root / "train.txt").write_text("2008_1\n")
    data = only(tmp_path)
    assert data.layout == "sbd"
    assert [entry.name for entry in data.entries] == ["2008_2"]
    assert only(tmp_path, split="train").entries[0].name == "2008_1"
    np.testing.assert_array_equal(truths(data)[1], blocks(0, 1))


@pytest.mark.parametrize("as_colours", [False, True])
def test_pascal_voc_ignores_its_border(tmp_path, as_colours):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    photo(root / "JPEGImages" / "2007_1.jpg")
    palette = np.zeros((256, 3), np.uint8)
    palette[1], palette[2], palette[255] = (128, 0, 0), (0, 128, 0), (224, 224, 192)
    picture = Image.fromarray(blocks(1, 2, 255).astype(np.uint8), "P")
    picture.putpalette(palette.tobytes())
    (root / "SegmentationObject").mkdir()
    picture = picture.convert("RGB") if as_colours else picture
    picture.save(root / "SegmentationObject" / "2007_1.png")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_1\n")
    data = only(tmp_path)
    assert data.layout == "pascal-voc"
    found = sorted(truths(data), key=lambda truth: -truth[3, 1])
    np.testing.assert_array_equal(found[0], blocks(1, 0, -1))
    np.testing.assert_array_equal(found[1], blocks(0, 1, -1))


def test_a_list_that_is_not_there_is_named(tmp_path):
    photo(tmp_path / "img" / "a.jpg")
    (tmp_path / "inst").mkdir()
    (tmp_path / "train.txt").write_text("a")
    with pytest.raises(DataError, match="split does not exist: expected one of train, got 'test'"):
        open_datasets(tmp_path, Choices(split="test"))


def plain(tmp_path, *masks, suffix=".png"):
    for i, mask in enumerate(masks):
        photo(tmp_path / "images" / f"{i}.jpg", np.shape(mask)[:2])
        save(tmp_path / "masks" / f"{i}{suffix}", mask)
    return tmp_path


@pytest.mark.parametrize("value", [1, 255])
def test_one_number_is_one_object_however_small(tmp_path, value):
    data = only(plain(tmp_path, blocks(value, value)))
    assert data.entries[0].rules.kind == "binary"
    np.testing.assert_array_equal(truths(data)[0], blocks(1, 1))


def test_255_beside_1_is_ignored(tmp_path):
    data = only(plain(tmp_path, blocks(1), blocks(1, 255)))
    np.testing.assert_array_equal(truths(data)[1], blocks(1, -1))


def test_instances_are_one_object_a_number(tmp_path):
    folder = plain(tmp_path, blocks(1, 2), blocks(1, 1, 3))
    assert only(folder, min_px=1).n_objects == 4
    np.testing.assert_array_equal(truths(only(folder, min_px=1))[2], blocks(1, 1))


def test_instances_under_100_pixels_are_left_out(tmp_path):
    mask = np.zeros((40, 40), int)
    mask[:10, :10], mask[20:29, :11], mask[20:, 20:] = 1, 2, 3
    assert [ref.value for ref in only(plain(tmp_path, mask)).entries[0].objects] == [1, 3]


def test_classes_are_one_object_a_connected_piece(tmp_path):
    folder = plain(tmp_path, blocks(1, 1, 2, 255))
    data = only(folder, min_px=1, masks={"": "classes"}, ignore=(255,))
    assert [ref.name for ref in data.entries[0].objects] == ["1.1", "1.2", "2.1"]
    np.testing.assert_array_equal(truths(data)[1], blocks(0, 1, 0, -1))


def test_kind_of_masks_can_be_given_by_name_of_the_set(tmp_path):
    plain(tmp_path / "one", blocks(1, 2))
    plain(tmp_path / "two", blocks(1, 2))
    one, two = open_datasets(tmp_path, Choices(min_px=1, masks={"one": "binary"}))
    assert (one.n_objects, two.n_objects) == (1, 2)
    assert [one.name, two.name] == [f"{tmp_path.name}/one", f"{tmp_path.name}/two"]


def test_at_most_ten_objects_are_drawn_the_same_every_time(tmp_path):
    mask = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((10, 10)))
    folder = plain(tmp_path, mask, mask)
    first, again = only(folder), only(folder)
    assert [len(entry.objects) for entry in first.entries] == [10, 10]
    assert first == again
    assert first.entries[0].objects != first.entries[1].objects
    assert only(folder, seed=1) != first
    assert only(folder, max_objects=0).n_objects == 50


def test_a_limit_spreads_over_the_set(tmp_path):
    folder = plain(tmp_path, *[blocks(1)] * 9)
    assert [entry.name for entry in only(folder, limit=3).entries] == ["0", "3", "6"]
    assert only(folder, limit=99).n_objects == 9


def test_volumes_are_objects_by_slice_or_as_a_whole(tmp_path):
    import tifffile

    labels = np.zeros((4, 20, 20), np.uint16)
    labels[1:3, 5:15, 5:15] = 300
    labels[3, :3, :3] = 7
    for name, data in (("images", labels * 3), ("masks", labels)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "v.tif", data)
    slices = only(tmp_path)
    assert [ref.plane for ref in slices.entries[0].objects] == [Plane(0, 1), Plane(0, 2)]
    assert slices.entries[0].objects[0].name == "300@1"
    whole = only(tmp_path, volumes="whole")
    assert [ref.name for ref in whole.entries[0].objects] == ["300"]
    assert truths(whole)[0].sum() == 200


def test_channels_first_and_alpha_are_put_right(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "c.tif", np.zeros((2, 20, 30), np.uint16))
    assert read_image(tmp_path / "c.tif", (20, 30)).n_channels == 2
    save(tmp_path / "la.png", np.zeros((20, 30, 2)))
    assert read_image(tmp_path / "la.png", (20, 30)).n_channels == 0
    save(tmp_path / "rgba.png", np.zeros((20, 30, 4)))
    assert read_image(tmp_path / "rgba.png", (20, 30)).n_channels == 4


def test_masks_saved_as_numpy_and_as_colours_are_read(tmp_path):
    np.save(tmp_path / "m.npy", blocks(1, 2))
    np.testing.assert_array_equal(read_labels(tmp_path / "m.npy"), blocks(1, 2))
    mask = np.stack([blocks(1), blocks(0), blocks(2)], axis=-1)
    save(tmp_path / "m.png", mask)
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png"), blocks(65536 + 2))


@pytest.mark.parametrize(
    ("values", "kind", "ignore"),
    [
        ({0}, "binary", ()),
        ({0, 17}, "binary", ()),
        ({0, 128, 255}, "binary", (128,)),
        ({0, 1, 255}, "binary", (255,)),
        ({0, 1, 2, 255}, "instances", (255,)),
        (set(range(256)), "instances", ()),
    ],
)
def test_kind_is_guessed_from_the_numbers(values, kind, ignore):
    assert guess_kind(values, eight_bit=True) == (kind, ignore)


def test_255_is_a_count_in_masks_of_more_bits():
    assert guess_kind({0, 1, 255, 300}, eight_bit=False) == ("instances", ())


def test_an_object_outside_the_rules_is_none():
    labels = blocks(3)
    assert find_objects(labels, MaskRules(ignore=(3,)), "a") == ()
    assert find_objects(labels, MaskRules("binary", above=5), "a") == ()
    assert find_objects(labels, MaskRules("binary", min_px=20), "a") == (ObjectRef(0),)


def test_a_mask_without_image_is_named(tmp_path):
    plain(tmp_path, blocks(1))
    (tmp_path / "images" / "0.jpg").unlink()
    with pytest.raises(DataError, match="mask has no image: expected an image named '0'"):
        open_datasets(tmp_path)


def test_a_mask_may_have_an_ending(tmp_path):
    photo(tmp_path / "images" / "cell.png")
    save(tmp_path / "labels" / "cell_mask.png", blocks(1))
    assert only(tmp_path).entries[0].image.name == "cell.png"


def test_a_folder_of_no_layout_is_refused(tmp_path):
    with pytest.raises(DataError, match=f"none of the known layouts.*{'.*'.join(LAYOUTS)}"):
        open_datasets(tmp_path)


def test_a_folder_of_another_layout_than_asked_for_is_refused(tmp_path):
    with pytest.raises(DataError, match="none of the known layouts"):
        open_datasets(plain(tmp_path, blocks(1)), Choices(layout="grabcut"))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="data set is missing: expected a folder"):
        open_datasets(tmp_path / "nothing")


def test_an_unknown_layout_and_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match="layout is unknown: expected auto or one of grabcut"):
        open_datasets(tmp_path, Choices(layout="imagenet"))
    with pytest.raises(DataError, match="kind of masks is unknown: expected one of auto, binary"):
        open_datasets(tmp_path, Choices(masks={"": "fuzzy"}))


def test_a_set_without_objects_is_refused(tmp_path):
    with pytest.raises(DataError, match="data set holds no object: expected masks with objects of"):
        open_datasets(plain(tmp_path, blocks()))


def test_a_damaged_mask_is_named(tmp_path):
    folder = plain(tmp_path, blocks(1))
    (folder / "masks" / "0.png").write_bytes(b"not a picture")
    with pytest.raises(FileError, match=r"file cannot be read: expected an image or mask.*0\.png"):
        open_datasets(folder)


def test_masks_of_probabilities_are_refused(tmp_path):
    np.save(tmp_path / "p.npy", np.full((4, 4), 0.5))
    with pytest.raises(DataError, match="mask holds fractions: expected whole numbers"):
        read_labels(tmp_path / "p.npy")


def test_masks_with_many_axes_are_refused(tmp_path):
    np.save(tmp_path / "p.npy", np.zeros((2, 2, 4, 4), int))
    with pytest.raises(DataError, match="mask is neither a slice nor a volume"):
        read_labels(tmp_path / "p.npy")


def test_an_image_on_another_grid_is_refused(tmp_path):
    photo(tmp_path / "a.png", (20, 30))
    with pytest.raises(DataError, match=r"different grids: expected \(30, 20\), as the mask"):
        read_image(tmp_path / "a.png", (30, 20))


@pytest.mark.parametrize(
    ("folder", "layout", "objects"),
    [("GrabCut", "grabcut", 50), ("Berkeley", "berkeley", 100), ("microscopy", "plain", 819)],
)
def test_published_sets_are_read(shared, folder, layout, objects):
    found = open_datasets(shared / "data" / "eval" / folder)
    assert {data.layout for data in found} == {layout}
    assert sum(data.n_objects for data in found) == objects


@pytest.mark.parametrize("channels", [0, 2])
def test_an_image_comes_in_the_order_of_its_masks_axes(tmp_path, rng, channels):
    data = rng.integers(0, 900, (6, 5, 4)).astype(np.int16)
    affine = np.diag([-2.0, -3.0, 4.0, 1.0])
    other = nibabel.as_closest_canonical(nibabel.Nifti1Image(data.copy(), affine))
    turned = nibabel.Nifti1Image(
        np.asarray(other.dataobj).transpose(1, 0, 2), other.affine[:, [1, 0, 2, 3]]
    )
    stored = np.stack([data + n for n in range(channels)], axis=-1) if channels else data
    nibabel.save(
        nibabel.Nifti1Image(stored[:, :, :, np.newaxis] if channels else stored, affine),
        tmp_path / "i.nii.gz",
    )
    nibabel.save(turned, tmp_path / "l.nii.gz")
    labels = read_labels(tmp_path / "l.nii.gz")
    volume = read_image(tmp_path / "i.nii.gz", labels.shape, tmp_path / "l.nii.gz")
    seen = volume.data[..., 0] if channels else volume.data
    np.testing.assert_array_equal(seen, labels)
    if channels:
        np.testing.assert_array_equal(volume.data[..., 1], labels + 1)
    np.testing.assert_allclose(volume.spacing, (4, 2, 3))
    # a mask of another kind does not tell where it lies
    assert read_image(tmp_path / "i.nii.gz", (4, 5, 6), tmp_path / "l.png").shape == (4, 5, 6)


def test_a_mask_that_lies_elsewhere_is_told(tmp_path, rng):
    data = rng.integers(0, 9, (6, 5, 4)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "i.nii")
    nibabel.save(nibabel.Nifti1Image(data, np.diag([1.0, 1.0, 2.0, 1.0])), tmp_path / "l.nii")
    with pytest.warns(FileWarning, match=r"it lies elsewhere than its mask 'l\.nii'"):
        volume = read_image(tmp_path / "i.nii", (4, 5, 6), tmp_path / "l.nii")
    np.testing.assert_array_equal(volume.data, data.T)
