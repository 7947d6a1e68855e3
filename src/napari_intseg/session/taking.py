"""From what a person gave on a plane to what the model of now is asked."""

from dataclasses import replace

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Traits
from napari_intseg.core.taking import taken
from napari_intseg.core.volume import Plane
from napari_intseg.session.setup import Question, Setup
from napari_intseg.session.state import PlaneState


def question(setup: Setup, plane: Plane, state: PlaneState) -> Question:
    """Return what a model is asked on a plane: of the prompts there, those that it takes."""
    prompts = taken(state.prompts, setup.model.traits)
    return Question(
        setup, plane, prompts, state.initial, _start(state, prompts), state.drawn, state.choices
    )


def handed_over(state: PlaneState, prompts: Prompts, traits: Traits) -> PlaneState:
    """Return a state whose mask another model made as one to start from.

    If prompts on the plane were for a model that takes other kinds, the new model cannot answer
    them; it goes on from the mask they led to.

    Parameters
    ----------
    state : PlaneState
        As it is.
    prompts : Prompts
        What is given now.
    traits : Traits
        Of the model that is to answer.
    """
    old, shown = state.prompts, state.shown
    if (
        shown is None
        or prompts.is_empty
        or taken(old, traits) == old
        or "mask" not in traits.prompts
    ):
        return state
    return replace(
        state,
        initial=shown.patch,
        start=len(old.clicks),
        drawn=(old.box, old.scribbles),
        is_painted=True,
    )


def still_chosen(state: PlaneState, prompts: Prompts) -> tuple[tuple[int, int], ...]:
    """Return the choices among masks that other prompts leave valid: nothing before has changed."""
    old = state.prompts
    if not state.choices or (old.box, old.scribbles) != (prompts.box, prompts.scribbles):
        return ()
    same = 0
    for before, after in zip(old.clicks, prompts.clicks, strict=False):
        if before != after:
            break
        same += 1
    return tuple(choice for choice in state.choices if choice[0] <= same)


def _start(state: PlaneState, prompts: Prompts) -> int:
    """Return how many of the clicks that are asked had been made when the mask came."""
    if len(prompts.clicks) == len(state.prompts.clicks):
        return state.start
    return sum(click in prompts.clicks for click in state.prompts.clicks[: state.start])
