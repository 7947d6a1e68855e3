"""From maps to objects, by the authors' code of nine papers.

`tests/data/parity/starts.npz` holds made maps, and what SpatialEmbeddings (`Cluster.cluster`),
Panoptic-DeepLab (`get_panoptic_segmentation`), YOLACT (`postprocess`), PRM (`instance_seg`),
CountSeg (`instance_seg2`) and EmbedMask (`forward_for_mask`, its CUDA kernel run as Python) made of
them; and what the networks of RSIS and RVOS listed with weights that follow from names, and what
their evaluations made of that, RVOS of a second frame, and rec-attend's of RSIS's list.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_intseg.models.automatic.clustering import panoptic
from napari_intseg.models.automatic.outputs import READERS, Frame, Outputs

FILE = Path(__file__).resolve().parents[2] / "data" / "parity" / "starts.npz"


@pytest.fixture(scope="module")
def stored():
    with np.load(FILE) as file:
        return {
            name: value.astype(np.float32) if value.dtype == np.float16 else value
            for name, value in file.items()
        }


def read(kind, arrays, shape, **parameters):
    told = SimpleNamespace(kind=kind, layout="NCHW", parameters=parameters)
    return READERS[kind](Outputs(arrays, told, Frame(shape, shape, shape)))


def test_spatial_embeddings_are_grouped_as_by_the_authors_code(stored):
    truth = stored["spatial_labels"]
    found = read("spatial-embedding", {"maps": stored["spatial"]}, truth.shape)
    assert len(found) == truth.max() == 7
    for number, one in enumerate(found, 1):
        np.testing.assert_array_equal(one.mask, truth == number)
    np.testing.assert_allclose([one.score for one in found], stored["spatial_scores"], rtol=1e-5)


def test_segments_are_those_of_panoptic_deeplabs_code(stored):
    truth = stored["panoptic_labels"]
    classes = stored["panoptic_classes"].astype(np.int64)
    heat, offsets = stored["panoptic_heat"], stored["panoptic_offsets"]
    labels, segments = panoptic(classes, heat, offsets, frozenset({2, 3}))
    # theirs gives class 0 the number of what belongs to nothing
    things = {number: kind for number, (kind, _) in segments.items() if kind}
    assert len(things) == len(np.unique(truth)) - 1 == 7
    for number, kind in things.items():
        (theirs,) = np.unique(truth[labels == number])
        # theirs are numbered a class
        assert theirs // 1000 == kind
        np.testing.assert_array_equal(labels == number, truth == theirs)


def test_masks_of_prototypes_are_those_of_yolacts_code(stored):
    side = int(stored["yolact_side"])
    boxes = stored["yolact_boxes"]
    truth = np.unpackbits(stored["yolact_masks"]).reshape(len(boxes), side, side).astype(bool)
    arrays = {
        "boxes": boxes, "scores": np.array([0.9, 0.8, 0.7, 0.6]), "labels": np.arange(4),
        "coefficients": stored["yolact_coefficients"], "prototypes": stored["yolact_prototypes"],
    }  # fmt: skip
    found = read("instances", arrays, (side, side), relative=True, overlap=1.0)
    assert [one.kind for one in found] == [0, 1, 2, 3]
    for one, mask in zip(found, truth, strict=True):
        np.testing.assert_array_equal(one.mask, mask)


@pytest.mark.parametrize("code", ["prm", "countseg"])
def test_proposals_are_chosen_by_peaks_as_by_the_authors_code(stored, code):
    shape = stored["prm_sources"].shape[1:]
    proposals = np.unpackbits(stored["prm_proposals"])[: 14 * np.prod(shape)].reshape(14, *shape)
    # of the last two peaks one is found twice, and one is of another class as well
    again = [0, 1, 2, 3, 4, 5, 0, 3]
    arrays = {
        "responses": stored["prm_responses"], "peak_maps": stored["prm_sources"][again],
        "labels": stored["peak_kinds"], "proposals": proposals,
    }  # fmt: skip
    if code == "countseg":
        arrays["density"] = stored["countseg_density"]
    found = read("peaks", arrays, shape)
    chosen = [int(np.flatnonzero((proposals == one.mask).all((1, 2)))[0]) for one in found]
    assert chosen == stored[f"{code}_chosen"].tolist()
    assert len(chosen) == 6
    assert [one.kind for one in found] == stored[f"{code}_kinds"].tolist()
    # theirs are no shares; it takes responses in 256 steps
    scores = np.array([one.score for one in found])
    np.testing.assert_allclose(1.8 * scores, stored[f"{code}_scores"], atol=1e-3)


def test_the_density_of_objects_changes_which_proposals_are_chosen(stored):
    assert set(stored["prm_chosen"]) != set(stored["countseg_chosen"])


def test_masks_of_embeddings_are_those_of_embedmasks_code(stored):
    shape = stored["embed_shape"].tolist()
    boxes = stored["embed_boxes"]
    size = len(boxes) * np.prod(shape)
    truth = np.unpackbits(stored["embed_masks"])[:size].reshape(len(boxes), *shape).astype(bool)
    arrays = {
        "boxes": boxes, "scores": np.array([0.9, 0.8, 0.7, 0.6, 0.55]), "labels": np.arange(5),
        "embedding": stored["embed_pixels"], "proposals": stored["embed_proposals"],
        "margins": stored["embed_margins"],
    }  # fmt: skip
    found = read("instances", arrays, tuple(shape), overlap=1.0)
    assert [one.kind for one in found] == [0, 1, 2, 3, 4]
    for one, mask in zip(found, truth, strict=True):
        np.testing.assert_array_equal(one.mask, mask)


def test_listed_objects_are_those_of_rsis_code(stored):
    masks = stored["rsis_masks"]
    shape = masks.shape[1:]
    arrays = {"masks": masks, "stop": stored["rsis_stop"], "classes": stored["rsis_classes"]}
    # it passes over what is unsure, and over the first class, which is none
    assert (np.diff((arrays["stop"] > 0.5).astype(int)) > 0).any()
    found = read("list", arrays, shape, ends=False, apart=False, least=0.001, class_threshold=0.25)
    truth = np.unpackbits(stored["rsis_found"])[: len(found) * np.prod(shape)]
    assert [one.kind for one in found] == stored["rsis_kinds"].tolist()
    np.testing.assert_allclose([one.score for one in found], stored["rsis_scores"], rtol=1e-6)
    for one, mask in zip(found, truth.reshape(-1, *shape).astype(bool), strict=True):
        np.testing.assert_array_equal(one.mask, mask)


def test_listed_objects_are_those_of_rec_attends_code(stored):
    """Of what RSIS listed, as rec-attend's network is in TensorFlow, and its rules in NumPy."""
    masks = stored["rsis_masks"]
    found = read(
        "list", {"masks": masks, "stop": stored["rsis_stop"]}, masks.shape[1:], ends=False,
        threshold=0.0, weighted=True, mask_threshold=0.3, least=401 / masks[0].size,
    )  # fmt: skip
    # more than one of them are large enough, and some are not
    assert 1 < len(found) == len(stored["recattend_kept"]) < len(masks)
    truth = np.unpackbits(stored["recattend_found"])[: len(found) * masks[0].size]
    for one, mask in zip(found, truth.reshape(-1, *masks.shape[1:]).astype(bool), strict=True):
        np.testing.assert_array_equal(one.mask, mask)
    scores = stored["rsis_stop"][stored["recattend_kept"]]
    np.testing.assert_allclose([one.score for one in found], scores, rtol=1e-6)


def test_listed_objects_are_those_of_rvos_code(stored):
    masks = stored["rvos_masks"]
    found = read("list", {"masks": masks}, masks.shape[1:], apart=False)
    truth = np.unpackbits(stored["rvos_found"])[: masks.size].reshape(masks.shape).astype(bool)
    assert len(found) == 10
    for one, mask in zip(found, truth, strict=True):
        np.testing.assert_array_equal(one.mask, mask)
