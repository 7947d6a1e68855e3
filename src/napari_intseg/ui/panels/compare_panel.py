"""Two models on the same clicks: where they agree, over clicks and planes, and what to keep.

Curves are drawn with Qt alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QPointF, QRectF, QSignalBlocker, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_intseg.models.registry import available_models
from napari_intseg.session.compare.two_answers import BOTH, ONLY_A, ONLY_B
from napari_intseg.ui.compare.controller import Comparison, ComparisonState
from napari_intseg.ui.compare.pair import COLOURS
from napari_intseg.ui.controllers.model_loader import keys_here
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.controls import Buttons, combo, fill, form
from napari_intseg.ui.panels.model_panel import listed
from napari_intseg.ui.qt.translation import tr, translated

# pixels round the curves: room for numbers at the left, the title above, clicks below
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 18, 18
# high enough for a title and numbers in small print, low enough for two plots in the dock
_HEIGHT_PX = 112
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
        self.setFixedHeight(_HEIGHT_PX)
        self.setMouseTracking(True)
        if on_pick is not None:
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_series(self, series: Sequence[Curve], mark: float | None = None) -> None:
        """Show curves, and a line at a value to the right."""
        given = tuple(s for s in series if s.points)
        # drawing costs more than comparing
        if (given, mark) != (self.series, self.mark):
            self.series, self.mark = given, mark
            self.update()

    def limits(self) -> tuple[float, float, float, float]:
        """Return the values at the left, right, lower and upper ends of the axes."""
        xs, ys = self._xs() or [0.0], [y for s in self.series for _, y in s.points] or [0.0]
        left, right = xs[0], xs[-1]
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
        text, area = self.palette().color(QPalette.ColorRole.WindowText), self._area()
        self._draw_frame(painter, text)
        painter.setClipRect(area.adjusted(-4, -4, 4, 4))
        if self.mark is not None and self.series:
            x = self._at(self.mark, 0).x()
            painter.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        for series in self.series:
            points = [self._at(x, y) for x, y in series.points]
            style = Qt.PenStyle.DashLine if series.dashed else Qt.PenStyle.SolidLine
            painter.setPen(QPen(QColor(series.colour), 1.8, style))
            painter.drawPolyline(QPolygonF(points))
            # more dots would run together
            if len(points) <= 40:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(series.colour))
                for point in points:
                    painter.drawEllipse(point, 2.6, 2.6)
        painter.end()

    def mousePressEvent(self, event: Any) -> None:
        """Tell what was clicked; called by Qt."""
        if self._on_pick is not None and self.series:
            self._on_pick(int(self._nearest(event.position().x())))

    def mouseMoveEvent(self, event: Any) -> None:
        """Have Qt show the values under the mouse; called by Qt."""
        self.setToolTip(self.told_at(event.position().x()))

    def told_at(self, x_px: float) -> str:
        """Return the values of all curves near a place, in words; empty if there are none."""
        at = self._nearest(x_px) if self.series else 0.0
        if not self.series or abs(self._at(at, 0).x() - x_px) > _NEAR_PX:
            return ""
        lines = [f"{at:g}"]
        for series in self.series:
            value = dict(series.points).get(at)
            if value is not None:
                told = f"{value:.3f}" if self._fraction else f"{value:g}"
                lines.append(f"{series.name}: {told}")
        return "\n".join(lines)

    def _xs(self) -> list[float]:
        return sorted({x for s in self.series for x, _ in s.points})

    def _nearest(self, x_px: float) -> float:
        return min(self._xs(), key=lambda x: abs(self._at(x, 0).x() - x_px))

    def _area(self) -> QRectF:
        width, height = self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM
        return QRectF(_LEFT, _TOP, max(1, width), max(1, height))

    def _at(self, x: float, y: float) -> QPointF:
        left, right, low, high = self.limits()
        area = self._area()
        return QPointF(
            area.left() + (x - left) / (right - left) * area.width(),
            area.bottom() - (y - low) / (high - low) * area.height(),
        )

    def _draw_frame(self, painter: QPainter, text: QColor) -> None:
        area, soft = self._area(), QColor(text)
        # grid lines are weaker than text, and text is a little smaller
        # than the panel's, yet not below what can be read (not tuned)
        soft.setAlpha(70)
        font = painter.font()
        font.setPointSizeF(max(6.5, font.pointSizeF() * 0.85))
        painter.setFont(font)
        painter.setPen(text)
        start, end = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        painter.drawText(QRectF(0, 0, self.width(), _TOP - 3), start, self.title)
        left, right, low, high = self.limits()
        for value in (low, high):
            y = self._at(left, value).y()
            painter.setPen(QPen(soft, 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            told = f"{value:.1f}" if self._fraction else _short(value)
            beside = QRectF(0, y - 8, _LEFT - 5, 16)
            painter.drawText(beside, end | Qt.AlignmentFlag.AlignVCenter, told)
        below = QRectF(area.left() - 3, area.bottom() + 3, area.width() + 6, _BOTTOM - 3)
        first, last = math.ceil(left), math.floor(right)
        if self.series:
            painter.drawText(below, start, f"{first:d}")
        if self.series and last > first:
            painter.drawText(below, end, f"{last:d}")


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
    ("both", to_translate("Both"), to_translate("Keep what is in both masks, the intersection.")),
    ("either", to_translate("Either"), to_translate("Keep what is in either mask, the union.")),
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
        self.numbers, self.offered = QLabel(), QLabel()
        self.numbers.setWordWrap(True)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.clicks = Plot(tr("IoU over clicks"), fraction=True)
        self.planes = Plot(tr("pixels in disagreement over planes"), on_pick=comparison.go_to_plane)
        self.worst = _button(tr("Go to the plane that disagrees most"), comparison.go_to_worst)
        self.keep = {
            which: _button(tr(title), partial(self._keep, which), tr(tip))
            for which, title, tip in _KEEP
        }
        self.everywhere = QCheckBox(tr("on all planes"))
        tip = tr("Keep on every plane on which the two differ, not only on this one.")
        self.everywhere.setToolTip(tip)
        self.offered.setToolTip(tr("Which of the second model's answers is in place."))
        before, after = tr("Put B's previous answer in place."), tr("Put B's next answer in place.")
        self.steps = {
            -1: _button("‹", partial(comparison.step_second, -1), before),
            1: _button("›", comparison.step_second, after),
        }
        tip = tr("B becomes the model that answers, and its first mask is A's.")
        self.swap = _button(tr("Go on with B from A's mask"), comparison.swap, tip)
        self.suggest = buttons.make("suggest_click")
        self._lay_out()
        self._fill_models()
        self.model.currentIndexChanged.connect(self._model_chosen)
        self.truth.currentIndexChanged.connect(
            lambda _: comparison.choose_truth(self.truth.currentData())
        )
        comparison.changed.connect(self._show)
        self._shown: tuple[Any, ...] = ()
        self._show()

    def _lay_out(self) -> None:
        above, self.inside = QWidget(), QWidget()
        self._rows: Any = form(above)
        self._rows.addRow(tr("Compare with"), self.model)
        self._rows.addRow(tr("Truth"), self.truth)
        # neither a long label nor a button's long words make all tabs wider
        self._rows.setRowWrapPolicy(self._rows.RowWrapPolicy.WrapLongRows)
        self.worst.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        outside, layout = QGridLayout(self), QGridLayout(self.inside)
        for row, widget in enumerate((above, self.inside, self.suggest)):
            outside.addWidget(widget, row, 0)
        for grid in (outside, layout):
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setSpacing(4)
        layout.addWidget(self.offered, 1, 0, 1, 2)
        for column, step in enumerate(self.steps.values(), start=2):
            layout.addWidget(step, 1, column)
        for column, button in enumerate(self.keep.values()):
            layout.addWidget(button, 5, column)
        wide = {0: self.numbers, 2: self.clicks, 3: self.planes, 4: self.worst}
        for row, one in (wide | {6: self.everywhere, 7: self.swap}).items():
            layout.addWidget(one, row, 0, 1, 4)

    def _fill_models(self) -> None:
        models, here = available_models(), keys_here()
        entries = [(listed(name, spec, here), name) for name, spec in models.items()]
        fill(self.model, [(tr("none"), None), *entries], None)
        items: Any = self.model.model()
        for row, spec in enumerate(models.values(), start=1):
            # listed though it cannot run, so that a person learns of it
            items.item(row).setEnabled(spec.is_installed)

    def _model_chosen(self, _index: int) -> None:
        name = self.model.currentData()
        main = self._comparison.controller.loader.choice
        # device and precision are those of the first model
        self._comparison.choose(None if name is None else replace(main, name=name, weights=None))

    def _keep(self, which: str) -> None:
        everywhere = self.everywhere.isChecked() and not self.everywhere.isHidden()
        self._comparison.keep(which, everywhere=everywhere)

    def _show(self) -> None:
        comparison, state = self._comparison, self._comparison.state
        truths, busy = comparison.possible_truths(), comparison.is_keeping
        now = (comparison.choice, state, tuple((t, t.name) for t in truths), comparison.truth, busy)
        # every answer to a click is a change: the panel is filled only if something differs
        if now == self._shown:
            return
        self._shown = now
        name = None if comparison.choice is None else comparison.choice.name
        with QSignalBlocker(self.model):
            self.model.setCurrentIndex(max(0, self.model.findData(name)))
        entries: list[tuple[str, Labels | None]] = [(layer.name, layer) for layer in truths]
        fill(self.truth, [(tr("none"), None), *entries], comparison.truth)
        self.inside.setVisible(state is not None)
        for widget in (self._rows.labelForField(self.truth), self.truth):
            widget.setVisible(state is not None and bool(truths))
        if state is not None:
            self.numbers.setText(_numbers(state))
            self._show_curves(state)
            self._show_buttons(state, busy)

    def _show_curves(self, state: ComparisonState) -> None:
        moments = () if state.compared is None else state.compared.moments
        between = tuple((m.clicks, m.overlap.iou) for m in moments)
        curves = [Curve(tr("A and B"), COLOURS[BOTH], between, dashed=True)]
        for i, colour in enumerate((COLOURS[ONLY_A], COLOURS[ONLY_B])):
            points = tuple((m.clicks, m.truth[i]) for m in moments if m.truth is not None)
            curves.append(Curve(tr("{name} and truth", name=state.names[i]), colour, points))
        self.clicks.set_series(curves)
        self.clicks.setVisible(bool(moments))
        work = self._comparison.controller.image_controller
        if work is not None and state.planes:
            number = work.plane_number
            planes = tuple(sorted((float(number(p)), float(count)) for p, count in state.planes))
            curve = Curve(tr("pixels"), COLOURS[ONLY_B], planes)
            self.planes.set_series([curve], number(state.here))
        for widget in (self.planes, self.worst):
            widget.setVisible(bool(state.planes))

    def _show_buttons(self, state: ComparisonState, is_busy: bool) -> None:
        for button in (*self.keep.values(), self.worst, self.swap):
            button.setEnabled(state.compared is not None and not is_busy)
        self.offered.setText(f"B: {translated(state.offered)}")
        for widget in (self.offered, *self.steps.values()):
            widget.setVisible(bool(state.offered))
        self.everywhere.setVisible(len(state.planes) > 1)


def _button(text: str, call: Callable[[], None], tip: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda _checked: call())
    return button


def _numbers(state: ComparisonState) -> str:
    """Return both masks in numbers, and what the colours of the agreement layer mean."""
    lines: list[str] = []
    compared, counts = state.compared, [""] * 3
    if compared is not None:
        found = compared.overlap
        counts = [f": {px:,} px" for px in (found.both, found.only_a, found.only_b)]
        lines.append(
            tr(
                "IoU <b>{iou:.3f}</b>, Dice <b>{dice:.3f}</b>, <b>{count:,}</b> px differ",
                iou=found.iou,
                dice=found.dice,
                count=found.disagreeing,
            )
        )
    a, b = state.names
    names = tr("both"), tr("only A, {name}", name=a), tr("only B, {name}", name=b)
    for value, name, count in zip((BOTH, ONLY_A, ONLY_B), names, counts, strict=True):
        lines.append(f'<span style="color:{COLOURS[value]}">■</span> {name}{count}')
    for i, took in enumerate(() if compared is None else compared.seconds):
        told = [] if took is None else [tr("answered in {ms:.0f} ms", ms=1000 * took)]
        if compared is not None and compared.truth is not None:
            told.append(tr("IoU with the truth <b>{iou:.3f}</b>", iou=compared.truth[i]))
        lines += [f"{'AB'[i]}: {', '.join(told)}"] * bool(told)
    return "<br>".join([*lines, tr("B is at work …")] if state.is_waiting else lines)
