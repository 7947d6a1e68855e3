"""Pictures of single cases: the image, the truth's outline, the answer and the clicks."""

import io
from base64 import b64encode

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.evaluation.datasets import Entry
from napari_intseg.evaluation.jobs import Score
from napari_intseg.evaluation.truth import read_image, read_labels, truth_of
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.inference.patch import bounding_box

_SIDE_PX = 320
_ANSWER, _POSITIVE, _NEGATIVE = (0, 114, 178), (0, 158, 115), (213, 94, 0)
_MARGIN, _LEAST_PX = 0.3, 48


def picture_of(score: Score, entry: Entry) -> str:
    """Return a picture of one object as a data URL (JPEG).

    The truth is outlined in white on black, the answer is blue, clicks are numbered: green with a
    plus on the object, orange with a minus off it; those that led to the answer shown, which is
    that at the highest target or else the last. Of a whole volume, the plane with most of the
    object is shown.

    Raises
    ------
    FileError, DataError
        If the files have become unreadable since the evaluation.
    """
    labels = read_labels(entry.mask)
    truth = truth_of(labels, score.ref, entry.rules)
    volume = read_image(entry.image, labels.shape)
    mask, plane = score.course.kept_mask, score.ref.plane or Plane(0, 0)
    made = score.course.clicks[: score.course.kept_after]
    clicks = [(i, click) for i, (_, click) in enumerate(made, start=1)]
    if truth.ndim == 3:
        index = int((truth == 1).sum(axis=(1, 2)).argmax())
        plane, truth, mask = Plane(0, index), truth[index], mask[index]
        on = [at == index for at, _ in made]
        clicks = [pair for pair, here in zip(clicks, on, strict=True) if here]
    image = resolve_intensity(volume).to_rgb(volume.take(plane))
    return _data_url(_draw(image, truth == 1, mask, clicks))


def _draw(
    image: Array, truth: BoolArray, mask: BoolArray, clicks: list[tuple[int, Click]]
) -> Image.Image:
    rows, cols = _crop(truth | mask, [click for _, click in clicks])
    scale = _SIDE_PX / max(rows.stop - rows.start, cols.stop - cols.start)
    size = (
        max(1, round((cols.stop - cols.start) * scale)),
        max(1, round((rows.stop - rows.start) * scale)),
    )
    photo = Image.fromarray((image[rows, cols] * 255).round().astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    pixels = np.asarray(photo).astype(np.float64)
    answer, wanted = _scaled(mask[rows, cols], size), _scaled(truth[rows, cols], size)
    pixels[answer] = 0.55 * pixels[answer] + 0.45 * np.array(_ANSWER)
    pixels[_edge(wanted, 3)] = 0
    pixels[_edge(wanted, 1)] = 255
    drawn = Image.fromarray(pixels.round().astype(np.uint8))
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(11)
    for number, click in clicks:
        x, y = (click.col - cols.start + 0.5) * scale, (click.row - rows.start + 0.5) * scale
        _mark(pen, font, (x, y), number, click.positive)
    return drawn


def _mark(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    at: tuple[float, float],
    number: int,
    positive: bool,
) -> None:
    x, y = at
    colour = _POSITIVE if positive else _NEGATIVE
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour, outline="white", width=1)
    pen.line((x - 3, y, x + 3, y), fill="white", width=2)
    if positive:
        pen.line((x, y - 3, x, y + 3), fill="white", width=2)
    pen.text(
        (x + 8, y - 7), str(number), fill="white", font=font, stroke_width=2, stroke_fill="black"
    )


def _crop(shown: BoolArray, clicks: list[Click]) -> tuple[slice, slice]:
    """Return the part of the image that holds object, answer and clicks, with a margin."""
    held = shown.copy()
    for click in clicks:
        held[int(click.row), int(click.col)] = True
    box = bounding_box(held) or (0, held.shape[0], 0, held.shape[1])
    out = []
    for low, high, length in ((*box[:2], held.shape[0]), (*box[2:], held.shape[1])):
        extra = max((high - low) * _MARGIN / 2, (_LEAST_PX - (high - low)) / 2, 2)
        out.append(slice(max(0, int(low - extra)), min(length, int(high + extra) + 1)))
    return out[0], out[1]


def _scaled(mask: BoolArray, size: tuple[int, int]) -> BoolArray:
    shown = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(shown) > 127


def _edge(mask: BoolArray, width: int) -> BoolArray:
    """Return the pixels within so many of a mask's border."""
    change = np.zeros(mask.shape, bool)
    change[1:] |= mask[1:] ^ mask[:-1]
    change[:, 1:] |= mask[:, 1:] ^ mask[:, :-1]
    wide = change.copy()
    for _ in range(width // 2):
        padded = np.pad(wide, 1)
        wide = padded[1:-1, 1:-1] | padded[2:, 1:-1] | padded[:-2, 1:-1]
        wide |= padded[1:-1, 2:] | padded[1:-1, :-2]
    return wide


def _data_url(image: Image.Image) -> str:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + b64encode(held.getvalue()).decode("ascii")
