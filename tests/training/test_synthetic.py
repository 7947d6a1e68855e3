import numpy as np
import pytest

from napari_intseg.training.synthetic import KINDS, LARGEST, make_worlds


def test_the_same_seed_invents_the_same_pictures():
    first, again, other = (make_worlds(2.0, seed=seed, count=8, side=96) for seed in (1, 1, 2))
    assert first.weight == 2.0
    for one, same in zip(first.pictures, again.pictures, strict=True):
        assert np.array_equal(one.image, same.image)
        assert np.array_equal(one.labels, same.labels)
    assert not np.array_equal(first.pictures[0].image, other.pictures[0].image)


def test_every_kind_of_world_has_objects():
    source = make_worlds(1.0, seed=0, count=4 * len(KINDS))
    kinds = {picture.name.split("-")[0] for picture in source.pictures}
    assert kinds == {kind.__name__.strip("_") for kind in KINDS}
    for picture in source.pictures:
        assert picture.image.shape == picture.labels.shape == (256, 256)
        assert picture.image.std() > 3
        assert picture.areas.min() >= 40


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda k: k.__name__))
def test_an_object_can_be_told_from_what_is_round_it(kind):
    """At its rim the image changes more than elsewhere; where the rim is a wall, it is lit."""
    ratios, shine = [], []
    for seed in range(6):
        image, labels = kind(np.random.default_rng(seed), 192)
        assert np.isfinite(image).all()
        change = np.hypot(*np.gradient(image))
        rims = np.zeros(labels.shape, bool)
        rims[:-1] |= labels[:-1] != labels[1:]
        rims[:, :-1] |= labels[:, :-1] != labels[:, 1:]
        ratios.append(change[rims].mean() / change[~rims].mean())
        shine.append(abs(image[rims].mean() - image[~rims].mean()) / image.std())
    assert (np.mean(shine) > 0.5) if kind.__name__ == "_walls" else (np.mean(ratios) > 1.3)


def test_ground_is_no_object():
    made = make_worlds(1.0, seed=3, count=8).pictures
    tissue = [picture for picture in made if picture.name.startswith("tissue")]
    assert tissue
    for picture in tissue:
        assert picture.areas.max() <= LARGEST * picture.image.size
