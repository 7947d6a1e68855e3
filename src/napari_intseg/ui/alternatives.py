"""Stepping through the masks that a model offers for the same prompts."""

from typing import TYPE_CHECKING

from napari_intseg.core.volume import Plane
from napari_intseg.session.alternatives import Alternative
from napari_intseg.session.session import Session

if TYPE_CHECKING:
    from napari_intseg.ui.workbench import Workbench


def offered(bench: "Workbench") -> tuple[Alternative, ...]:
    """Return the masks offered for the current object on the plane in view, the best first."""
    at = _here(bench)
    return () if at is None else at[1].alternatives_on(at[2])


def told(alternatives: tuple[Alternative, ...]) -> str:
    """Return which of the masks is in place, in words."""
    if not alternatives:
        return ""
    number = next((i for i, one in enumerate(alternatives) if one.is_chosen), None)
    if number is None:
        return f"{len(alternatives)} masks"
    return f"{number + 1} of {len(alternatives)} · score {alternatives[number].score:.2f}"


def step(bench: "Workbench", by: int = 1) -> None:
    """Put the next mask in place, or the one before with -1; after the last comes the first."""
    at, binder = _here(bench), bench.binder
    alternatives = offered(bench)
    if at is None or binder is None or not alternatives:
        bench.voice.failed.emit(
            "The model gave one answer here. SAM and its kin give several after a single click."
        )
        return
    time, session, plane = at
    if session.is_finished(session.object):
        bench.voice.failed.emit("The object is accepted. Untick it in the list to go on with it.")
        return
    now = next((i for i, one in enumerate(alternatives) if one.is_chosen), -1)
    change = session.choose_alternative((now + by) % len(alternatives), plane)
    binder.draw(time, change)
    bench.voice.message.emit(f"Answer {told(offered(bench))}.")
    bench.voice.changed.emit()


def _here(bench: "Workbench") -> tuple[int, Session, Plane] | None:
    """Return the time point, session and plane in view; None while there is none."""
    binder = bench.binder
    now = None if binder is None else binder.viewed
    if binder is None or now is None or isinstance(now, str):
        return None
    session = binder.drawer.session(now.time)
    if session is None or binder.drawer.object not in session.objects:
        return None
    return now.time, session, now.plane
