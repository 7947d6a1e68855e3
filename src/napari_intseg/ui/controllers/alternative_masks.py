"""Stepping through the masks that a model offers for the same prompts."""

from typing import TYPE_CHECKING

from napari_intseg.core.volume import Plane
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import Alternative
from napari_intseg.ui.messages import Message

if TYPE_CHECKING:
    from napari_intseg.ui.controllers.viewer_controller import ViewerController


def offered(controller: "ViewerController") -> tuple[Alternative, ...]:
    """Return the masks offered for the current object on the displayed plane, best first."""
    at = _here(controller)
    return () if at is None else at[1].alternatives_on(at[2])


def told(alternatives: tuple[Alternative, ...]) -> str:
    """Return a text that says which of the masks is in place."""
    if not alternatives:
        return ""
    number = next((i for i, one in enumerate(alternatives) if one.is_chosen), None)
    if number is None:
        return Message("{count} masks", count=len(alternatives))
    return Message(
        "{number} of {count} · score {score:.2f}",
        number=number + 1,
        count=len(alternatives),
        score=alternatives[number].score,
    )


def step(controller: "ViewerController", by: int = 1) -> None:
    """Put the next mask in place, or the one before with -1; after the last comes the first."""
    at, image_controller = _here(controller), controller.image_controller
    alternatives = offered(controller)
    if at is None or image_controller is None or not alternatives:
        controller.signals.failed.emit(
            Message(
                "The model gave one answer here. SAM and its kin give several after a single "
                "click; other models do with *several answers* ticked, among what the model "
                "sees."
            )
        )
        return
    time, session, plane = at
    if session.is_finished(session.object):
        controller.signals.failed.emit(
            Message("The object is accepted. Untick it in the list to go on with it.")
        )
        return
    now = next((i for i, one in enumerate(alternatives) if one.is_chosen), -1)
    change = session.choose_alternative((now + by) % len(alternatives), plane)
    image_controller.draw(time, change)
    controller.signals.message.emit(Message("Answer {which}.", which=told(offered(controller))))
    controller.signals.changed.emit()


def _here(controller: "ViewerController") -> tuple[int, Session, Plane] | None:
    """Return the displayed time point, its session and the plane; None if there is none."""
    image_controller = controller.image_controller
    now = None if image_controller is None else image_controller.displayed_slice
    if image_controller is None or now is None or isinstance(now, str):
        return None
    session = image_controller.session_store.session(now.time)
    if session is None or image_controller.session_store.object not in session.objects:
        return None
    return now.time, session, now.plane
