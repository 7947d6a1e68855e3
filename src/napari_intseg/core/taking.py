"""Which prompts a model takes, and what it still waits for: decided here, from its traits alone."""

from napari_intseg.core.prompts import Click, PromptKind, Prompts
from napari_intseg.core.segmenter import Traits

EXTREME_POINTS = 4
"""Topmost, bottommost, leftmost and rightmost point of an object (arXiv:1711.09081)."""


def takes_click(traits: Traits, click: Click) -> bool:
    """Whether a model takes a click; extreme points are positive clicks."""
    return "click" in traits.prompts or (click.positive and "extreme_points" in traits.prompts)


def taken(prompts: Prompts, traits: Traits) -> Prompts:
    """Return what a model takes of some prompts; the rest was given to another model."""
    return Prompts(
        prompts.clicks
        if "click" in traits.prompts
        else tuple(click for click in prompts.clicks if takes_click(traits, click)),
        prompts.box if "box" in traits.prompts else None,
        prompts.scribbles if "scribble" in traits.prompts else (),
    )


def refused(prompts: Prompts, traits: Traits, held: Prompts | None = None) -> str:
    """Return which kind of new prompt a model does not take, empty if it takes them all.

    Parameters
    ----------
    prompts : Prompts
        What is given now.
    traits : Traits
        Of the model.
    held : Prompts, optional
        What had been given before, perhaps to another model; that is not new.
    """
    held = held or Prompts()
    if "click" not in traits.prompts:
        known = frozenset(held.clicks)
        for click in prompts.clicks:
            if click not in known and not takes_click(traits, click):
                return "negative click" if "extreme_points" in traits.prompts else "click"
    if prompts.box not in (None, held.box) and "box" not in traits.prompts:
        return "box"
    if set(prompts.scribbles) - set(held.scribbles) and "scribble" not in traits.prompts:
        return "scribble"
    return ""


def missing(prompts: Prompts, traits: Traits) -> str:
    """Return in words what a model cannot answer without, empty when it can be asked."""
    words = []
    if "extreme_points" in traits.needs:
        left = EXTREME_POINTS - sum(click.positive for click in prompts.clicks)
        if left > 0:
            words.append(f"{left} more extreme point{'' if left == 1 else 's'}")
    if "box" in traits.needs and prompts.box is None:
        words.append("a box round the object")
    if "click" in traits.needs and not any(click.positive for click in prompts.clicks):
        words.append("a click inside the box" if "box" in traits.needs else "a positive click")
    return " and ".join(words)


def explained(traits: Traits) -> str:
    """Return one sentence for people on what a model wants."""
    kinds, needs = traits.prompts, traits.needs
    if "extreme_points" in needs:
        return (
            "Click the four extreme points of the object: top, bottom, left and right, in any "
            "order. Further ones refine the answer."
        )
    if needs == {"box", "click"}:
        return "Draw a box round the object, then click inside it; further clicks correct."
    if needs == {"box"}:
        return "Draw a box round the object; it need not be tight."
    names: dict[PromptKind, str] = {
        "click": "clicks",
        "box": "a box round it",
        "scribble": "scribbles",
    }
    given = [name for kind, name in names.items() if kind in kinds]
    if given == ["clicks"]:
        return "Click on the object, and beside it where the answer is too large."
    listed = given[0] if len(given) == 1 else f"{', '.join(given[:-1])} or {given[-1]}"
    return f"Mark the object by {listed}; combine them as you like."
