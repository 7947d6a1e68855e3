"""The main job on real volumes: a robot clicks on two planes, propagation does the rest.

The floors are a little below what was measured with the random walker (0.883, 0.900, 0.846, 0.821
and 0.763); the masks of the CT and the MR were made by a model, so 1 is out of reach.
"""

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume, load_model
from napari_intseg.evaluation.metrics import dice
from napari_intseg.evaluation.robot import RobotUser


def read(path):
    if path.suffix == ".tif":
        return pytest.importorskip("tifffile").imread(path)
    return np.asarray(pytest.importorskip("nibabel").load(path).dataobj).T


def click_like_a_robot(session, plane, truth, clicks):
    robot = RobotUser(truth.astype(np.int8))
    for _ in range(clicks):
        click = robot.next_click(session.mask_on(plane), session.prompts(plane).clicks)
        session.click(plane.position(click.row, click.col), click.positive)


@pytest.mark.parametrize(
    ("image", "labels", "label", "window", "floor"),
    [
        ("ct.nii.gz", "ct_organs.nii.gz", 1, "soft tissue", 0.84),
        ("ct.nii.gz", "ct_organs.nii.gz", 21, "soft tissue", 0.85),
        ("mr_sm.nii.gz", "mr_sm_organs.nii.gz", 6, None, 0.80),
        ("nuclei_3d.tif", "nuclei_3d_labels.tif", 5, None, 0.77),
        ("ovule_cells.tif", "ovule_cells_labels.tif", 525, None, 0.70),
    ],
)
def test_clicks_on_two_planes_become_an_object(shared, image, labels, label, window, floor):
    folder = shared / "data" / "samples"
    volume, truth = Volume(read(folder / image)), read(folder / labels) == label
    indices = np.flatnonzero(truth.any(axis=(1, 2)))
    session = Session(load_model("random-walker"), volume, window=window)
    for share in (0.3, 0.7):
        index = int(indices[int(len(indices) * share)])
        click_like_a_robot(session, Plane(0, index), truth[index], 4)
    clicked = dice(session.mask, truth)
    session.propagate()
    assert dice(session.mask, truth) > max(floor, 2 * clicked)
    assert session.propagated_planes(0)
