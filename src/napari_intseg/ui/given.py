"""What was handed to the sessions of an image, and layers that follow when it changes there."""

from napari.layers import Labels, Points

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.volume import Plane
from napari_intseg.session.document import Change
from napari_intseg.ui.asking import Asking
from napari_intseg.ui.boxes import Boxes
from napari_intseg.ui.clicking import Clicking
from napari_intseg.ui.drawer import Drawer
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import Place
from napari_intseg.ui.painter import Painter
from napari_intseg.ui.rewrite import rewrite_points


class Given:
    """The part of a binder that knows what is given where.

    Attributes
    ----------
    frame, points, labels, drawer, clicking, boxes, painter
        Those of the binder.
    """

    frame: Frame
    points: Points
    labels: Labels
    drawer: Drawer
    clicking: Clicking
    boxes: Boxes
    painter: Painter
    _asking: Asking

    def __init__(self) -> None:
        self._given: dict[Place, Prompts] = {}

    @property
    def time(self) -> int:
        """The time point in the window; 0 if there is no time axis."""
        return 0

    @property
    def is_waiting(self) -> bool:
        """Whether a click still waits for its answer."""
        return self._asking.is_waiting

    def answer_again(self) -> None:
        """Have everything answered that a change of window or channels left unanswered."""
        self.drawer.set_window()
        self._asking.add(list(self._given))
        self._asking.ask()

    def clicks_of(self, label: int) -> int:
        """Return how many clicks an object has."""
        return sum(len(prompts.clicks) for prompts in self.given_for(label))

    def given_for(self, label: int) -> list[Prompts]:
        """Return all prompts of an object, plane by plane."""
        return [prompts for place, prompts in self._given.items() if place.object == label]

    def failure_of(self, label: int) -> str:
        """Return why the last answer for an object did not come; empty if it did."""
        return self._asking.failures.get(label, "")

    def is_begun(self, label: int) -> bool:
        """Whether anything is given for an object: prompts, a mask to start from, or paint."""
        states = (
            state
            for session in self.drawer.sessions.values()
            for _, state in session.document.canvas.states(label)
        )
        return bool(self.given_for(label)) or any(state.is_given for state in states)

    def can(self, action: str) -> bool:
        """Whether there is something to "undo" or "redo" at the time point in the window."""
        session = self.drawer.session(self.time)
        return session is not None and bool(getattr(session, f"can_{action}"))

    def draw(self, time: int, change: Change) -> None:
        """Draw what an action of a session changed."""
        for label in change.objects:
            for plane in change.planes:
                self.painter.paint(Place(time, label, plane))

    def show_all(self) -> None:
        """Have points, shapes and labels show all that the sessions hold."""
        places = self._held()
        self._follow(places)
        for place in places:
            self.painter.paint(place)
        self._asking.ask()

    def recall(self) -> None:
        """Go on with sessions whose answers are in the layers; what is unanswered is asked."""
        for place in self._held():
            self._note(place, self.drawer.given(place))
            self.painter.recall(place)
        self._asking.add(list(self._given))

    def _held(self) -> list[Place]:
        """Return every place that the sessions hold something for."""
        places = []
        for time, session in self.drawer.sessions.items():
            canvas = session.document.canvas
            for label in session.objects:
                planes = {plane for plane, _ in canvas.states(label)}
                planes |= {Plane(0, index) for index in canvas.painted(label)}
                places += [Place(time, label, plane) for plane in sorted(planes)]
        return places

    def _note(self, place: Place, prompts: Prompts) -> None:
        if prompts.is_empty:
            self._given.pop(place, None)
        else:
            self._given[place] = prompts

    def _follow(self, places: list[Place]) -> None:
        held = {place: self.drawer.given(place) for place in places}
        with self.clicking.quiet():
            rewrite_points(self.points, self.frame, self.labels, held)
        self.boxes.follow(held)
        for place, prompts in held.items():
            self._note(place, prompts)
        self._asking.add(held)
