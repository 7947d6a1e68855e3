"""What concerns the current object alone: its own undo and redo, and removing it."""

from napari_intseg.errors import IntSegError
from napari_intseg.session.session import Session
from napari_intseg.ui.workbench import Workbench


def can(bench: Workbench, action: str) -> bool:
    """Whether there is something to "undo" or "redo" of the current object, at this time point."""
    session, label = _session(bench), _label(bench)
    return session is not None and session.can_go(action, label)


def step(bench: Workbench, action: str) -> None:
    """Take back the last action for the current object, or bring it back; that is one action."""
    label, title = _label(bench), None
    if bench.binder is not None and _session(bench) is not None:
        try:
            title = bench.binder.go(action, label)
        except IntSegError as err:
            bench.voice.failed.emit(str(err))
            return
    bench.voice.message.emit(f"{title or f'There is nothing to {action} of object {label}'}.")
    bench.voice.changed.emit()


def remove(bench: Workbench) -> None:
    """Remove the current object at all time points; one step of undo at each."""
    binder = bench.binder
    if binder is None:
        bench.voice.failed.emit("There is no object to remove yet.")
        return
    label = binder.drawer.object
    bench.let_go(label)
    try:
        is_gone = binder.remove_object(label)
    except IntSegError as err:
        bench.voice.failed.emit(str(err))
        return
    told = "is removed. Undo brings it back" if is_gone else "has not been begun"
    bench.voice.message.emit(f"Object {label} {told}.")


def _label(bench: Workbench) -> int:
    return 1 if bench.binder is None else bench.binder.drawer.object


def _session(bench: Workbench) -> Session | None:
    binder = bench.binder
    return None if binder is None else binder.drawer.session(binder.time)
