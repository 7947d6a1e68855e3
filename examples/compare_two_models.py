"""Two models, the same object, a robot user's clicks: IoU after each."""

from skimage import data, filters

from napari_intseg import Plane, Session, Volume, load_model
from napari_intseg.evaluation.metrics import iou
from napari_intseg.evaluation.robot import RobotUser

image = data.coins()[96:145, 317:356]
truth = (image > filters.threshold_otsu(image)).astype("int8")  # 1 object, 0 background

for name in ("bundled", "random-walker"):
    session, robot = Session(load_model(name), Volume(image)), RobotUser(truth)
    ious = []
    for _ in range(4):
        click = robot.next_click(
            session.mask_on(Plane(0, 0)), [placed.click for placed in session.clicks]
        )
        if click is None:
            break
        session.click((click.row, click.col), click.positive)
        ious.append(iou(session.mask, truth == 1))
    print(f"{name:14}", " ".join(f"{value:.3f}" for value in ious))
