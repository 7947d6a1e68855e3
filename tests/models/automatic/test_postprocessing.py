"""From networks' maps to objects, by the rules of the papers."""

import numpy as np
import pytest
import torch

from napari_intseg.models.automatic.clustering import (
    PanopticRules,
    SpatialRules,
    find_centres,
    group_by_centres,
    grow_metric_seeds,
    mean_shift,
    panoptic,
    spatial_embeddings,
)
from napari_intseg.models.automatic.proposals import (
    ListRules,
    box_overlap,
    choose_by_peak,
    find_peaks,
    follow_flows,
    from_boxes,
    from_distance,
    from_list,
    from_proposal_embeddings,
    from_prototypes,
    from_stars,
    labels_to_findings,
    paste,
    suppress,
)

SHAPE = (40, 60)


def two_discs():
    """Labels of two discs."""
    rows, cols = np.indices(SHAPE)
    out = np.zeros(SHAPE, np.int32)
    out[(rows - 18) ** 2 + (cols - 15) ** 2 < 120] = 1
    out[(rows - 22) ** 2 + (cols - 42) ** 2 < 140] = 2
    return out


def same_partition(found, truth):
    """Whether two label images hold the same objects under any numbers."""
    pairs = set(zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True))
    return len(pairs) == len(set(found.ravel())) == len(set(truth.ravel()))


def test_embeddings_within_the_margin_of_their_means_are_recovered_exactly():
    # arXiv:1708.02551: exact when means are more than twice the margin apart
    rng = np.random.default_rng(0)
    truth = two_discs()
    means = np.array([[0, 0], [0, 0], [3.2, 0.0]])[truth]
    noise = rng.normal(size=(2, *SHAPE))
    noise *= rng.uniform(0, 0.49, SHAPE) / np.linalg.norm(noise, axis=0)
    embedding = np.moveaxis(means, -1, 0) + noise
    found = mean_shift(embedding, truth > 0, bandwidth=1.5)
    assert same_partition(found, truth)


def test_small_clusters_are_left_out():
    truth = two_discs()
    embedding = np.stack([truth * 5.0, truth * 0.0])
    embedding[0, 18, 15] = 99
    assert mean_shift(embedding, truth > 0, bandwidth=1).max() == 3
    assert mean_shift(embedding, truth > 0, bandwidth=1, min_px=2).max() == 2
    assert not mean_shift(embedding, np.zeros(SHAPE, bool), bandwidth=1).any()


def test_on_the_sphere_only_directions_count():
    truth = two_discs()
    angle = np.array([0, 0.2, 1.9])[truth]
    length = np.random.default_rng(1).uniform(0.5, 9, SHAPE)
    embedding = np.stack([np.cos(angle), np.sin(angle)]) * length
    found = mean_shift(embedding, truth > 0, bandwidth=0.5, on_sphere=True)
    assert same_partition(found, truth)


def test_metric_seeds_grow_apart_and_the_surer_comes_first():
    truth = two_discs()
    embedding = np.stack([truth * 6.0, truth * 0.0])
    seediness = np.where(truth == 2, 0.9, np.where(truth == 1, 0.6, 0.01))
    labels, scores = grow_metric_seeds(embedding, seediness)
    np.testing.assert_array_equal(labels[truth == 2], 1)
    np.testing.assert_array_equal(labels[truth == 1], 2)
    assert scores == pytest.approx((0.9, 0.6))


def spatial_maps():
    truth = two_discs()
    rows, cols = np.indices(SHAPE) / 1023
    offsets = np.zeros((2, *SHAPE))
    for number in (1, 2):
        mask = truth == number
        offsets[0][mask] = np.arctanh(cols[mask].mean() - cols[mask])
        offsets[1][mask] = np.arctanh(rows[mask].mean() - rows[mask])
    return truth, offsets, np.full((1, *SHAPE), 0.9), np.where(truth > 0, 0.95, 0.1)


def test_pixels_that_point_at_one_centre_are_one_object():
    truth, offsets, sigma, seeds = spatial_maps()
    labels, scores = spatial_embeddings(offsets, sigma, seeds)
    assert same_partition(labels, truth)
    assert scores == pytest.approx((0.95, 0.95))


def test_the_search_for_centres_ends_below_the_least_seed_and_size():
    truth, offsets, sigma, seeds = spatial_maps()
    seeds[truth == 2] = 0.89
    assert spatial_embeddings(offsets, sigma, seeds)[0].max() == 1
    strict = SpatialRules(min_px=np.count_nonzero(truth == 1) + 1)
    assert not spatial_embeddings(offsets, sigma, seeds, strict)[0].any()


