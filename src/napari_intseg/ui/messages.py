"""Messages that carry their template and values, so that a window can say them in its language."""

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
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values, made.parts = template, values, ()
        return made


def joined(parts: Sequence[str], by: str = " ") -> Message:
    """Return messages one after the other as one; empty ones are left out."""
    kept = tuple(part for part in parts if part)
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
