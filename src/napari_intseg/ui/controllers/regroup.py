"""Merging and renumbering objects from the window, without Qt; at all time points."""

from collections.abc import Callable, Iterable

from napari_intseg.errors import IntSegError
from napari_intseg.session.document import Change
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.object_actions import NAMES
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, counted
from napari_intseg.ui.qt.signals import told


def merge(controller: ViewerController, labels: Iterable[int]) -> None:
    """Make one object of several, with the smallest of their numbers; one undo a time point."""
    chosen = sorted(set(labels))
    if len(chosen) < 2:
        controller.signals.failed.emit(
            Message(
                "Choose two or more objects in the table first: hold Ctrl and click on their rows."
            )
        )
        return
    into = chosen[0]

    def act(session: Session) -> Change | None:
        there = [label for label in chosen if label in session.objects]
        if len(there) > 1:
            change = session.merge_objects(there)
            if there[0] == into:
                return change
        return _renumbered(session, there[0], into) if there and there[0] != into else None

    if _at_all_times(controller, chosen, act):
        others = ", ".join(str(label) for label in chosen[1:])
        controller.signals.message.emit(
            counted(
                len(chosen) - 1,
                "Object {others} is part of object {into} now.",
                "Objects {others} are part of object {into} now.",
                others=others,
                into=into,
            )
        )


def relabel(controller: ViewerController, label: int, number: int) -> None:
    """Give an object another number; name and class go with it."""
    image_controller = controller.image_controller
    if image_controller is None or label == number:
        return
    if number in image_controller.session_store.labels:
        controller.signals.failed.emit(
            Message(
                "There is an object {number} already. Choose another number, or select both "
                "rows and merge them.",
                number=number,
            )
        )
        return
    if not image_controller.has_room(number):
        controller.signals.failed.emit(image_controller.too_large(number))
        return
    if _at_all_times(controller, [label], lambda session: _renumbered(session, label, number)):
        known = image_controller.labels.metadata.get(NAMES, {})
        if label in known:
            known[number] = dict(known[label])  # it stays for the old one too: undo goes back there
        controller.signals.message.emit(
            Message("Object {label} is object {number} now.", label=label, number=number)
        )
        controller.signals.changed.emit()


def _renumbered(session: Session, label: int, number: int) -> Change | None:
    return session.relabel_object(label, number) if label in session.objects else None


def _at_all_times(
    controller: ViewerController, labels: Iterable[int], act: Callable[[Session], Change | None]
) -> bool:
    """Do something in every session, if all of them may; return whether that was so."""
    image_controller = controller.image_controller
    if image_controller is None:
        return False
    sessions = image_controller.session_store.sessions
    for label in labels:
        controller.let_go(label)
    try:
        for session in sessions.values():  # asked of all before the first is changed
            for label in labels:
                if label in session.objects:
                    session.document.check_free(label)
        for time, session in sessions.items():
            change = act(session)
            if change is not None:
                image_controller.show_change(time, session, change)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return False
    return True
