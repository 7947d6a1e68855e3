"""Two models on the same clicks: where they agree, over clicks and planes, and what to keep.

Curves are drawn with Qt alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QEvent, QPointF, QRectF, QSignalBlocker, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.models.registry import available_models
from napari_intseg.models.weights.catalogue import CATALOGUE
from napari_intseg.session.compare.two_answers import BOTH, ONLY_A, ONLY_B
from napari_intseg.ui.compare.controller import Comparison
from napari_intseg.ui.compare.keep import ComparisonState
from napari_intseg.ui.compare.layers import COLOURS
from napari_intseg.ui.controllers.model_loader import keys_here, weights_key
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.controls import Buttons, combo, fill
from napari_intseg.ui.qt.translation import tr, translated

# pixels round the curves: room for numbers at the left, the title above, clicks below
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 18, 18
# pixels of the mouse from a point whose value is told
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
        # drawing costs more than comparing
        if (given, mark) != (self.series, self.mark):
            self.series, self.mark = given, mark
            self.update()

    def sizeHint(self) -> QSize:
        """Return a height for a dock; called by Qt."""
        # high enough for a title and numbers in small print, low enough for two plots in the dock
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
            # from the next tenth below, at most 0.8: curves near
            # 1 would lie on each other otherwise
            return left, right, max(0.0, min(0.8, math.floor(min(ys) * 10) / 10)), 1.0
        return left, right, 0.0, max(1.0, *ys)

    def paintEvent(self, _event: Any) -> None:
        """Draw; called by Qt."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        self._draw_frame(painter, text)
        painter.setClipRect(self._area().adjusted(-4, -4, 4, 4))
        if self.mark is not None and self.series:
            x = self._at(self.mark, 0).x()
            painter.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, self._area().top()), QPointF(x, self._area().bottom()))
        for series in self.series:
            self._draw_curve(painter, series)
        painter.end()

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

    def _draw_frame(self, painter: QPainter, text: QColor) -> None:
        area = self._area()
        soft = QColor(text)
        # grid lines are weaker than text, and text is a little smaller
        # than the panel's, yet not below what can be read (not tuned)
        soft.setAlpha(70)
        font = painter.font()
        font.setPointSizeF(max(6.5, font.pointSizeF() * 0.85))
        painter.setFont(font)
        painter.setPen(text)
        top = QRectF(0, 0, self.width(), _TOP - 3)
        painter.drawText(top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self.title)
        left, right, low, high = self.limits()
        right_of = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value in (low, high):
            y = self._at(left, value).y()
            painter.setPen(QPen(soft, 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            told = f"{value:.1f}" if self._fraction else _short(value)
            painter.drawText(QRectF(0, y - 8, _LEFT - 5, 16), right_of, told)
        if self.series:
            box = QRectF(area.left() - 3, area.bottom() + 3, area.width() + 6, _BOTTOM - 3)
            first, last = math.ceil(left), math.floor(right)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft, f"{first:d}")
            if last > first:
                painter.drawText(box, Qt.AlignmentFlag.AlignRight, f"{last:d}")

    def _draw_curve(self, painter: QPainter, series: Curve) -> None:
        colour = QColor(series.colour)
        points = [self._at(x, y) for x, y in series.points]
        path = QPainterPath(points[0])
        for point in points[1:]:
            path.lineTo(point)
        style = Qt.PenStyle.DashLine if series.dashed else Qt.PenStyle.SolidLine
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 1.8, style))
        painter.drawPath(path)
        # more dots would run together
        if len(points) <= 40:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            for point in points:
                painter.drawEllipse(point, 2.6, 2.6)


