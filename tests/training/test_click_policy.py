"""A learnt policy for suggested clicks: it learns, is kept, and is asked in a chain."""

import numpy as np
import pytest
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.errors import WeightsError
from napari_intseg.models.click_policy import load_policy
from napari_intseg.models.weights.locate import locate
from napari_intseg.session.session import Session
from napari_intseg.training.encoder_heads import error_depths, train_policy
from napari_intseg.training.options import HeadOptions


class Squares:
    """Answers with a square of 20 pixels round each positive click."""

    traits = Traits("squares")

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query):
        mask = np.zeros(query.prepared.shape, bool)
        for click in query.prompts.clicks:
            row, col = int(click.row), int(click.col)
            mask[row - 10 : row + 10, col - 10 : col + 10] = click.positive
        return Answer(np.where(mask, 5, -5).astype(np.float32))


class RightOf:
    """Sees one deep error, 14 pixels right of the middle of the view."""

    def __init__(self):
        self.seen = []

    def depths(self, image, prob, clicks):
        assert image.shape[:2] == prob.shape
        self.seen.append(clicks)
        found = np.zeros(prob.shape, np.float32)
        found[prob.shape[0] // 2, prob.shape[1] // 2 + 14] = 0.4
        return found


def test_a_chain_goes_by_a_policy():
    session = Session(Squares(), Volume(np.zeros((100, 120), np.uint8)), obey=False)
    session.click((50, 40))
    assert session.suggest_click() is None, "the model alone has no doubts"
    session.chain.policy = policy = RightOf()
    found = session.suggest_click()
    assert (found.click, found.sure) == (Click(50, 54), pytest.approx(0.4))
    assert found.depth_px == pytest.approx(8)
    # the next one would be on what the mask has by then
    assert session.auto_clicks(most=2) == 1
    assert session.mask[50, 54]
    # clicks are told in pixels of what is seen
    assert [c.col for c in policy.seen[0]] == [26]


def test_what_the_mask_has_cannot_be_missing_nor_the_rest_too_much():
    session = Session(Squares(), Volume(np.zeros((100, 120), np.uint8)), obey=False)
    session.click((50, 40))

    class Wrong:
        def depths(self, image, prob, clicks):
            assert image.ndim == 3
            assert len(clicks) == 1
            return np.where(prob > 0.5, 0.9, -0.9).astype(np.float32)

    session.chain.policy = Wrong()
    assert session.suggest_click() is None


def test_depths_are_signed_and_in_shares_of_the_masks_size():
    truth = np.zeros((64, 64), np.uint8)
    truth[16:48, 16:48] = 1
    prob = np.zeros((64, 64), np.float32)
    prob[16:48, 16:32] = 1  # the right half is missing
    prob[0:8, 0:8] = 1  # and a corner is too much
    found = error_depths(prob, truth)[0, 0].numpy()
    assert found.shape == (8, 8)
    assert found[3, 4] > 0.3
    assert found[0, 0] < -0.1
    assert found[7, 7] == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("discs")
    rows, cols = np.indices((96, 128))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        labels = np.zeros((96, 128), np.uint8)
        for number, col in enumerate((24, 64, 104)):
            labels[np.hypot(rows - 48, cols - col) <= 12 + seed] = number + 1
        grey = np.where(labels > 0, 170, 50) + rng.normal(0, 8, labels.shape)
        for name, data in (("images", grey.clip(0, 255)), ("masks", labels)):
            (folder / name).mkdir(exist_ok=True)
            tifffile.imwrite(folder / name / f"{seed}.tif", data.astype(np.uint8))
    output = tmp_path_factory.mktemp("run")
    wanted = HeadOptions(
        ((folder, 1.0),), output, "clicks", steps=3, batch=2, held_out=0, device="cpu"
    )
    return train_policy(wanted), folder


def test_what_was_learnt_is_kept_and_asked(trained, tmp_path):
    run, folder = trained
    assert run.step == 3
    policy = load_policy(run.weights, device="cpu")
    image = np.zeros((50, 70, 3), np.float32)
    found = policy.depths(image, np.zeros((50, 70), np.float32), [Click(20, 30)])
    assert found.shape == (50, 70)
    assert np.isfinite(found).all()
    words = ["segment", str(folder / "images" / "0.tif"), "-o", str(tmp_path / "out.tif"),
             "--click", "48,64", "--auto-clicks", "1", "--policy", str(run.weights),
             "--quiet"]  # fmt: skip
    assert main(words) == 0
    assert tifffile.imread(tmp_path / "out.tif")[48, 64] == 1


def test_other_weights_are_refused():
    with pytest.raises(WeightsError, match="expected architecture click-policy-1"):
        load_policy(locate("bundled"))