def test_centres_are_the_hottest_of_their_window():
    heat = np.zeros(SHAPE)
    heat[10, 10], heat[12, 12], heat[30, 50], heat[5, 40] = 0.9, 0.8, 0.95, 0.05
    np.testing.assert_array_equal(find_centres(heat), [[30, 50], [10, 10]])
    assert len(find_centres(heat, PanopticRules(window=3))) == 3
    assert len(find_centres(heat, PanopticRules(most=1))) == 1


def test_pixels_belong_to_the_centre_they_point_at_and_vote_for_their_class():
    truth = two_discs()
    centres = np.array([[18, 15], [22, 42]])
    heat = np.zeros(SHAPE)
    heat[18, 15], heat[22, 42] = 0.8, 0.9
    offsets = np.zeros((2, *SHAPE))
    for number, centre in enumerate(centres, 1):
        there = np.argwhere(truth == number)
        offsets[:, truth == number] = (centre - there).T
    np.testing.assert_array_equal(group_by_centres(centres, offsets, truth > 0), truth)
    classes = np.where(truth == 1, 5, np.where(truth == 2, 6, 0))
    classes[16:19, 13:16] = 6  # a few pixels of another class are outvoted
    rules = PanopticRules(min_stuff_px=100)
    labels, segments = panoptic(classes, heat, offsets, frozenset({5, 6}), rules)
    assert same_partition(labels, truth)
    by_class = {kind: score for kind, score in segments.values()}
    assert by_class == {5: 0.8, 6: 0.9, 0: 1.0}
    none, few = panoptic(classes, heat, offsets, frozenset({5, 6}))
    assert (none[truth == 0] == 0).all()
    assert len(few) == 2


def test_without_centres_there_are_no_things():
    things = np.ones(SHAPE, bool)
    assert not group_by_centres(np.empty((0, 2), np.int64), np.zeros((2, *SHAPE)), things).any()


def test_overlap_of_boxes():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    np.testing.assert_allclose(box_overlap(boxes[0], boxes), [1, 1 / 3, 0])


def test_less_sure_boxes_of_one_class_go():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [30, 30, 40, 40]], float)
    scores, kinds = np.array([0.8, 0.9, 0.7, 0.6]), np.array([1, 1, 2, 1])
    assert suppress(boxes, scores, kinds).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, kinds, most=1).tolist() == [1]
    assert suppress(boxes, scores, kinds, overlap=0.9).tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize("box", [(4.3, 6.1, 30.7, 25.2), (-5, -3, 12, 50), (50, 30, 70, 60)])
