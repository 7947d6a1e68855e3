"""Boxes as typed behind `--box`, and how they reach a session."""

import argparse
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_intseg.session.predictor import Result
    from napari_intseg.session.session import Session

_CLICK = re.compile(r"(?P<at>[^:@]+)(:(?P<sign>[+-]))?(@(?P<object>\d+))?")


@dataclass(frozen=True, slots=True)
class ClickOption:
    """A click as typed: where, its sign, and the object it is for, if named."""

    position: tuple[float, ...]
    positive: bool = True
    label: int | None = None


def click(text: str) -> ClickOption:
    """Return what ``40,120,200``, ``40,90,180:-`` or ``40,90,180:-@2`` means."""
    found = _CLICK.fullmatch(text.strip())
    numbers = numbers_of(found["at"]) if found else ()
    if found is None or len(numbers) not in (2, 3):
        raise argparse.ArgumentTypeError(
            f"click is not understood: expected PLANE,ROW,COL (ROW,COL in 2-D), then :- for a "
            f"negative one and @N for object N, got {text!r}"
        )
    number = label(found["object"]) if found["object"] else None
    return ClickOption(numbers, found["sign"] != "-", number)


def planes(text: str) -> tuple[int | None, int | None]:
    """Return the first plane and the one behind the last of ``20:60``, ``20:`` or ``:60``."""
    found = re.fullmatch(r"(\d*):(\d*)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"planes are not understood: expected FIRST:END, END not included, got {text!r}"
        )
    first, end = (int(part) if part else None for part in found.groups())
    return first, end


def channels(text: str) -> tuple[int, ...]:
    """Return the channels of ``0`` or ``0,2``."""
    if not re.fullmatch(r"\d+(,\d+)*", text.strip()):
        raise argparse.ArgumentTypeError(
            f"channels are not understood: expected numbers like 0 or 0,2, got {text!r}"
        )
    return tuple(int(part) for part in text.split(","))


def colours(text: str) -> tuple[str, ...]:
    """Return the names of ``magenta,green``."""
    from napari_intseg.inference.intensity import NAMED_COLOURS

    names = tuple(part.strip().lower() for part in text.split(","))
    if not set(names) <= set(NAMED_COLOURS):
        raise argparse.ArgumentTypeError(
            f"colours are not understood: expected some of {', '.join(NAMED_COLOURS)} with commas "
            f"between them, got {text!r}"
        )
    return names


def window(text: str) -> Any:
    """Return a name as it is, ``-160,240`` as limits, ``40/400`` as level and width."""
    from napari_intseg.inference.intensity import Window

    for sign in ",/":
        if sign in text:
            numbers = numbers_of(text.replace(sign, ","))
            if len(numbers) != 2:
                raise argparse.ArgumentTypeError(
                    f"window is not understood: expected LOW,HIGH or LEVEL/WIDTH or a name, "
                    f"got {text!r}"
                )
            return numbers if sign == "," else Window(*numbers)
    return text


LARGEST_LABEL = (1 << 31) - 1
"""Labels have 32 bits, signed: those that napari draws as they are."""


def label(text: str) -> int:
    """Return the number of an object, from 0 to `LARGEST_LABEL`."""
    if not text.strip().isdecimal() or int(text) > LARGEST_LABEL:
        raise argparse.ArgumentTypeError(
            f"label cannot be used: expected 1 to {LARGEST_LABEL}, got {text!r}"
        )
    return int(text)


def ordinal(text: str) -> int:
    """Return a place in an order, from 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"place is not understood: expected 1, 2, …, got {text!r}")
    return int(text)


def numbers_of(text: str) -> tuple[float, ...]:
    """Return finite numbers with commas between them, none if one cannot be read."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(math.isfinite(n) for n in numbers) else ()


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
