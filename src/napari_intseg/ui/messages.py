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
    "Share corrections",
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
    "Add lasso",
    "Change lasso",
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
    "clicks, a box round it, scribbles or lassos",
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
    # why a file cannot be read
    "file is missing: expected an image, got {path}. Check the path.",
    "file cannot be read: expected an image, got {path} ({reason}). Check that it is complete and "
    "of the type that its name says.",
    "file cannot be read: expected pixels, got a damaged piece in {path} ({reason}). Check that it "
    "is complete.",
    "file cannot be read: expected a video, got {what} in {path}. Check that it is complete and of "
    "the type that its name says.",
    "file type is unknown: expected a name ending in {endings}, or a folder with a DICOM series, "
    "got {path}. Convert the image first.",
    "file has more axes than a volume: expected planes, rows, columns and channels, got axes "
    "{axes} of shape {shape} in {path}. Save one volume to its own file.",
    "file has more axes than a volume: expected time, channel, plane, row and column once each, "
    "got axes {axes} of shape {shape} in {path}. Save one volume to its own file.",
    "file has too many channels: expected at most {most}, each of which is a layer, got {count} in "
    "{path}. Save some of them to a file of their own.",
    "data is empty: expected at least one pixel along each axis, got shape {shape} in {path}. Open "
    "another image.",
    "data is not numeric: expected bool, integer or float, got {dtype} in {path}. Convert it "
    "first.",
    # why labels cannot be written
    "file type is unknown: expected a name ending in {endings}, got {path}. Choose another name.",
    "file type cannot hold labels: expected a name ending in {endings}, got {path}. Choose another "
    "name.",
    "folder is missing: expected an existing folder, got {path}. Make it first.",
    "file cannot be written: expected room for it, got {path} ({reason}). Free some space, or "
    "choose another folder. What was there before is there still.",
    "file cannot be written: expected a folder that allows it, got {path} ({reason}). Change its "
    "permissions, or choose another folder. What was there before is there still.",
    "output is an input: expected another file than those that are read, got {path}, which is or "
    "belongs to {input}. Choose another name; what is read is never replaced.",
    "journal cannot be written: expected a folder that allows it, got {path} ({reason}). The "
    "labels are there; save them to another folder to have both.",
    "PNG cannot hold these labels: expected one plane with labels up to 65535, got shape {shape} "
    "up to {highest}. Write .tif or .nii.gz instead, or a file for each plane with a name like "
    "labels_%03d.png.",
    "COCO cannot hold these labels: expected one plane, got shape {shape}. Write .geojson, .tif or "
    ".nii.gz instead, or save one plane.",
    "layer has more axes than a series: expected time, planes, rows and columns, got shape "
    "{shape}. Split it first (Layers › Split stack), and save one at a time.",
)
