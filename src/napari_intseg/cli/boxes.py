"""Boxes as typed behind `--box`, and how they reach a session."""

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_intseg.cli.values import label, numbers_of

if TYPE_CHECKING:
    from napari_intseg.session.predictor import Result
    from napari_intseg.session.session import Session

HELP = (
    "a box round the object, first and last row and column; in a volume with its plane. "
    "PLANE,R0,C0,R1,C1@N gives it to object N (PLANE is 0 in a flat image)"
)
_BOX = re.compile(r"(?P<at>[^@]+)(@(?P<behind>\d+))?")


@dataclass(frozen=True, slots=True)
class BoxOption:
    """A box as typed: corners, its plane, and the object it is for, if named."""

    corners: tuple[float, float, float, float]
    plane: int | None = None
    label: int | None = None


def box(text: str) -> BoxOption:
    """Return what ``10,20,50,60``, ``10,20,50,60@7`` or ``7,10,20,50,60@2`` means."""
    found = _BOX.fullmatch(text.strip())
    numbers = numbers_of(found["at"]) if found else ()
    if found is None or len(numbers) not in (4, 5):
        raise argparse.ArgumentTypeError(
            f"box is not understood: expected R0,C0,R1,C1, R0,C0,R1,C1@PLANE or "
            f"PLANE,R0,C0,R1,C1@N, got {text!r}"
        )
    behind = int(found["behind"]) if found["behind"] else None
    r0, c0, r1, c1 = numbers[-4:]
    corners = (min(r0, r1), min(c0, c1), max(r0, r1), max(c0, c1))
    if len(numbers) == 5:
        return BoxOption(corners, int(numbers[0]), label(found["behind"]) if behind else behind)
    return BoxOption(corners, behind)


def draw(session: "Session", boxes: Iterable[BoxOption]) -> "list[Result]":
    """Put boxes round the current object, each on its plane of the session's axis.

    Raises
    ------
    PromptError
        If a plane is missing or does not exist, a corner lies outside, or the model takes no box.
    """
    from napari_intseg.core.prompts import Box
    from napari_intseg.core.volume import Plane

    results = []
    for one in boxes:
        plane = None if one.plane is None else Plane(session.axis, one.plane)
        results.append(session.set_box(Box(*one.corners), plane))
    return results


def counted(session: "Session") -> str:
    """Return in words what was given for the current object."""
    clicks = len(session.clicks)
    words = [f"{clicks} click{'' if clicks == 1 else 's'}"]
    number = sum(session.prompts(p).box is not None for p in session.clicked_planes())
    if number:
        words.insert(0, f"{number} box{'' if number == 1 else 'es'}")
    return ", ".join(words)


def notes_of(results: Iterable[Any]) -> list[str]:
    """Return what models told with their answers, each once."""
    return list(dict.fromkeys(str(r.info["note"]) for r in results if r.info.get("note")))
