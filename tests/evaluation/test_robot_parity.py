"""The published robot user, click for click, with the network that is a formula."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import LOGIT_LIMIT, Answer, Prepared, Traits, ZoomIn, sigmoid
from napari_intseg.evaluation.metrics import iou
from napari_intseg.evaluation.robot import RobotUser
from napari_intseg.inference.predict import Options, predict_slice


class FormulaNetwork:
    """Logits from distances to clicks, the previous probability and the image."""

    traits = Traits(
        "formula", threshold=0.49, zoom_in=ZoomIn(skip_clicks=-1, target_size=400), flip=True
    )

    def prepare(self, image):
        return Prepared(image.shape[:2], image, image.nbytes)

    def predict(self, query):
        height, width = query.prepared.shape
        image = query.prepared.payload.astype(np.float64)
        prob = 0.0 if query.prev_logits is None else sigmoid(query.prev_logits).astype(np.float64)
        pixels = np.indices((height, width)).reshape(2, -1).T

        def distance(positive):
            points = [
                (np.float32(c.row), np.float32(c.col))
                for c in query.prompts.clicks
                if c.positive == positive and c.row >= 0
            ]
            if not points:
                return 1000.0
            return cdist(pixels, points).min(axis=1).reshape(height, width)

        logits = 4 - 0.12 * distance(True) - 3 * np.exp(-distance(False) / 12)
        logits = logits + 2 * (prob - 0.25) + 3 * (image[..., 0] - image[..., 2])
        return Answer(np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT).astype(np.float32))


def click_until(model, image, truth, max_clicks, stop_iou):
    robot = RobotUser(truth)
    clicks, ious, answer = [], [], None
    mask = np.zeros(truth.shape, bool)
    while len(clicks) < max_clicks and not (ious and ious[-1] >= stop_iou):
        clicks.append(robot.next_click(mask, clicks))
        answer = predict_slice(
            model,
            lambda rows, cols: image[rows, cols],
            truth.shape,
            Prompts(tuple(clicks)),
            Options.published(),
            prev=answer,
        )
        mask = answer.patch.mask(model.traits.threshold)
        ious.append(iou(mask[truth >= 0], truth[truth >= 0] == 1))
    return clicks, ious


@pytest.mark.parametrize("case", range(3))
def test_clicks_equal_the_published_ones(shared, case):
    with np.load(shared / "parity" / "ritm_robot_user.npz") as stored:
        image = np.repeat(stored["image"][..., None], 3, axis=2)
        truth = stored[f"gt_{case}"]
        expected, expected_ious = stored[f"clicks_{case}"], stored[f"ious_{case}"]
    clicks, ious = click_until(FormulaNetwork(), image, truth, 12, 0.97)
    got = np.array([(c.positive, c.row, c.col) for c in clicks])
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(ious, expected_ious, atol=1e-5, rtol=0)
