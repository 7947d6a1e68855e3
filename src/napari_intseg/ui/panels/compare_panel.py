"""Two models on the same clicks: where they agree, over clicks and planes, and what to keep."""

from dataclasses import replace
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
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
from napari_intseg.ui.panels.buttons import Buttons, combo, fill
from napari_intseg.ui.panels.plot import Curve, Plot
from napari_intseg.ui.qt.translation import tr, translated

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
