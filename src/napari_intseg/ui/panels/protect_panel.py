"""What may be written where: locks, regions, and what happens when objects meet."""

from typing import Any

from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from napari_intseg.ui.panels.form import combo, fill, form
from napari_intseg.ui.protecting import (
    drop_painted,
    overlap,
    protect,
    protect_region,
    session_now,
    set_locked,
    take_over,
)
from napari_intseg.ui.workbench import Workbench

_POLICIES = (
    ("keep theirs", "keep"),
    ("give way, unless locked", "overwrite"),
    ("ask me", "ask"),
)


class ProtectPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Three choices, a lock, and a question when there is one."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self._bench = bench
        self._region: Any = None
        self._shown: Any = None
        self.policy = combo("What happens to pixels of other objects that an answer reaches into.")
        self.inside = combo("Write only where this object is: its pixels are taken from it.")
        self.region = combo("Write only inside the shapes or labels of this layer.")
        self.lock = QCheckBox("Lock the current object")
        self.lock.setToolTip(
            "Nothing changes the pixels of a locked object. Accepted objects are locked by default."
        )
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.take = QPushButton("Give them to the current object")
        self.drop = QPushButton("Drop painted pixels")
        self.drop.setToolTip(
            "What you painted or erased by hand is kept when further clicks come. This lets the "
            "model's answers count again there."
        )
        layout = form(self)
        layout.addRow("Others' pixels", self.policy)
        layout.addRow("Only inside", self.inside)
        layout.addRow("Only in region", self.region)
        layout.addRow(self.lock)
        layout.addRow(self.question)
        layout.addRow(self.take)
        layout.addRow(self.drop)
        self.policy.activated.connect(lambda _: protect(bench, policy=self.policy.currentData()))
        self.inside.activated.connect(lambda _: protect(bench, inside=self.inside.currentData()))
        self.region.activated.connect(self._choose_region)
        self.lock.clicked.connect(lambda on: set_locked(bench, bool(on)))
        self.take.clicked.connect(lambda _: take_over(bench))
        self.drop.clicked.connect(lambda _: drop_painted(bench))
        bench.voice.changed.connect(self._show)
        self._show()

    def _choose_region(self, _index: int) -> None:
        layer = self.region.currentData()
        if protect_region(self._bench, layer):
            self._region = layer
        self._shown = None
        self._show()

    def _show(self) -> None:
        session, binder = session_now(self._bench), self._bench.binder
        contested = overlap(self._bench)
        self.question.setVisible(bool(contested))
        self.take.setVisible(bool(contested))
        if contested:
            named = ", ".join(f"{n} of object {label}" for label, n in contested.items())
            self.question.setText(f"The answer reaches into others' pixels: {named}.")
        layers = [
            layer
            for layer in self._bench.viewer.layers
            if isinstance(layer, Labels | Shapes) and (binder is None or layer is not binder.labels)
        ]
        rules = None if session is None else session.protection
        label = 0 if binder is None else binder.drawer.object
        locked = session is not None and session.is_locked(label)
        objects = () if session is None else session.objects
        shown = (rules, label, locked, objects, [(id(x), x.name) for x in layers])
        if shown == self._shown:
            return
        self._shown = shown
        self.setEnabled(session is not None)
        fill(self.policy, _POLICIES, "keep" if rules is None else rules.policy)
        inside = [("everywhere", None), *((f"object {one}", one) for one in objects)]
        fill(self.inside, inside, None if rules is None else rules.inside)
        limited = rules is not None and rules.region is not None
        regions = [("everywhere", None), *((layer.name, layer) for layer in layers)]
        fill(self.region, regions, self._region if limited else None)
        self.lock.setChecked(locked)