def test_masks_are_pasted_as_torch_samples_them(box):
    mask = np.random.default_rng(2).random((14, 14), np.float32)
    rows = (torch.arange(SHAPE[0]) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    cols = (torch.arange(SHAPE[1]) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    grid = torch.stack(torch.meshgrid(cols, rows, indexing="xy"), -1)[None]
    theirs = torch.nn.functional.grid_sample(
        torch.from_numpy(mask)[None, None], grid, align_corners=False
    )[0, 0].numpy()
    found = paste(mask, np.array(box), SHAPE)
    inside = np.zeros(SHAPE, bool)
    y0, x0 = max(0, int(np.ceil(box[1] - 0.5))), max(0, int(np.ceil(box[0] - 0.5)))
    inside[y0 : int(box[3] + 0.5), x0 : int(box[2] + 0.5)] = True
    np.testing.assert_allclose(found[inside], theirs[inside], atol=1e-5)


def test_a_box_outside_the_image_pastes_nothing():
    assert not paste(np.ones((7, 7)), np.array([80.0, 0, 90, 9]), SHAPE).any()
    assert not paste(np.ones((7, 7)), np.array([9.0, 9, 9, 9]), SHAPE).any()


def test_boxes_with_masks_become_findings():
    boxes = np.array([[5, 5, 25, 25], [6, 5, 26, 25], [30, 10, 50, 30]], float)
    scores = np.array([0.7, 0.9, 0.4])
    found = from_boxes(boxes, scores, np.array([1, 1, 2]), np.ones((3, 28, 28)), shape=SHAPE)
    assert [one.score for one in found] == [0.9]
    assert found[0].mask[6:24, 7:25].all()
    assert found[0].mask.sum() == 400
    assert (found[0].box.row0, found[0].box.col1) == (4.5, 25.5)
    whole = np.zeros((1, *SHAPE))
    whole[0, :9] = 1
    (one,) = from_boxes(boxes[:1], scores[:1], np.array([1]), whole, shape=SHAPE)
    assert one.mask.sum() == 9 * SHAPE[1]


def test_prototypes_are_summed_and_cropped():
    prototypes = np.stack([np.ones(SHAPE), -np.ones(SHAPE)])
    weights = np.array([[4.0, 0], [0, 4.0]])
    boxes = np.array([[10, 5, 20, 15], [0, 0, 60, 40]], float)
    masks = from_prototypes(prototypes, weights, boxes)
    # a pixel more on each side
    assert (masks[0] > 0.5).sum() == 144
    assert (masks[1] > 0.5).sum() == 0


def test_pixels_near_a_proposals_embedding_are_its_mask():
    pixels = np.stack([np.where(two_discs() == 1, 2.0, 0), np.zeros(SHAPE)])
    masks = from_proposal_embeddings(
        pixels, np.array([[2.0, 0]]), np.array([1.0]), np.array([[0, 0, 60, 40]], float)
    )
    np.testing.assert_array_equal(np.exp(masks[0]) > 0.5, two_discs() == 1)


def test_a_list_ends_at_the_first_that_is_unsure():
    masks = np.stack([two_discs() == 1, two_discs() == 2, two_discs() == 1]).astype(float)
    found = from_list(masks, np.array([0.9, 0.3, 0.9]), np.array([4, 5, 6]))
    assert [(one.kind, one.score) for one in found] == [(4, 0.9)]
    both = from_list(masks, np.array([0.9, 0.8, 0.9]))
    assert len(both) == 2  # the third is covered by the first
    assert from_list(masks, np.array([0.1, 0.9, 0.9])) == []


def test_a_list_may_go_on_and_its_masks_overlap():
    masks = np.stack([two_discs() == 1, two_discs() == 2, two_discs() == 1]).astype(float)
    stop = np.array([0.9, 0.3, 0.8])
    rules = ListRules(ends=False, apart=False)
    found = from_list(masks, stop, np.array([4, 5, 6]), rules=rules)
    assert [(one.kind, one.score) for one in found] == [(4, 0.9), (6, 0.8)]
    np.testing.assert_array_equal(found[0].mask, found[1].mask)
    share = float(masks[0].mean())
    assert not from_list(masks, stop, rules=ListRules(least=1.01 * share))
    assert from_list(masks, stop, rules=ListRules(least=0.99 * share))


def test_peaks_are_highest_in_their_window_and_above_the_median():
    response = np.full(SHAPE, 0.1)
    response[8, 8], response[8, 9], response[30, 30] = 0.9, 0.8, 0.7
    np.testing.assert_array_equal(find_peaks(response), [[8, 8], [30, 30]])
    np.testing.assert_array_equal(find_peaks(response, count=1), [[8, 8]])


def test_the_proposal_with_the_response_wins_over_one_on_background():
    truth = two_discs()
    response = np.where(truth == 1, 1.0, 0.0)
    proposals = np.stack([truth == 2, truth == 1, np.ones(SHAPE, bool)])
    chosen, score = choose_by_peak(response, response, proposals)
    assert (chosen, 0 < score < 1) == (1, True)


def test_stars_are_drawn_and_the_less_sure_go():
    prob = np.zeros((20, 30))
    prob[5, 6], prob[5, 7], prob[12, 20] = 0.8, 0.9, 0.7
    distances = np.full((20, 30, 32), 8.0)
    found = from_stars(prob, distances, grid=2, shape=SHAPE)
    assert [one.score for one in found] == pytest.approx([0.9, 0.7])
    rows, cols = np.indices(SHAPE)
    disc = (rows - 10) ** 2 + (cols - 14) ** 2 <= 64
    assert np.count_nonzero(found[0].mask ^ disc) < 0.08 * disc.sum()
    assert len(from_stars(prob, distances, grid=2, overlap=1.0)) == 3


def test_each_peak_of_a_distance_has_a_basin():
    from scipy.ndimage import distance_transform_edt

    rows, cols = np.indices(SHAPE)
    touching = ((rows - 20) ** 2 + (cols - 20) ** 2 < 100) | (
        (rows - 20) ** 2 + (cols - 38) ** 2 < 100
    )
    labels = from_distance(distance_transform_edt(touching), window=9)
    assert labels.max() == 2
    assert labels[20, 20] != labels[20, 38]
    assert not from_distance(distance_transform_edt(touching), window=9, min_px=9999).any()


def test_pixels_that_flow_to_one_place_are_one_object():
    truth = two_discs()
    flows = np.zeros((2, *SHAPE))
    for number, centre in ((1, (18, 15)), (2, (22, 42))):
        there = np.argwhere(truth == number)
        to = np.array(centre) - there
        flows[:, truth == number] = (to / np.maximum(np.linalg.norm(to, axis=1), 1)[:, None]).T
    assert same_partition(follow_flows(flows, truth > 0), truth)
    assert not follow_flows(flows, truth > 99).any()


def test_labels_become_findings():
    found = labels_to_findings(two_discs(), (0.5, 0.6), (3, 4))
    assert [(one.kind, one.score) for one in found] == [(3, 0.5), (4, 0.6)]
    np.testing.assert_array_equal(found[1].mask, two_discs() == 2)