def _short(value: float) -> str:
    """Return a count in at most four letters: 950, 1.2k, 35k, 2M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{letter}" if scaled < 10 else f"{scaled:.0f}{letter}"
    return f"{value:.0f}"


_KEEP = (
    (
        "A",
        to_translate("Keep A"),
        to_translate("Go on from A's mask; clicks that follow correct it."),
    ),
    (
        "B",
        to_translate("Keep B"),
        to_translate("Go on from B's mask; clicks that follow correct it."),
    ),
    (
        "both",
        to_translate("Both"),
        to_translate("Keep what is in both masks, the intersection."),
    ),
    (
        "either",
        to_translate("Either"),
        to_translate("Keep what is in either mask, the union."),
    ),
)


class ComparePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shows what a `Comparison` knows; empty but for the choice until a second model is chosen."""

    def __init__(self, comparison: Comparison, buttons: Buttons) -> None:
        super().__init__()
        self._comparison = comparison
        self.model = combo(
            tr(
                "A second model that gets the same clicks, after the first.\nMissing weights "
                "are fetched or added where the first model is chosen."
            )
        )
        self.truth = combo(tr("Labels on the same grid, to measure both models by."))
        self.numbers = QLabel()
        self.clicks = Plot(tr("IoU over clicks"), fraction=True)
        self.planes = Plot(tr("pixels in disagreement over planes"), on_pick=comparison.go_to_plane)
        self.worst = QPushButton(tr("Go to the plane that disagrees most"))
        self.keep = {which: QPushButton(tr(title)) for which, title, _ in _KEEP}
        self.everywhere = QCheckBox(tr("on all planes"))
        self.everywhere.setToolTip(
            tr("Keep on every plane on which the two differ, not only on this one.")
        )
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setToolTip(tr("Keep no more planes; those that are done stay so."))
        self.offered = QLabel()
        self.offered.setToolTip(tr("Which of the second model's answers is in place."))
        self.steps = {-1: QPushButton("‹"), 1: QPushButton("›")}
        self.swap = QPushButton(tr("Go on with B from A's mask"))
        self.swap.setToolTip(tr("B becomes the model that answers, and its first mask is A's."))
        self.suggest = buttons.make("suggest_click")
        self.inside = QWidget()
        self._build()
        self._connect()
        self._shown: tuple[Any, ...] = ()
        self._show()

    def _build(self) -> None:
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(4)
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow(tr("Compare with"), self.model)
        self._truth_label = QLabel(tr("Truth"))
        rows.addRow(self._truth_label, self.truth)
        outside.addLayout(rows)
        outside.addWidget(self.inside)
        outside.addWidget(self.suggest)
        layout = QGridLayout(self.inside)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.numbers.setWordWrap(True)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        layout.addWidget(self.numbers, 1, 0, 1, 4)
        layout.addWidget(self.offered, 2, 0, 1, 2)
        tips = (
            (-1, tr("Put B's previous answer in place.")),
            (1, tr("Put B's next answer in place.")),
        )
        for column, (by, tip) in enumerate(tips, start=2):
            self.steps[by].setToolTip(tip)
            layout.addWidget(self.steps[by], 2, column)
        for row, widget in enumerate((self.clicks, self.planes, self.worst), start=3):
            layout.addWidget(widget, row, 0, 1, 4)
        for column, (which, _, tip) in enumerate(_KEEP):
            self.keep[which].setToolTip(tr(tip))
            layout.addWidget(self.keep[which], 6, column)
        layout.addWidget(self.everywhere, 7, 0, 1, 3)
        layout.addWidget(self.cancel, 7, 3)
        layout.addWidget(self.swap, 8, 0, 1, 4)

    def _connect(self) -> None:
        comparison = self._comparison
        fill(self.model, _models(), None)
        items: Any = self.model.model()
        for row, spec in enumerate(available_models().values(), start=1):
            # listed though it cannot run, so that a person learns of it
            items.item(row).setEnabled(spec.is_installed)
        self.model.currentIndexChanged.connect(self._model_chosen)
        self.truth.currentIndexChanged.connect(self._truth_chosen)
        self.worst.clicked.connect(lambda _: comparison.go_to_worst())
        self.swap.clicked.connect(lambda _: comparison.swap())
        self.cancel.clicked.connect(lambda _: comparison.cancel())
        for by, button in self.steps.items():
            button.clicked.connect(lambda _, by=by: comparison.step_second(by))
        for which, button in self.keep.items():
            button.clicked.connect(lambda _, which=which: self._keep(which))
        comparison.changed.connect(self._show)

    def _model_chosen(self, _index: int) -> None:
        name = self.model.currentData()
        main = self._comparison.controller.loader.choice
        # device and precision are those of the first model
        self._comparison.choose(None if name is None else replace(main, name=name, weights=None))

    def _truth_chosen(self, _index: int) -> None:
        self._comparison.choose_truth(self.truth.currentData())

    def _keep(self, which: str) -> None:
        everywhere = self.everywhere.isChecked() and not self.everywhere.isHidden()
        self._comparison.keep(which, everywhere=everywhere)

    def _show(self) -> None:
        comparison, state = self._comparison, self._comparison.state
        truths = comparison.possible_truths()
        busy = comparison.is_keeping
        now = (comparison.choice, state, tuple((t, t.name) for t in truths), comparison.truth, busy)
        # every answer to a click is a change: the panel is filled only if something differs
        if now == self._shown:
            return
        self._shown = now
        name = None if comparison.choice is None else comparison.choice.name
        with QSignalBlocker(self.model):
            self.model.setCurrentIndex(max(0, self.model.findData(name)))
        self._show_truths(truths)
        self.inside.setVisible(state is not None)
        for widget in (self._truth_label, self.truth):
            widget.setVisible(state is not None and bool(truths))
        if state is not None:
            self.numbers.setText(_numbers(state))
            self._show_curves(state)
            self._show_buttons(state, busy)

    def _show_truths(self, truths: tuple[Labels, ...]) -> None:
        entries: list[tuple[str, Labels | None]] = [(tr("none"), None)]
        entries += [(layer.name, layer) for layer in truths]
        fill(self.truth, entries, self._comparison.truth)

    def _show_curves(self, state: ComparisonState) -> None:
        a, b = state.names
        moments = state.moments
        curves = [
            Curve(
                tr("A and B"),
                COLOURS[BOTH],
                tuple((m.clicks, m.overlap.iou) for m in moments),
                True,
            )
        ]
        for i, (name, colour) in enumerate(((a, COLOURS[ONLY_A]), (b, COLOURS[ONLY_B]))):
            points = tuple((m.clicks, m.truth[i]) for m in moments if m.truth is not None)
            curves.append(Curve(tr("{name} and truth", name=name), colour, points))
        self.clicks.set_series(curves)
        self.clicks.setVisible(bool(moments))
        number = self._comparison.plane_number
        planes = tuple(sorted((float(number(p)), float(count)) for p, count in state.planes))
        self.planes.set_series([Curve(tr("pixels"), COLOURS[ONLY_B], planes)], number(state.here))
        for widget in (self.planes, self.worst):
            widget.setVisible(bool(planes))

    def _show_buttons(self, state: ComparisonState, is_busy: bool) -> None:
        has_masks = state.overlap is not None
        for button in (*self.keep.values(), self.worst):
            button.setEnabled(has_masks and not is_busy)
        self.swap.setEnabled(has_masks and not is_busy)
        self.cancel.setVisible(is_busy)
        self.offered.setText(f"B: {translated(state.offered)}")
        for widget in (self.offered, *self.steps.values()):
            widget.setVisible(bool(state.offered))
        self.everywhere.setVisible(len(state.planes) > 1)


