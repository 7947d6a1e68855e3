"""The random walker in 3-D: balls carried from planes, its equations, what it reads."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from napari_intseg.core.segmenter import Traits, mask_to_logits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.core.volume_segmenter import (
    VolumeClick,
    VolumeMask,
    VolumeQuery,
    VolumeSegmenter,
    VolumeSource,
)
from napari_intseg.models.registry import find_model, load_model
from napari_intseg.models.volumes.random_walker_3d import (
    RandomWalker3d,
    Settings,
    _enlarged,
    _means,
    _Walk,
)
from napari_intseg.session.session import Session
from napari_intseg.testing import SegmenterContract, VolumeSegmenterContract

SPACING = (2.0, 1.0, 1.0)


def ball(shape: tuple[int, int, int] = (24, 40, 44), radius: float = 12.0) -> np.ndarray:
    z, y, x = np.indices(shape)
    return (z * 2.0 - 24) ** 2 + (y - 20.0) ** 2 + (x - 21.0) ** 2 <= radius**2


def seen(truth: np.ndarray, noise: float = 0.08, seed: int = 0) -> VolumeSource:
    rng = np.random.default_rng(seed)
    grey = np.where(truth, 0.7, 0.3) + rng.normal(0, noise, truth.shape)
    rgb = np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=-1).astype(np.float32)
    return VolumeSource.of(rgb, SPACING)


@pytest.fixture
def walker() -> RandomWalker3d:
    planes: Any = SimpleNamespace(traits=Traits("any"))  # no plane is asked about here
    return RandomWalker3d(planes)


def ask(walker: RandomWalker3d, source: VolumeSource, *planes: Plane, **more: Any) -> np.ndarray:
    """Return the answer to planes of the truth, or those that are given as masks."""
    masks = more.pop("masks")
    logits = {at: mask_to_logits(np.take(masks, at.index, at.axis)) for at in planes}
    clicks = tuple(VolumeClick(at.position(20, 20)) for at in planes)
    query = VolumeQuery(walker.prepare_volume(source), clicks, planes=logits, **more)
    change = walker.predict_volume(query)
    assert change is not None
    out = np.zeros(source.shape, bool)
    out[change.block] = change.logits > 0
    for at in planes:
        assert np.array_equal(np.take(out, at.index, at.axis), np.take(masks, at.index, at.axis))
    return out


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


class TestContract(VolumeSegmenterContract):
    def make(self) -> RandomWalker3d:
        planes: Any = SimpleNamespace(traits=Traits("any"))  # no plane is asked about here
        return RandomWalker3d(planes)


def test_it_fulfils_both_contracts(walker: RandomWalker3d) -> None:
    assert isinstance(walker, VolumeSegmenter)
    assert walker.answers_planes
    assert find_model("random-walker-3d").weights == "bundled"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_plane_of_a_ball_becomes_the_ball(walker: RandomWalker3d, axis: int) -> None:
    truth = ball()
    found = ask(walker, seen(truth), Plane(axis, (12, 20, 21)[axis]), masks=truth)
    assert dice(found, truth) > 0.9


def test_a_coarser_grid_gives_nearly_the_same(walker: RandomWalker3d) -> None:
    truth = ball()
    coarse = RandomWalker3d(walker.planes, Settings(cells=4000))
    found = ask(coarse, seen(truth), Plane(0, 12), masks=truth)
    assert dice(found, truth) > 0.85


def test_two_balls_of_one_value_stay_apart_by_a_plane_that_says_so(walker: RandomWalker3d) -> None:
    z, y, x = np.indices((30, 40, 40))
    one, other = ((z * 2.0 - at) ** 2 + (y - 20.0) ** 2 + (x - 20.0) ** 2 <= 100 for at in (18, 39))
    source = seen(one | other)
    alone = ask(walker, source, Plane(0, 9), masks=one)
    corrected = ask(walker, source, Plane(0, 9), Plane(0, 17), masks=one)
    assert np.count_nonzero(corrected & other & ~one) < np.count_nonzero(other) / 20
    assert np.count_nonzero(corrected & other) <= np.count_nonzero(alone & other)
    assert dice(corrected, one) > 0.85


def test_a_mask_that_was_there_first_is_kept_where_no_plane_speaks(walker: RandomWalker3d) -> None:
    truth = ball()
    inside = truth.copy()
    inside[12] = False  # the plane that is corrected
    initial = VolumeMask((0, 0, 0), inside)
    even = VolumeSource.of(np.full((*truth.shape, 3), 0.5, np.float32), SPACING)
    found = ask(walker, even, Plane(0, 12), masks=truth, initial=initial)
    assert dice(found, truth) > 0.9


def test_planes_without_an_object_leave_all_as_it_was(walker: RandomWalker3d) -> None:
    source = seen(ball())
    empty = {Plane(0, 12): np.full((40, 44), -5, np.float32)}
    change = walker.predict_volume(VolumeQuery(walker.prepare_volume(source), (), planes=empty))
    assert change is not None
    assert change.logits.size == 0


def test_an_empty_plane_far_away_changes_nothing(walker: RandomWalker3d) -> None:
    truth = np.zeros((80, 40, 44), bool)
    truth[:24] = ball()
    source = seen(truth)
    alone = ask(walker, source, Plane(0, 12), masks=truth)
    assert np.array_equal(ask(walker, source, Plane(0, 12), Plane(0, 79), masks=truth), alone)


def test_no_more_is_read_than_a_box_round_the_object(walker: RandomWalker3d) -> None:
    truth = np.zeros((60, 200, 220), bool)
    truth[8:33, 80:120, 90:134] = ball((25, 40, 44))
    read: list[int] = []
    inner = seen(truth)

    def reading(block: Any) -> np.ndarray:
        read.append(int(np.prod([span.stop - span.start for span in block])))
        return inner.read(block)

    source = VolumeSource(inner.shape, SPACING, reading)
    found = ask(walker, source, Plane(0, 20), masks=truth)
    assert dice(found, truth) > 0.9
    assert max(read) < truth.size / 8


def test_it_is_cancelled_on_the_way(walker: RandomWalker3d) -> None:
    truth, asked = ball(), []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 2

    logits = {Plane(0, 12): mask_to_logits(truth[12])}
    prepared = walker.prepare_volume(seen(truth))
    query = VolumeQuery(prepared, (), planes=logits, cancelled=cancelled)
    assert walker.predict_volume(query) is None
    assert len(asked) == 3


def test_the_equations_are_solved_as_a_sparse_solver_does() -> None:
    rng = np.random.default_rng(3)
    image = rng.random((4, 5, 6), np.float32)
    fixed = np.zeros(image.shape, bool)
    fixed[1] = True
    value = rng.random(image.shape, np.float32)
    prior = rng.random(image.shape, np.float32)
    walk = _Walk(image, SPACING, fixed, Settings(), np.full(1, 0.1, np.float32))
    found = walk.solved(value, prior, lambda: False)
    assert found is not None
    number = np.arange(image.size).reshape(image.shape)
    rows, cols, values = [], [], []
    for axis, weight in enumerate(walk._weights):
        low = np.take(number, range(image.shape[axis] - 1), axis).ravel()
        high = np.take(number, range(1, image.shape[axis]), axis).ravel()
        for a, b, sign in ((low, low, 1), (high, high, 1), (low, high, -1), (high, low, -1)):
            rows.append(a)
            cols.append(b)
            values.append(sign * weight.ravel())
    matrix = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))),
        shape=(image.size, image.size),
    ).tocsr() + 0.1 * sparse.eye(image.size, format="csr")
    free = ~fixed.ravel()
    known = value.ravel()[~free]
    right = 0.1 * prior.ravel()[free] - matrix[free][:, ~free] @ known
    exact = spsolve(matrix[free][:, free].tocsc(), right)
    np.testing.assert_allclose(found.ravel()[free], exact, atol=5e-3)
    np.testing.assert_array_equal(found[fixed], value[fixed])


def test_cells_and_back() -> None:
    values = np.linspace(0, 1, 7 * 9 * 11, dtype=np.float32).reshape(7, 9, 11)
    small = _means(values, (2, 3, 1))
    assert small.shape == (4, 3, 11)
    assert small[0, 0, 0] == pytest.approx(values[:2, :3, 0].mean())
    back = _enlarged(small, (2, 3, 1), values.shape)
    assert back.shape == values.shape
    np.testing.assert_allclose(back[2:5, 3:6], values[2:5, 3:6], atol=0.05)


class TestSlices(SegmenterContract):
    model_name = "random-walker-3d"


def test_a_click_in_a_session_finds_a_ball() -> None:
    truth = ball()
    rgb = seen(truth).read(seen(truth).whole)
    data = (rgb[..., 0] * 255).astype(np.uint8)
    session = Session(load_model("random-walker-3d", device="cpu"), Volume(data, spacing=SPACING))
    session.click((12, 20, 21))
    first = session.mask
    assert dice(first, truth) > 0.85
    session.click((18, 20, 21), positive=False)
    assert not session.mask[18, 20, 21]
    session.undo()
    assert np.array_equal(session.mask, first)
