"""What a comparison shows: read from the sessions, and from what was compared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.compare.two_answers import CurvePoint, Overlap
from napari_intseg.ui.alternatives import told
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.compare_pair import Pair
from napari_intseg.ui.compare_work import Compared
from napari_intseg.ui.layers import Place
from napari_intseg.ui.workbench import Workbench


@dataclass(frozen=True, slots=True)
class State:
    """What there is to show now, of the current object on the plane in the window.

    Parameters
    ----------
    names : (str, str)
        Of the two models.
    overlap : Overlap or None
        Of their masks; None until both have been compared.
    seconds : (float or None, float or None)
        What each took for its last answer.
    moments : tuple of CurvePoint
        Click by click.
    truth : (float, float) or None
        IoU of each with the truth.
    planes : tuple of (int, int)
        Plane and pixels in disagreement, in volumes.
    here : int
        The plane in the window.
    is_waiting : bool
        Whether the second model has still to answer.
    offered : str
        Which of the second model's masks is in place, if it offers several.
    """

    names: tuple[str, str]
    overlap: Overlap | None = None
    seconds: tuple[float | None, float | None] = (None, None)
    moments: tuple[CurvePoint, ...] = ()
    truth: tuple[float, float] | None = None
    planes: tuple[tuple[int, int], ...] = ()
    here: int = 0
    is_waiting: bool = False
    offered: str = ""


def state_of(pair: Pair, place: Place, name: str, *, is_waiting: bool) -> State:
    """Return what there is to show of an object on a plane.

    Parameters
    ----------
    pair : Pair
        Has compared.
    place : Place
        The object and plane.
    name : str
        Of the first model.
    is_waiting : bool
        Whether the second model has something to do beyond what the pair knows.
    """
    found = pair.compared.get(place)
    planes: tuple[tuple[int, int], ...] = ()
    if len(pair.binder.frame.spatial) == 3:
        counts = {p.plane.index: c.overlap.disagreeing for p, c in of_object(pair, place)}
        planes = tuple(sorted(counts.items()))
    return State(
        (name, pair.name),
        None if found is None else found.overlap,
        _seconds(pair, place),
        () if found is None else found.moments,
        None if found is None else found.truth,
        planes,
        place.plane.index,
        is_waiting or pair.is_waiting,
        told(pair.offered(place)),
    )


def place_of(bench: Workbench) -> Place | None:
    """Return the current object and the plane in the window; None while there is none."""
    binder = bench.binder
    now = None if binder is None else binder.viewed
    if binder is None or now is None or isinstance(now, str):
        return None
    return Place(now.time, binder.drawer.object, now.plane)


def of_object(pair: Pair, place: Place) -> list[tuple[Place, Compared]]:
    """Return what was compared of an object on planes of the same axis."""
    wanted = place.time, place.object, place.plane.axis
    return [
        (p, compared)
        for p, compared in pair.compared.items()
        if (p.time, p.object, p.plane.axis) == wanted
    ]


def possible_truths(viewer: ViewerModel, binder: Binder, pair: Pair | None) -> tuple[Labels, ...]:
    """Return the Labels layers on the grid of the image that are not ours."""
    own = {binder.labels}
    if pair is not None:
        own |= {pair.labels, pair.agreement}
    return tuple(
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels)
        and layer not in own
        and tuple(layer.data.shape) == binder.frame.shape
    )


def show_plane(binder: Binder, plane: Plane) -> None:
    """Move the sliders to a plane of the axis that is not displayed."""
    dims, labels = binder.tools.viewer.dims, binder.labels
    offset = dims.ndim - len(binder.frame.grid)
    axis = binder.frame.spatial[plane.axis]
    at = np.asarray(labels.world_to_data(dims.point), float)
    at[axis] = plane.index
    world = labels.data_to_world(at)
    dims.set_point(offset + axis, float(world[axis]))


def show_worst(pair: Pair, place: Place) -> None:
    """Move the sliders to the plane on which two masks of an object differ most."""
    found = of_object(pair, place)
    if found:
        worst, _ = max(found, key=lambda entry: entry[1].overlap.disagreeing)
        show_plane(pair.binder, worst.plane)


def put_masks(bench: Workbench, place: Place, masks: Mapping[Plane, BoolArray]) -> bool:
    """Let an object start from masks, as one step of undo; return whether it was allowed."""
    binder = bench.binder
    session = None if binder is None else binder.drawer.session(place.time, place.object)
    if binder is None or session is None:
        return False
    try:
        change = session.set_initial(masks)
    except IntSegError as err:
        bench.voice.failed.emit(str(err))
        return False
    binder.draw(place.time, change)
    bench.voice.changed.emit()
    return True


def _seconds(pair: Pair, place: Place) -> tuple[float | None, float | None]:
    found = []
    for one in (pair.binder.drawer.sessions.get(place.time), pair.follower(place.time)):
        answer = None if one is None else one.answer(place.plane, place.object)
        found.append(None if answer is None else answer.seconds)
    return found[0], found[1]
