"""Draw what systems of the literature answer here without weights that do not ship.

``python docs/images/make_literature.py`` writes ``literature.png``, a sheet that `literature.md`
shows; the image is scikit-image's coins.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from napari_intseg import Plane, Session, Volume, load_model
from napari_intseg.cli.output_forms import overlay
from napari_intseg.core.prompts import Box, Click
from napari_intseg.inference.contour import follow
from napari_intseg.inference.point_cloud import PointClick, label_points
from napari_intseg.inference.refinement import GraphCut, LevelSet
from napari_intseg.training.cloud_network import make_scan
from napari_intseg.training.synthetic import bent_ring, even_ring

HERE = Path(__file__).parent
PLANE = Plane(0, 0)
GREY = np.asarray(data.coins())[120:250, 280:384]
RGB = np.repeat(GREY[..., None] / np.float32(255), 3, axis=2).astype(np.float32)
ONE = (Click(66, 67),)
ENDS = (Click(37, 67), Click(97, 66), Click(67, 36), Click(67, 98))
ZOOM, GAP, WORDS = 2, 6, 16


def clicked(
    model: str, clicks: tuple[Click, ...], box: Box | None = None, **how: object
) -> Image.Image:
    """Return the answer of a model to prompts, drawn over the image."""
    session = Session(load_model(model), Volume(GREY), **how)
    if box is not None:
        session.set_box(box)
    for one in clicks:
        session.click((one.row, one.col), one.positive)
    return shown(session.labels, clicks)


def shown(labels: np.ndarray, clicks: tuple[Click, ...] = ()) -> Image.Image:
    """Return labels over the image."""
    picture = overlay(RGB, labels.astype(np.int32), clicks)
    return Image.fromarray(picture).resize((GREY.shape[1] * ZOOM, GREY.shape[0] * ZOOM))


def second_answer() -> Image.Image:
    """Return the second of several answers to a click."""
    session = Session(load_model("bundled"), Volume(GREY), several=True)
    session.click((66, 67))
    session.choose_alternative(1, PLANE)
    return shown(session.labels, ONE)


def chain() -> Image.Image:
    """Return what suggested clicks make of the first."""
    session = Session(load_model("bundled"), Volume(GREY))
    session.click((66, 67))
    session.auto_clicks(most=4)
    return shown(session.labels, session.prompts(PLANE).clicks)


def shared() -> Image.Image:
    """Return two coins that share pixels and clicks."""
    session = Session(load_model("bundled"), Volume(GREY))
    session.protect(policy="joint")
    clicks = (Click(66, 67), Click(10, 60))
    for i, one in enumerate(clicks):
        session.select_object(1) if not i else session.new_object()
        session.click((one.row, one.col))
    return shown(session.labels, clicks)


def vertices() -> Image.Image:
    """Return a wrong outline, and what followed a vertex that was put right."""
    session = Session(load_model("bundled"), Volume(GREY))
    session.click((66, 67))
    ring = even_ring(session.mask_on(PLANE, 1))
    assert ring is not None
    before = bent_ring(ring, 70.0, np.random.default_rng(3))
    index = int(np.argmax(np.hypot(*(before - ring).T)))
    after = before.copy()
    after[index] = ring[index]
    picture = shown(np.zeros(GREY.shape))
    draw = ImageDraw.Draw(picture)
    for points, colour in (
        (before, (255, 90, 90)),
        (follow(RGB, before, after, index), (90, 255, 90)),
    ):
        at = [(ZOOM * (c + 0.5), ZOOM * (r + 0.5)) for r, c in (*points, points[0])]
        draw.line(at, fill=colour, width=2)
    return picture


def cloud() -> Image.Image:
    """Return a made room from above, one thing in it labelled by clicks."""
    scan = make_scan(np.random.default_rng(1))
    wanted = scan.points[scan.objects == 1]
    floor = scan.points[(scan.objects == 0) & (scan.points[:, 2] < 0.02)]
    near = floor[np.argsort(np.linalg.norm(floor - wanted.mean(0), axis=1))[::40][:6]]
    given = [(wanted[len(wanted) // 2], True), *((one, False) for one in near)]
    clicks = [(1, PointClick((float(x), float(y), float(z)), on)) for (x, y, z), on in given]
    labels = label_points(scan.points, clicks, colours=scan.colours)
    side = np.array([GREY.shape[1] * ZOOM, GREY.shape[0] * ZOOM])
    low, high = scan.points[:, :2].min(0), scan.points[:, :2].max(0)
    places = ((scan.points[:, :2] - low) / (high - low) * (side - 1)).astype(int)
    picture = np.zeros((side[1], side[0], 3), np.uint8)
    for i in np.argsort(scan.points[:, 2], kind="stable"):
        colour = (255, 220, 0) if labels[i] else 60 + scan.colours[i] * 120
        r, c = places[i, 1], places[i, 0]
        picture[r : r + 2, c : c + 2] = colour
    return Image.fromarray(picture)


PANELS: tuple[tuple[str, Callable[[], Image.Image]], ...] = (
    ("RITM: bundled, one click", lambda: clicked("bundled", ONE)),
    ("DIOS: graph cut", lambda: clicked("bundled", ONE, graph_cut=GraphCut())),
    ("RIS-Net: regional", lambda: clicked("bundled", (*ONE, Click(66, 20, False)), regional=True)),
    ("DELSE: level set", lambda: clicked("bundled", ONE, level_set=LevelSet())),
    ("DELSE: extreme points", lambda: clicked("level-set", ENDS)),
    ("Latent diversity: 2nd", second_answer),
    ("SeedNet: suggested clicks", chain),
    ("Jointly: two that share", shared),
    ("Curve-GCN: followed", vertices),
    ("GrabCut: from a box", lambda: clicked("grabcut", (), Box(32, 31, 102, 102))),
    ("Clouds: clicks in space", cloud),
)
"""What stands below each picture, and what draws it."""


def main() -> None:
    """Draw the sheet."""
    wide, high = GREY.shape[1] * ZOOM, GREY.shape[0] * ZOOM
    columns = 6
    rows = -(-len(PANELS) // columns)
    size = columns * (wide + GAP) - GAP, rows * (high + WORDS + GAP) - GAP
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for number, (words, panel) in enumerate(PANELS):
        x, y = number % columns * (wide + GAP), number // columns * (high + WORDS + GAP)
        sheet.paste(panel(), (x, y))
        draw.text((x + 2, y + high + 2), words, fill=(0, 0, 0))
    sheet.quantize(256).save(HERE / "literature.png", optimize=True)


if __name__ == "__main__":
    main()
