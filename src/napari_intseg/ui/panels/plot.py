"""A small plot of curves, drawn with Qt alone."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 18, 18
# of the mouse from a point whose value is told
_NEAR_PX = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve.

    Parameters
    ----------
    name : str
        Shown with its values.
    colour : str
        As CSS writes colours.
    points : tuple of (float, float)
        To the right and upwards, in order.
    dashed : bool, default False
        So that it can be told without colours.
    """

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


class Plot(QWidget):  # type: ignore[misc, unused-ignore]
    """Curves on the same axes; the values show under the mouse.

    Parameters
    ----------
    title : str
        What goes upwards over what goes to the right.
    fraction : bool, default False
        Whether values lie in [0, 1], as those of IoU; else they are counts.
    on_pick : callable, optional
        Given the value to the right of a place that was clicked.
    """

    def __init__(
        self, title: str, *, fraction: bool = False, on_pick: Callable[[int], None] | None = None
    ) -> None:
        super().__init__()
        self.title, self._fraction, self._on_pick = title, fraction, on_pick
        self.series: tuple[Curve, ...] = ()
        self.mark: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        if on_pick is not None:
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_series(self, series: Sequence[Curve], mark: float | None = None) -> None:
        """Show curves, and a line at a value to the right."""
        given = tuple(s for s in series if s.points)
        if (given, mark) != (self.series, self.mark):
            self.series, self.mark = given, mark
            self.update()

    def sizeHint(self) -> QSize:
        """Return a height for a dock; called by Qt."""
        return QSize(200, 112)

    def minimumSizeHint(self) -> QSize:
        """Return the least size; called by Qt."""
        return QSize(120, 112)

    def limits(self) -> tuple[float, float, float, float]:
        """Return the values at the left, right, lower and upper ends of the axes."""
        xs = [x for s in self.series for x, _ in s.points] or [0.0]
        ys = [y for s in self.series for _, y in s.points] or [0.0]
        left, right = min(xs), max(xs)
        if left == right:
            left, right = left - 0.5, right + 0.5
        if self._fraction:
            return left, right, max(0.0, min(0.8, math.floor(min(ys) * 10) / 10)), 1.0
        return left, right, 0.0, max(1.0, *ys)

    def paintEvent(self, _event: Any) -> None:
        """Draw; called by Qt."""
        labels_writer = QPainter(self)
        labels_writer.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        self._draw_frame(labels_writer, text)
        labels_writer.setClipRect(self._area().adjusted(-4, -4, 4, 4))
        if self.mark is not None and self.series:
            x = self._at(self.mark, 0).x()
            labels_writer.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
            labels_writer.drawLine(
                QPointF(x, self._area().top()), QPointF(x, self._area().bottom())
            )
        for series in self.series:
            self._draw_curve(labels_writer, series)
        labels_writer.end()

    def mousePressEvent(self, event: Any) -> None:
        """Tell what was clicked; called by Qt."""
        if self._on_pick is None or not self.series:
            return
        left, right, _, _ = self.limits()
        area = self._area()
        share = (event.position().x() - area.left()) / max(1.0, area.width())
        wanted = left + min(1.0, max(0.0, share)) * (right - left)
        xs = {x for s in self.series for x, _ in s.points}
        self._on_pick(int(min(xs, key=lambda x: abs(x - wanted))))

    def event(self, event: Any) -> bool:
        """Show the values under the mouse; called by Qt."""
        if event.type() == QEvent.Type.ToolTip:
            told = self.told_at(event.pos().x())
            if told:
                QToolTip.showText(event.globalPos(), told, self)
                return True
        return bool(super().event(event))

    def told_at(self, x_px: float) -> str:
        """Return the values of all curves near a place, in words; empty if there are none."""
        xs = sorted({x for s in self.series for x, _ in s.points})
        near = [x for x in xs if abs(self._at(x, 0).x() - x_px) <= _NEAR_PX]
        if not near:
            return ""
        at = min(near, key=lambda x: abs(self._at(x, 0).x() - x_px))
        lines = [f"{at:g}"]
        for series in self.series:
            value = dict(series.points).get(at)
            if value is not None:
                told = f"{value:.3f}" if self._fraction else f"{value:g}"
                lines.append(f"{series.name}: {told}")
        return "\n".join(lines)

    def _area(self) -> QRectF:
        return QRectF(
            _LEFT, _TOP, max(1, self.width() - _LEFT - _RIGHT),
            max(1, self.height() - _TOP - _BOTTOM),
        )  # fmt: skip

    def _at(self, x: float, y: float) -> QPointF:
        left, right, low, high = self.limits()
        area = self._area()
        return QPointF(
            area.left() + (x - left) / (right - left) * area.width(),
            area.bottom() - (y - low) / (high - low) * area.height(),
        )

    def _draw_frame(self, labels_writer: QPainter, text: QColor) -> None:
        area = self._area()
        soft = QColor(text)
        soft.setAlpha(70)
        font = labels_writer.font()
        font.setPointSizeF(max(6.5, font.pointSizeF() * 0.85))
        labels_writer.setFont(font)
        labels_writer.setPen(text)
        top = QRectF(0, 0, self.width(), _TOP - 3)
        labels_writer.drawText(
            top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self.title
        )
        left, right, low, high = self.limits()
        right_of = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value in (low, high):
            y = self._at(left, value).y()
            labels_writer.setPen(QPen(soft, 1))
            labels_writer.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            labels_writer.setPen(text)
            told = f"{value:.1f}" if self._fraction else _short(value)
            labels_writer.drawText(QRectF(0, y - 8, _LEFT - 5, 16), right_of, told)
        if self.series:
            box = QRectF(area.left() - 3, area.bottom() + 3, area.width() + 6, _BOTTOM - 3)
            first, last = math.ceil(left), math.floor(right)
            labels_writer.drawText(box, Qt.AlignmentFlag.AlignLeft, f"{first:d}")
            if last > first:
                labels_writer.drawText(box, Qt.AlignmentFlag.AlignRight, f"{last:d}")

    def _draw_curve(self, labels_writer: QPainter, series: Curve) -> None:
        colour = QColor(series.colour)
        points = [self._at(x, y) for x, y in series.points]
        path = QPainterPath(points[0])
        for point in points[1:]:
            path.lineTo(point)
        style = Qt.PenStyle.DashLine if series.dashed else Qt.PenStyle.SolidLine
        labels_writer.setBrush(Qt.BrushStyle.NoBrush)
        labels_writer.setPen(QPen(colour, 1.8, style))
        labels_writer.drawPath(path)
        if len(points) <= 40:
            labels_writer.setPen(Qt.PenStyle.NoPen)
            labels_writer.setBrush(colour)
            for point in points:
                labels_writer.drawEllipse(point, 2.6, 2.6)


def _short(value: float) -> str:
    """Return a count in at most four letters: 950, 1.2k, 35k, 2M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{letter}" if scaled < 10 else f"{scaled:.0f}{letter}"
    return f"{value:.0f}"
