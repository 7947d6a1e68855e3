"""What may be written where: locks, regions, and what happens when objects meet."""

from typing import Any

from napari.layers import Labels, Layer, Shapes
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_intseg.ui.controllers.clicks import share
from napari_intseg.ui.controllers.object_actions import (
    drop_painted,
    overlap,
    protect,
    protect_region,
    session_now,
    set_locked,
    take_over,
)
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, joined, to_translate
from napari_intseg.ui.panels.controls import Tick, combo, fill, form
from napari_intseg.ui.qt.translation import tr
from napari_intseg.ui.qt.worker_thread import listen

_POLICIES = (
    (to_translate("keep theirs"), "keep"),
    (to_translate("give way, unless locked"), "overwrite"),
    (to_translate("ask me"), "ask"),
    (to_translate("share, the surest has them"), "joint"),
)
# a region whose layer is gone, or that undo brought back
_EARLIER = "earlier"


class ProtectPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Three choices, a lock, and a question when there is one; work goes on without an answer.

    Attributes
    ----------
    asking : QWidget
        The question; the dock keeps it in sight.
    take, leave : QPushButton
        The two answers.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        # the layer of the region; what is drawn on screen; the question asked, and the one answered
        # by *Leave them*: only what differs from these is shown or asked anew
        self._region: Any = None
        self._shown: Any = None
        self._asked: Any = None
        self._left: Any = None
        self.policy = combo(
            tr(
                "What happens to pixels of other objects that an answer reaches into. Locked "
                "objects keep theirs in any case."
            )
        )
        self.inside = combo(tr("Write only where this object is: its pixels are taken from it."))
        self.region = combo(tr("Write only inside the shapes or labels of this layer."))
        self.lock = Tick(tr("Lock the current object"))
        self.lock.setToolTip(
            tr(
                "Nothing changes the pixels of a locked object. Accepted objects are locked by "
                "default."
            )
        )
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.take = QPushButton(tr("Take them"))
        self.take.setToolTip(tr("Give these pixels to the current object; one step of undo."))
        self.leave = QPushButton(tr("Leave them"))
        self.leave.setToolTip(
            tr("The other objects keep these pixels, as they do until you answer.")
        )
        self.drop = QPushButton(tr("Drop painted pixels"))
        self.drop.setToolTip(
            tr(
                "What you painted or erased by hand is kept when further clicks come. This "
                "lets the model's answers count again there."
            )
        )
        self.share = QPushButton(tr("Share clicks on this plane"))
        self.share.setToolTip(
            tr(
                "A positive click or line of one object becomes a negative one of the others on "
                "the plane, and all are answered again; one step of undo."
            )
        )
        self._arrange()
        # `activated` comes from a person alone;
        # `currentIndexChanged` would come from `_show` as well
        self.policy.activated.connect(
            lambda _: protect(controller, policy=self.policy.currentData())
        )
        self.inside.activated.connect(
            lambda _: protect(controller, inside=self.inside.currentData())
        )
        self.region.activated.connect(self._choose_region)
        self.lock.clicked.connect(lambda on: set_locked(controller, bool(on)))
        self.take.clicked.connect(lambda _: take_over(controller))
        self.leave.clicked.connect(self._leave)
        self.drop.clicked.connect(lambda _: drop_painted(controller))
        self.share.clicked.connect(lambda _: share(controller))
        controller.signals.changed.connect(self._show)
        controller.viewer.layers.events.inserted.connect(self._show)
        controller.viewer.layers.events.removed.connect(self._show)
        controller.viewer.dims.events.current_step.connect(self._ask)
        self._show()

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self._controller.viewer.layers.events.inserted.disconnect(self._show)
        self._controller.viewer.layers.events.removed.disconnect(self._show)
        self._controller.viewer.dims.events.current_step.disconnect(self._ask)
        self._region = None

    def _arrange(self) -> None:
        layout = form(self)
        # the labels are too long to stand beside the lists; where Qt decides that row by row, as
        # `WrapLongRows` says, it gives the lists too little height below two headings
        layout.setRowWrapPolicy(layout.RowWrapPolicy.WrapAllRows)
        layout.addRow(tr("Others' pixels"), self.policy)
        layout.addRow(self.share)
        layout.addRow(tr("Only inside"), self.inside)
        layout.addRow(tr("Only in region"), self.region)
        layout.addRow(self.lock)
        self.asking = QWidget()
        inside = QGridLayout(self.asking)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        inside.addWidget(self.question, 0, 0, 1, 2)
        inside.addWidget(self.take, 1, 0)
        inside.addWidget(self.leave, 1, 1)
        layout.addRow(self.asking)
        layout.addRow(self.drop)

    def _choose_region(self, _index: int) -> None:
        layer = self.region.currentData()
        # that region holds already; its layer is not there to be read again
        if layer is not _EARLIER and protect_region(self._controller, layer):
            self._region = layer
        self._shown = None
        self._show()

    def _leave(self) -> None:
        # nothing has to be done: the others have kept their
        # pixels. The question is just not put again.
        self._left = self._asked
        self._ask()

    def _ask(self, _event: Any = None) -> None:
        """Show a question on the plane in view if there is one, and tell of a new one."""
        contested = overlap(self._controller)
        image_controller = self._controller.image_controller
        label = 0 if image_controller is None else image_controller.session_store.object
        asked = (
            # another object, plane or number of pixels is another question
            (label, image_controller and image_controller.displayed_slice, tuple(contested.items()))
            if contested
            else None
        )
        is_open = asked is not None and asked != self._left
        for widget in (self.question, self.take, self.leave):
            widget.setVisible(is_open)
        if asked == self._asked:
            return
        self._asked = asked
        if is_open:
            named = joined(
                [
                    Message("{n} pixels of object {label}", n=n, label=other)
                    for other, n in contested.items()
                ],
                ", ",
            )
            self.question.setText(tr("The answer reaches into {named}.", named=named))
            self._controller.signals.message.emit(
                Message(
                    "Object {label} reaches into {named}; they stay. Take them or leave them.",
                    label=label,
                    named=named,
                )
            )

    def _show(self, _event: Any = None) -> None:
        session, image_controller = session_now(self._controller), self._controller.image_controller
        layers = [
            layer
            for layer in self._controller.viewer.layers
            if isinstance(layer, Labels | Shapes)
            # the layer of the answers cannot be a region for them
            and (image_controller is None or layer is not image_controller.labels)
        ]
        rules = None if session is None else session.protection
        # an answer reaches into others with every click, but only this policy asks about it
        is_asking = rules is not None and rules.policy == "ask"
        listen(self._controller.signals.edited, self._ask, is_asking)
        self._ask()
        label = 0 if image_controller is None else image_controller.session_store.object
        locked = session is not None and session.is_locked(label)
        objects = () if session is None else session.objects
        # every answer to a click is a change: the panel is filled only if something differs
        shown = (rules, label, locked, objects, [(id(x), x.name) for x in layers])
        if shown == self._shown:
            return
        self._shown = shown
        self.setEnabled(session is not None)
        policies = [(tr(words), value) for words, value in _POLICIES]
        fill(self.policy, policies, "keep" if rules is None else rules.policy)
        # objects that share their pixels are those that may share their clicks
        self.share.setVisible(rules is not None and rules.policy == "joint" and len(objects) > 1)
        inside = [
            (tr("everywhere"), None),
            *((tr("object {label}", label=one), one) for one in objects),
        ]
        fill(self.inside, inside, None if rules is None else rules.inside)
        self._show_regions(layers, is_limited=rules is not None and rules.region is not None)
        self.lock.setChecked(locked)

    def _show_regions(self, layers: list[Layer], *, is_limited: bool) -> None:
        # a layer that was removed must not be kept alive by the panel
        if self._region not in layers:
            self._region = None
        regions = [(tr("everywhere"), None), *((layer.name, layer) for layer in layers)]
        chosen = self._region if is_limited else None
        if is_limited and self._region is None:
            regions.append((tr("as chosen earlier"), _EARLIER))
            chosen = _EARLIER
        fill(self.region, regions, chosen)
