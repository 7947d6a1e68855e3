"""The main job on real CT, MR and microscopy, through the shell."""

import numpy as np
import pytest
import SimpleITK as sitk

from napari_intseg import Session, load_model
from napari_intseg.cli.demo import VolumeCase, make_clicks
from napari_intseg.cli.main import main
from napari_intseg.evaluation.metrics import dice
from napari_intseg.io.read import read_volume

CASES = {
    # image, labels, label (None: the largest), window, least Dice of the volume
    "liver in CT": ("ct.nii.gz", "ct_organs.nii.gz", 5, "liver", 0.8),
    "kidney in CT": ("ct.nii.gz", "ct_organs.nii.gz", 3, "abdomen", 0.8),
    "organ in MR": ("mr_sm.nii.gz", "mr_sm_organs.nii.gz", None, None, 0.6),
    "nucleus in 3-D": ("nuclei_3d.tif", "nuclei_3d_labels.tif", None, None, 0.5),
    "ovule cell": ("ovule_cells.tif", "ovule_cells_labels.tif", None, None, 0.5),
}
WORDS = ("--model", "random-walker", "--propagate", "--quiet")


def clicked(session: Session, truth: np.ndarray) -> list[str]:
    """Let a robot user click on two planes; return the clicks as the shell takes them."""
    make_clicks(session, VolumeCase("", "", session.volume, truth=truth), most=4)
    words = []
    for placed in session.clicks:
        at = placed.plane.position(placed.click.row, placed.click.col)
        sign = "+" if placed.click.positive else "-"
        words += ["--click", f"{','.join(map(str, at))}:{sign}"]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_shell_and_session_find_the_object_in_the_place_of_the_image(shared, tmp_path, case):
    image, labels, number, window, least = CASES[case]
    samples = shared / "data" / "samples"
    truth = read_volume(samples / labels).data
    truth = truth == (np.bincount(truth.ravel())[1:].argmax() + 1 if number is None else number)
    volume = read_volume(samples / image)
    session = Session(load_model("random-walker"), volume, window=window)
    words = ["segment", str(samples / image), *WORDS, *clicked(session, truth)]
    session.propagate()
    assert dice(session.mask, truth) > least
    ending = ".nii.gz" if image.endswith(".gz") else ".tif"
    out = tmp_path / f"l{ending}"
    words += ["-o", str(out), *(("--window", window) if window else ())]
    assert main(words) == 0
    found = read_volume(out)
    np.testing.assert_array_equal(found.data == 1, session.mask)
    np.testing.assert_array_equal(found.affine, volume.affine)
    if ending == ".nii.gz":
        mine, theirs = (sitk.ReadImage(str(p)) for p in (out, samples / image))
        assert mine.GetDirection() == theirs.GetDirection()
        assert mine.GetOrigin() == theirs.GetOrigin()
