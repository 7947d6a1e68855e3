"""One line that says what is going on now, the bar of whatever runs, and Cancel."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_intseg.ui.compare.controller import Comparison
from napari_intseg.ui.controllers.automatic_start import AutomaticStart
from napari_intseg.ui.controllers.review import TimeTracking
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, counted, joined, to_translate
from napari_intseg.ui.panels.controls import WITHOUT_LIMIT, Buttons, show_notice
from napari_intseg.ui.qt.translation import tr, translated

# a red with a contrast of 5.2 : 1 to napari's dark grey, #262930; WCAG asks for 4.5 : 1
_ERROR = "color: #ff6b6b"
_BEGIN = Message("Click on an object in the image to begin.")
_OPEN = Message("Open an image to begin, or try a sample: File › Open Sample.")
_ASKING = Message("Asking the model …")

_COUNTED = {
    "planes": (to_translate("{doing}: %v of %m planes"), to_translate("%v of %m planes")),
    "places": (to_translate("{doing}: %v of %m places"), to_translate("%v of %m places")),
    "time points": (
        to_translate("{doing}: %v of %m time points"),
        to_translate("%v of %m time points"),
    ),
    "objects": (to_translate("{doing}: %v of %m objects"), to_translate("%v of %m objects")),
}
"""What is told by numbers and not per cent: the words of the bar with and without what runs."""

_LONGEST_WORD = 30
"""Letters, as in long German words and file names; what has no space for longer is cut anywhere."""

_SPACING_PX = 4

_EDGES_PX = 6
"""Pixels that a bar's text leaves free, left and right together; napari's style draws a border of
1 px round the bar."""


class StatusPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """The newest message, or the newest error; never two that contradict each other.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    buttons : Buttons
        Makes *Cancel*.
    comparison : Comparison
        Its work can be cancelled here too.
    through : TimeTracking
        So can following through time.
    starts : AutomaticStart
        And a model that looks for objects without clicks.

    Attributes
    ----------
    line : QLabel
        The message or the error.
    bar : QProgressBar
        Says what runs, and how far it is; hidden while nothing does.
    """

    def __init__(
        self,
        controller: ViewerController,
        buttons: Buttons,
        comparison: Comparison,
        through: TimeTracking,
        starts: AutomaticStart,
    ) -> None:
        super().__init__()
        self._controller, self._comparison = controller, comparison
        self._through, self._starts = through, starts
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.line.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._place = _Still(self.line)
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.cancel: QPushButton = buttons.make("cancel")
        self.cancel.setVisible(False)
        self._fit_line()
        # whether the line is an error; whether it is about
        # something that ends soon and is then stale
        self._is_error = self._is_passing = False
        # the text by which the line says why no plane can be
        # clicked on; it holds for this view alone
        self._hint = ""
        self._counts = (0, 0, "")
        # what ended the work, while the line says that
        self._why_lost = ""
        # the image that was chosen when the line was written
        self._about = controller.image
        # what runs, as it was found when something changed: a click neither begins nor ends work
        self._doing = ""
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_SPACING_PX)
        layout.addWidget(self._place, 0, 0, 1, 2)
        layout.addWidget(self.bar, 1, 0)
        layout.addWidget(self.cancel, 1, 1)
        layout.setColumnStretch(0, 1)
        # what is left over is below the line
        layout.setRowStretch(2, 1)
        signals = controller.signals
        signals.message.connect(self._told)
        signals.failed.connect(self._failed)
        signals.lost.connect(self._lost)
        signals.given.connect(self._given)
        signals.answered.connect(self._answered)
        signals.progressed.connect(self._progressed)
        signals.changed.connect(self._changed)
        signals.edited.connect(self._edited)
        comparison.changed.connect(self._changed)
        self._changed()

    @property
    def message(self) -> str:
        """What is told; empty while an error is."""
        return "" if self._is_error else self._text

    @property
    def error(self) -> str:
        """What went wrong; empty once something works again."""
        return self._text if self._is_error else ""

    @property
    def doing(self) -> str:
        """What runs now, in words; empty while nothing does."""
        controller, loader = self._controller, self._controller.loader
        image_controller = controller.image_controller
        # the first that runs is named; loading goes last, for it alone cannot be cancelled
        running = (
            (bool(loader.lost), tr("Connecting again")),
            (loader.is_fetching, tr("Fetching weights")),
            (controller.is_propagating, tr("Propagating")),
            (
                image_controller is not None and image_controller.is_in_volume,
                tr("Answering in 3-D"),
            ),
            (controller.searching.is_running, tr("Looking for more")),
            (self._starts.is_running, tr("Looking for objects")),
            (self._through.is_running, tr("Following through time")),
            (self._through.linking.is_running, tr("Linking through time")),
            (self._comparison.is_keeping, tr("Keeping on all planes")),
            (bool(controller.writing), tr("Writing a file")),
            (loader.is_connecting, tr("Connecting")),
            (loader.is_loading, tr("Loading {name}", name=loader.choice.name)),
        )
        return next((words for is_running, words in running if is_running), "")

    _text = ""

    def showEvent(self, event: Any) -> None:
        """Fit the line to the font of the window; called by Qt."""
        super().showEvent(event)
        self._fit_line()

    def resizeEvent(self, event: Any) -> None:
        """Choose words for the bar that fit its new width; called by Qt."""
        super().resizeEvent(event)
        self._show_line()
        self._show_bar()

    def _fit_line(self) -> None:
        # three lines, or two and the bar, so that nothing above moves; a longer text is in the
        # tooltip as well. napari's style sets the font when the widget is in its window, after it
        # was made
        for part in (self.line, self.bar, self.cancel):
            part.ensurePolished()
        # as high as it wants to be
        self.line.setMinimumHeight(0)
        self.line.setMaximumHeight(WITHOUT_LIMIT)
        heights = []
        for text in ("M\nM", "M\nM\nM"):
            # only the label itself knows what it leaves free round a text that can be selected
            self.line.setText(text)
            heights.append(self.line.sizeHint().height())
        beside = max(self.bar.sizeHint().height(), self.cancel.sizeHint().height())
        self.setFixedHeight(max(heights[0] + _SPACING_PX + beside, heights[1]))
        for one in (self.line, self._place):
            one.setFixedHeight(heights[0 if self.bar.isVisibleTo(self) else 1])
        self._show_line()

    def _show_line(self) -> None:
        """Show as much of the text as there is room for; the tooltip has all of it."""
        told = translated(self._text)
        self.line.setToolTip(told)
        self.line.setText(told)
        while told and self.line.heightForWidth(self.line.width()) > self.line.height():
            # by words, where the language has spaces between them
            end = told.rfind(" ")
            told = told[: end if end >= len(told) - _LONGEST_WORD else -1]
            self.line.setText(f"{told} …")

    def _told(self, text: str) -> None:
        image_controller = self._controller.image_controller
        now = (
            ""
            if image_controller is None or image_controller.is_closed
            else image_controller.displayed_slice
        )
        # only such a text is taken away when the view changes
        self._hint = text if text and text == now else ""
        if image_controller is None and _is_ready(text):
            # one line: a second message would take the place of the first
            text = joined([text, _OPEN if self._controller.image is None else _BEGIN])
        self._put(text)

    def _failed(self, text: str) -> None:
        self._put(text, is_error=True)
        show_notice(translated(text))

    def _lost(self, text: str) -> None:
        self._put(text, is_error=True)
        self._why_lost = text.values.get("why", "") if isinstance(text, Message) else ""
        if self._controller.image is None:
            self._ask_for_image()

    def _given(self) -> None:
        # the words of work that runs are not replaced by those of a click
        if not self._doing:
            self._put(_ASKING, is_passing=True)
        elif self._controller.loader.lost:
            # one more waits
            self._changed()

    def _answered(self, where: str, seconds: float) -> None:
        if self._doing:
            return  # the line says what runs
        place = translated(where)
        place = place[:1].upper() + place[1:]
        told = (
            tr("{where}: answered in {ms:.0f} ms.", where=place, ms=1000 * seconds)
            if seconds < 1
            else tr("{where}: answered in {s:.1f} s.", where=place, s=seconds)
        )
        if self._is_first_click():
            hint = tr("Right-click on what does not belong to it.")
            told = f"{told} {hint}"
        self._put(told, is_passing=True)

    def _is_first_click(self) -> bool:
        """Whether an image has one click: whoever gave it needed no button, and read none."""
        image_controller = self._controller.image_controller
        return (
            image_controller is not None
            and len(image_controller.points.data) == 1
            and self._controller.positive
        )

    def _put(self, text: str, *, is_error: bool = False, is_passing: bool = False) -> None:
        self._text, self._is_error, self._is_passing = text, is_error, is_passing
        self._why_lost = ""
        self._about = self._controller.image
        self._show_line()
        # Qt lays the widget out anew for each style, also for the same
        style = _ERROR if is_error else ""
        if style != self.line.styleSheet():
            self.line.setStyleSheet(style)

    def _progressed(self, done: int, total: int, of: str) -> None:
        self._counts = (done, total, of)
        self._show_bar()

    def _changed(self) -> None:
        image_controller = self._controller.image_controller
        if self._hint and (
            image_controller is None
            or image_controller.is_closed
            or image_controller.displayed_slice != self._hint
        ):
            # the view it was about is no longer shown
            self._hint = ""
            self._put("")
        image = self._controller.image
        is_of_another = image is not None and image is not self._about
        if is_of_another and image_controller is None and not self._is_error:
            self._put("")
        self._find_doing()
        self._edited()
        if not self._text and self._controller.image is not None and image_controller is None:
            self._put(_BEGIN)
        if image is None:
            self._ask_for_image()
        self._show_bar()

    def _ask_for_image(self) -> None:
        """Take back what can only be done with an image, now that there is none."""
        if self._text.endswith(_BEGIN):
            self._put(_OPEN)
        elif self._why_lost:
            why, self._why_lost = self._why_lost, ""
            words = Message("{why}, so work on it has ended. Open an image to begin.", why=why)
            self._put(words, is_error=True)

    def _find_doing(self) -> str:
        before, self._doing = self._doing, self.doing
        if self._doing not in ("", before) and not self._is_error:
            # what was told before it began is not what goes on now
            self._is_passing = True
        return self._doing

    def _edited(self) -> None:
        image_controller = self._controller.image_controller
        self._forget_stale(image_controller is not None and image_controller.is_waiting)

    def _waits_for_machine(self) -> str:
        """Return that a connection is lost and what waits for it; empty while none is."""
        address = self._controller.loader.lost
        if not address:
            return ""
        image_controller = self._controller.image_controller
        count = 0 if image_controller is None else image_controller.queue.clicks_waiting
        words = [Message("The connection to {address} is lost: trying again.", address=address)]
        if count:
            words.append(counted(count, "{n} click waits.", "{n} clicks wait."))
        words.append(Message("Cancel goes on with this machine."))
        return joined(words)

    def _forget_stale(self, is_waiting: bool) -> None:
        """Say what runs instead of what was answered before, and nothing once it has ended."""
        waits = self._waits_for_machine()
        if waits:
            if waits != self._text:
                self._put(waits, is_passing=True)
        elif self._doing:
            if self._is_passing or not self._text:
                self._put(f"{self._doing} …", is_passing=True)
        # "Asking the model …" and the like, once nothing is asked for any more
        elif self._is_passing and not is_waiting and self._text.endswith("…"):
            self._put("")

    def _show_bar(self) -> None:
        doing = self._find_doing()
        done, total, of = self._counts
        # numbers may be left over from work that has ended
        is_counting = bool(of) and bool(doing)
        if bool(doing) != self.bar.isVisibleTo(self):
            self.bar.setVisible(bool(doing))
            self._fit_line()
        # a range of 0 to 0 makes the bar run to and fro
        self.bar.setRange(0, max(0, total) if is_counting else 0)
        self.bar.setValue(min(done, total) if total else done)
        # building a model cannot be stopped on the way: libraries offer no hook for it
        is_loading = doing == tr("Loading {name}", name=self._controller.loader.choice.name)
        self.cancel.setVisible(bool(doing) and not is_loading)
        self.bar.setToolTip(doing)
        forms = _shorter(doing, of if is_counting else "")
        self.bar.setFormat(next((one for one in forms[:-1] if self._fits(one)), forms[-1]))

    def _fits(self, form: str) -> bool:
        """Whether the bar has room for its text."""
        # Qt puts these in when it draws; 100 is the widest per cent
        text = form.replace("%v", str(self.bar.value())).replace("%m", str(self.bar.maximum()))
        wanted = self.bar.fontMetrics().horizontalAdvance(text.replace("%p", "100"))
        return bool(wanted <= self.bar.width() - _EDGES_PX)


class _Still(QWidget):  # type: ignore[misc, unused-ignore]
    """Keeps a label's place, whatever it says, and so makes the dock no wider.

    In a layout each of its words would have Qt ask all of napari's window for sizes anew.
    """

    def __init__(self, label: QLabel) -> None:
        super().__init__()
        label.setParent(self)
        self._label = label
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: Any) -> None:
        """Give the label all of the place; called by Qt."""
        super().resizeEvent(event)
        self._label.resize(event.size().width(), self._label.height())


def _shorter(doing: str, of: str) -> tuple[str, ...]:
    """Return what a bar can say, from the longest to what always has to fit."""
    if of in _COUNTED:
        whole, share = _COUNTED[of]
        return (
            tr(whole, doing=doing),
            tr("{doing}: %v of %m", doing=doing),
            tr(share),
            tr("%v of %m"),
        )
    share = ": %p %" if of else " …"
    return f"{doing}{share}", share.removeprefix(": ")


def _is_ready(text: str) -> bool:
    """Whether a message says that a model is ready, and nothing else."""
    # by its template: the name in it differs
    return isinstance(text, Message) and text.template == "{name} is ready."