def _models() -> list[tuple[str, str | None]]:
    """Return all models by what they are listed as; the panel above fetches missing weights."""
    here = keys_here()
    entries: list[tuple[str, str | None]] = [(tr("none"), None)]
    for name, spec in available_models().items():
        key = weights_key(name)
        is_here = key is None or key in here or key not in CATALOGUE
        entries.append(
            (spec.title if is_here else tr("{title} – weights missing", title=spec.title), name)
        )
    return entries


def _numbers(state: ComparisonState) -> str:
    """Return both masks in numbers, and what the colours of the agreement layer mean."""
    lines = []
    found = state.overlap
    if found is not None:
        lines.append(
            tr(
                "IoU <b>{iou:.3f}</b>, Dice <b>{dice:.3f}</b>, <b>{count:,}</b> px differ",
                iou=found.iou,
                dice=found.dice,
                count=found.disagreeing,
            )
        )
    counts = (None,) * 3 if found is None else (found.both, found.only_a, found.only_b)
    names = (
        tr("both"),
        tr("only A, {name}", name=state.names[0]),
        tr("only B, {name}", name=state.names[1]),
    )
    for value, name, count in zip((BOTH, ONLY_A, ONLY_B), names, counts, strict=True):
        words = name if count is None else f"{name}: {count:,} px"
        lines.append(f'<span style="color:{COLOURS[value]}">■</span> {words}')
    for i, letter in enumerate("AB"):
        seconds = state.seconds[i]
        told = [] if seconds is None else [tr("answered in {ms:.0f} ms", ms=1000 * seconds)]
        if state.truth is not None:
            told.append(tr("IoU with the truth <b>{iou:.3f}</b>", iou=state.truth[i]))
        lines += [f"{letter}: {', '.join(told)}"] * bool(told)
    return "<br>".join([*lines, tr("B is at work …")] if state.is_waiting else lines)
