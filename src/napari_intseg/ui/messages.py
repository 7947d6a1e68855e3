"""Messages that carry their template and values, so that a window can say them in its language.

The engine knows no languages: it raises and returns sentences in English. Their forms are listed
here, so that the window recognises them and catalogues can translate them; a sentence of no such
form is shown in English. A value is what stands where a form has braces.
"""

import string
from collections.abc import Sequence
from typing import Any


class Message(str):
    """A message in English, which is also what it was made of.

    Controllers make them without knowing of any language; logs, scripts and tests read the text.

    Parameters
    ----------
    template : str
        As of `str.format`: ``"Object {label}: click on it."``. This is what catalogues translate,
        so it is a literal wherever a message is made.
    **values : object
        What is put in. Messages among them are translated as well.

    Attributes
    ----------
    template : str
        As given; empty of several messages put together.
    values : dict
        As given.
    parts : tuple of str
        What it was put together from, see `joined`.

    Examples
    --------
    >>> Message("Object {label}: click on it.", label=3)
    'Object 3: click on it.'
    """

    template: str
    values: dict[str, Any]
    parts: tuple[str, ...]

    def __new__(cls, template: str, /, **values: Any) -> "Message":
        """Put the values into the template."""
        # without values braces are plain text
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values, made.parts = template, values, ()
        return made


def joined(parts: Sequence[str], by: str = " ") -> Message:
    """Return messages one after the other as one; empty ones are left out."""
    kept = tuple(part for part in parts if part)
    # as a value: braces in the parts are no placeholders
    made = Message("{text}", text=by.join(kept))
    made.template, made.values, made.parts = "", {"by": by}, kept
    return made


def counted(count: int, one: str, many: str, /, **values: Any) -> Message:
    """Return a message about a number of things: ``one`` for 1, ``many`` for any other.

    Examples
    --------
    >>> counted(1, "{n} plane", "{n} planes"), counted(5, "{n} plane", "{n} planes")
    ('1 plane', '5 planes')
    """
    return Message(one if count == 1 else many, n=count, **values)


def to_translate(text: str) -> str:
    """Return a text as it is, marked for catalogues; where it is shown it is translated."""
    return text


def placeholders(template: str) -> frozenset[str]:
    """Return the names of what is put into a template.

    Raises
    ------
    ValueError
        If it is no template, because a brace is not closed.
    """
    found = (name for _, name, _, _ in string.Formatter().parse(template) if name is not None)
    return frozenset(found)


ENGINE_MESSAGES: tuple[str, ...] = (
    # titles of steps of undo
    "Positive click",
    "Negative click",
    "Add clicks",
    "Change prompts",
    "Change protection",
    "Change detail",
    "Choose mask",
    "Clean up",
    "Drop painted pixels",
    "Erase",
    "Paint",
    "Find more",
    "Finish object",
    "Reopen object",
    "Follow through time",
    "Lock object",
    "Unlock object",
    "Merge objects",
    "Split object",
    "Renumber object",
    "Link through time",
    "Take over pixels",
    "Take objects",
    "New object",
    "Propagate",
    "Propagate all",
    "Set initial mask",
    "Suggested click",
    "Edit outline",
    "Undo {title} of object {label}",
    "Redo {title} of object {label}",
    "Remove box",
    "Set box",
    "Add scribble",
    "Change scribble",
    "Remove click",
    "Remove clicks",
    "Move click",
    # what a model wants
    "Click the four extreme points of the object: top, bottom, left and right, in any order. "
    "Further ones refine the answer.",
    "Draw a box round the object, then click inside it; further clicks correct.",
    "Draw a box round the object; it need not be tight.",
    "Click on the object, and beside it where the answer is too large.",
    "Mark the object by {kinds}; combine them as you like.",
    "clicks, a box round it or scribbles",
    "clicks or a box round it",
    "clicks or scribbles",
    "1 more extreme point",
    "{n} more extreme points",
    "a box round the object",
    "a box round the object and a click inside the box",
    "a click inside the box",
    "a positive click",
    # notes on answers, and why a propagation ended
    "answered in 3-D: 1 plane",
    "answered in 3-D: {n} planes",
    "object {label}: {why}",
    "stopped at plane {plane}: {why}",
    "not started from plane {plane}: {why}",
    "it grew {amount} beyond what its outline can have reached",
    "it grew {amount}",
    "the answer jumped to something else",
    "the mask there covers the slice",
    "the mask there does not fit those of the other clicked planes",
    "memory ran out: computed {how}",
    "half precision gave no numbers: computed in float32",
)
