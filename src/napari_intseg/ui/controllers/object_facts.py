"""What a person wants to know of each object: what it is called, how large it is, how it stands."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_intseg.session.masks.plane_state import Shown
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.panels.length import PER_MM

NAMES = "napari-intseg objects"
"""Key of the labels' metadata: names and classes by label."""

_MOST_VOXELS = 1 << 24
"""Of a volume in which an object with planes of several axes is counted: 16 million take 10 ms."""

_counted: "WeakKeyDictionary[Shown, int]" = WeakKeyDictionary()


def called(image_controller: ImageController, label: int, what: str = "name") -> str:
    """Return an object's "name" or "class"; empty where none was given."""
    known = image_controller.labels.metadata.get(NAMES, {}).get(label, {})
    return str(known.get(what, ""))


def call(image_controller: ImageController, label: int, what: str, text: str) -> None:
    """Give an object a "name" or a "class"; an empty text takes it away."""
    known: dict[int, dict[str, Any]] = image_controller.labels.metadata.setdefault(NAMES, {})
    known.setdefault(label, {})[what] = text.strip()


def names_of(image_controller: ImageController) -> dict[int, str]:
    """Return what objects are called in a file: the name, the class where there is none."""
    known = image_controller.labels.metadata.get(NAMES, {})
    found = {label: one.get("name") or one.get("class", "") for label, one in known.items()}
    return {label: str(name) for label, name in found.items() if name}


def size_px(image_controller: ImageController, label: int) -> int | None:
    """Return how many pixels an object has at the time point in view; None: too many to count."""
    session = image_controller.session_store.sessions.get(image_controller.time)
    if session is None or label not in session.objects:
        return 0
    canvas = session.document.canvas
    painted = canvas.painted(label)
    states = [(p, s.shown) for p, s in canvas.states(label) if s.shown is not None]
    if len({plane.axis for plane, _ in states}) < 2 and not painted:
        return sum(_count(shown) for _, shown in states)
    if int(np.prod(session.volume.shape)) > _MOST_VOXELS:
        return None
    return int(np.count_nonzero(canvas.mask(label)))


def _count(shown: Shown) -> int:
    """Return the pixels of a mask; masks never change, so each is counted once."""
    found = _counted.get(shown)
    if found is None:
        found = _counted[shown] = int(np.count_nonzero(shown.inside))
    return found


def size_words(image_controller: ImageController, label: int) -> tuple[str, str]:
    """Return an object's size in the unit of the image, and in full."""
    count = size_px(image_controller, label)
    session = image_controller.session_store.sessions.get(image_controller.time)
    if count is None:
        return "–", "Too large to be counted while you work; Measure counts it."
    unit, in_px = image_controller.image_axes.unit, f"{count:,} px"
    if unit == "px" or session is None or not count:
        return (in_px if count < 1e6 else f"{count / 1e6:.2f} Mpx"), in_px
    size = count * float(np.prod(session.volume.spacing))  # mm² or mm³
    is_volume = len(image_controller.image_axes.spatial) == 3
    if unit == "mm":
        words = f"{_short(size / 1000)} ml" if is_volume else f"{_short(size)} mm²"
    else:
        words = (
            f"{size * PER_MM[unit] ** (3 if is_volume else 2):.4g} µm{'³' if is_volume else '²'}"
        )
    return words, f"{words}, {in_px}"


def _short(value: float) -> str:
    """Return a number in three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def state_of(image_controller: ImageController, label: int) -> tuple[str, str]:
    """Return how an object stands, "open", "accepted", "locked" or "failed", and why."""
    if image_controller.session_store.is_finished(label):
        return "accepted", "No click changes it. Untick it to go on with it."
    failure = image_controller.failure_of(label)
    if failure:
        return "failed", failure
    session: Session | None = image_controller.session_store.sessions.get(image_controller.time)
    if session is not None and label in session.objects and session.is_locked(label):
        return "locked", "Nothing changes its pixels."
    return "open", "Clicks correct it."


def given_words(image_controller: ImageController, label: int) -> str:
    """Return in words what was given for an object."""
    prompts = image_controller.given_for(label)
    if not prompts and image_controller.is_begun(label):
        return "mask"
    counts = {
        "click": sum(len(p.clicks) for p in prompts),
        "box": sum(p.box is not None for p in prompts),
        "scribble": sum(len(p.scribbles) for p in prompts),
    }
    plural = {"click": "clicks", "box": "boxes", "scribble": "scribbles"}
    shown = [kind for kind, count in counts.items() if count] or ["click"]
    return ", ".join(f"{counts[k]} {k if counts[k] == 1 else plural[k]}" for k in shown)
