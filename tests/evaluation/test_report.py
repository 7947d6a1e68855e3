import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_intseg.evaluation.benchmark import ModelChoice, Skipped, evaluate
from napari_intseg.evaluation.datasets import open_datasets
from napari_intseg.evaluation.report import curves_svg, picture_of, report_html
from napari_intseg.evaluation.run import Protocol
from napari_intseg.evaluation.summary import summarise

PROTOCOL = Protocol(3)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "a<b"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(4):
        mask = np.zeros((50, 60), np.uint8)
        mask[8 : 30 + i, 10:40] = 255
        Image.fromarray(np.where(mask, 190, 40 * i).astype(np.uint8)).save(
            folder / "images" / f"{i}.png"
        )
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    data = open_datasets(folder)
    outcome = evaluate(data, [ModelChoice("random-walker")], PROTOCOL)
    other = tuple(
        replace(s, model="other", course=replace(s.course, ious=(0.99, 0.1, 0.1)))
        for s in outcome.scores
    )
    return data, replace(outcome, scores=outcome.scores + other)


def page_of(measured, **changes):
    data, outcome = measured
    outcome = replace(outcome, **changes)
    rows = summarise(outcome.scores, PROTOCOL)
    return report_html(outcome, rows, data, PROTOCOL, command=["napari-intseg", "evaluate"])


def test_the_page_is_whole_and_needs_no_other_file(measured, read_page):
    text = page_of(measured)
    page = read_page(text)
    assert page.is_self_contained
    assert not read_page('<a href="https://example.org"></a>').is_self_contained
    assert not re.search(r"url\(|@import", text)


def test_every_model_has_one_curve_on_the_same_axes(measured, read_page):
    page = read_page(page_of(measured))
    assert page.tags.count("svg") == 1
    assert page.tags.count("polyline") == 2
    assert page.tags.count("img") == 2 * 3


def test_the_page_says_where_curves_cross(measured):
    text = page_of(measured)
    assert "From click 2 on, random-walker leads other." in text
    assert text.count('class="crossing"') == 1


def test_pictures_and_curves_say_what_they_show(measured, read_page):
    page = read_page(page_of(measured))
    pictures = [a for a in page.attributes if "src" in a]
    assert all(re.match(r"(Best|Median|Worst) case of ", a["alt"]) for a in pictures)
    (svg,) = (a for a in page.attributes if a.get("role") == "img")
    assert "random-walker: 0." in svg["aria-label"]


def test_names_are_escaped(measured):
    assert "a&lt;b" in page_of(measured)
    assert "<b" not in page_of(measured).replace("<br", "").replace("<body", "")


def test_a_cancelled_run_and_what_was_left_out_are_told(measured):
    text = page_of(
        measured, cancelled=True, skipped=(Skipped("random-walker", "d", "7", "gone & lost"),)
    )
    assert "Stopped before all was done" in text
    assert "gone &amp; lost" in text
    assert "Stopped" not in page_of(measured)


def test_a_picture_shows_the_answer_and_the_clicks(measured):
    import base64
    import io

    data, outcome = measured
    url = picture_of(outcome.scores[1], data[0].entries[1])
    kind, code = url.split(",")
    assert kind == "data:image/jpeg;base64"
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))).astype(int)
    assert max(drawn.shape) == 320
    green = (abs(drawn - (0, 158, 115)) < 30).all(axis=-1)
    assert green.sum() > 30  # the disk of a positive click
    bluish = drawn[..., 2] - drawn[..., 0] > 30
    assert bluish.mean() > 0.2  # the answer, on a grey image


def test_pictures_whose_files_have_gone_are_left_out(measured, monkeypatch, read_page):
    from napari_intseg.errors import FileError

    def gone(*_):
        raise FileError("gone")

    monkeypatch.setattr("napari_intseg.evaluation.report.picture_of", gone)
    assert read_page(page_of(measured)).tags.count("img") == 0


def test_curves_stay_inside_the_picture(measured):
    _, outcome = measured
    svg = curves_svg(summarise(outcome.scores, PROTOCOL), PROTOCOL.targets)
    _, _, width, height = (float(v) for v in re.search(r'viewBox="([^"]+)"', svg)[1].split())
    curves = re.findall(r'points="([^"]+)"', svg)
    assert curves
    for points in curves:
        for pair in points.split():
            x, y = (float(v) for v in pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_names_at_the_ends_of_equal_curves_do_not_touch(measured):
    _, outcome = measured
    rows = [replace(summarise(outcome.scores, PROTOCOL)[0], model=f"m{i}") for i in range(5)]
    svg = curves_svg(rows, (0.9,))
    heights = sorted(float(y) for y in re.findall(r'class="name" x="[^"]+" y="([^"]+)"', svg))
    assert len(heights) == 5
    assert min(np.diff(heights)) >= 16
