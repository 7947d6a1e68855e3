"""Curves of IoU over clicks, as SVG that stands alone."""

from collections.abc import Sequence
from html import escape

from napari_intseg.evaluation.export import pairs_of
from napari_intseg.evaluation.summary import Row, crossings

# colours that differ for colour-blind eyes too (Okabe & Ito, 2008), on white and on dark grey
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a67c00", "#56b4e9", "#7f7f7f")
DASHES = ("", "7 4", "2 4", "9 3 2 3", "12 4", "4 2", "1 3")

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 190, 16, 48


def curves_svg(rows: Sequence[Row], targets: Sequence[float]) -> str:
    """Return one picture with one curve for each row, on the same axes.

    Parameters
    ----------
    rows : sequence of Row
        Of one data set; each has its IoU after 1, 2, … clicks.
    targets : sequence of float
        Drawn as thin lines.

    Returns
    -------
    str
        An ``<svg>`` element that names no other file.
    """
    axes = _Axes(len(rows[0].iou), _floor([value for row in rows for value in row.iou]))
    told = "; ".join(
        f"{row.model}: {row.iou[0]:.2f} after 1 click, {row.iou[-1]:.2f} after {len(row.iou)}"
        for row in rows
    )
    parts = [
        f'<svg class="curves" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-label="{escape(f"Mean IoU over clicks. {told}")}">',
        *axes.frame(targets),
        *(_curve(axes, row, i) for i, row in enumerate(rows)),
        *_crossing_marks(axes, rows),
        *_names(axes, rows),
        "</svg>",
    ]
    return "\n".join(parts)


class _Axes:
    """Clicks to the right, IoU upwards."""

    def __init__(self, clicks: int, low: float) -> None:
        self.clicks, self.low = clicks, low

    def x(self, click: float) -> float:
        share = (click - 1) / max(1, self.clicks - 1)
        return round(_LEFT + 12 + share * (_WIDTH - _LEFT - _RIGHT - 12), 1)

    def y(self, iou: float) -> float:
        share = (iou - self.low) / (1 - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def frame(self, targets: Sequence[float]) -> list[str]:
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        out = []
        steps = round((1 - self.low) * 10)
        for i in range(steps + 1):
            value = self.low + i / 10
            y = self.y(value)
            out.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
            out.append(f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4}">{value:.1f}</text>')
        every = 1 if self.clicks <= 20 else 5
        for click in range(1, self.clicks + 1):
            if click == 1 or click % every == 0:
                x = self.x(click)
                out.append(f'<text class="tick mid" x="{x}" y="{bottom + 18}">{click}</text>')
        for target in targets:
            if target >= self.low:
                y = self.y(target)
                out.append(f'<line class="target" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        middle, height = (_LEFT + right) / 2, (_TOP + bottom) / 2
        out.append(f'<text class="axis mid" x="{middle}" y="{_HEIGHT - 8}">clicks</text>')
        out.append(
            f'<text class="axis mid" transform="translate(14 {height}) rotate(-90)">mean IoU</text>'
        )
        return out


def _curve(axes: _Axes, row: Row, i: int) -> str:
    points = [(axes.x(k), axes.y(v)) for k, v in enumerate(row.iou, start=1)]
    line = " ".join(f"{x},{y}" for x, y in points)
    dash = f' stroke-dasharray="{_pick(DASHES, i)}"' if _pick(DASHES, i) else ""
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="3"><title>{escape(row.model)}, {k} '
        f"click{'s' * (k > 1)}: {value:.3f}</title></circle>"
        for k, ((x, y), value) in enumerate(zip(points, row.iou, strict=True), start=1)
    )
    colour = _pick(COLOURS, i)
    return (
        f'<g class="curve" stroke="{colour}" fill="{colour}">'
        f'<polyline points="{line}" fill="none"{dash}/>{dots}</g>'
    )


def _crossing_marks(axes: _Axes, rows: Sequence[Row]) -> list[str]:
    """Return a ring where one curve has overtaken another."""
    marks = []
    for one, other in pairs_of(rows):
        for crossing in crossings(one, other):
            ahead = one if crossing.ahead == one.model else other
            x, y = axes.x(crossing.click), axes.y(ahead.iou[crossing.click - 1])
            text = f"from click {crossing.click} on {crossing.ahead} leads {crossing.behind}"
            marks.append(
                f'<circle class="crossing" cx="{x}" cy="{y}" r="8">'
                f"<title>{escape(text)}</title></circle>"
            )
    return marks


def _names(axes: _Axes, rows: Sequence[Row]) -> list[str]:
    """Return the models' names at the ends of their curves, moved apart where they would touch."""
    gap, x = 17.0, _WIDTH - _RIGHT + 12
    order = sorted(range(len(rows)), key=lambda i: -rows[i].iou[-1])
    out, lowest = [], 0.0
    start = min(axes.y(rows[order[0]].iou[-1]), _HEIGHT - _BOTTOM - gap * len(rows))
    for place, i in enumerate(order):
        y = max(axes.y(rows[i].iou[-1]), lowest) if place else start
        lowest = y + gap
        out.append(
            f'<text class="name" x="{x}" y="{y + 4}" style="fill:{_pick(COLOURS, i)}">'
            f"{escape(rows[i].model)}</text>"
        )
    return out


def _pick(choices: tuple[str, ...], i: int) -> str:
    return choices[i % len(choices)]


def _floor(values: Sequence[float]) -> float:
    """Return the tenth below all values, at most 0.8 so that the axis is not magnified too far."""
    return max(0.0, min(0.8, int(min(values) * 10) / 10))
