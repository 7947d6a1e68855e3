"""Propagation by a model's own memory (SAM 2), with smaller views if device memory runs out."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from napari_intseg.core.segmenter import BoolArray, FloatArray, MemorySegmenter
from napari_intseg.core.volume import Plane
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.memory_ladder import memory_note, within_memory
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options
from napari_intseg.inference.slice_appearance import SliceAppearance
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.inference.view import View
from napari_intseg.propagation.request import Walk, with_memory


def follow(
    request: Walk,
    options: Options,
    axis: int,
    known: tuple[int, BoolArray],
    indices: Sequence[int],
) -> Iterator[tuple[Patch, str]]:
    """Yield a model's answers on planes in their order, and what to tell people of each.

    Where memory runs out, the model gives something up and goes on after its last answer, which
    together with the known mask is then what it remembers.

    Parameters
    ----------
    request : Walk
        Model and data.
    options : Options
        How slices become grey.
    axis : int
        Of the planes.
    known : (int, ndarray of bool, shape (H, W))
        Index of a plane and the object's mask on it.
    indices : sequence of int
        Planes in walking order, beginning next to the known one.

    Raises
    ------
    PromptError
        If the model has no memory to follow by.
    DeviceError
        If there is no room for a plane whatever is given up.
    """
    model, shape = with_memory(request.model), request.volume.slice_shape(axis)
    threshold = request.model.traits.threshold

    def seeing(index: int, intensity: Intensity) -> SliceAppearance:
        reader = SliceReader(request.volume, Plane(axis, index), request.context)
        return SliceAppearance(reader, shape, intensity, options.denoise)

    # the window for the tissue is found once, on the known plane: a model that compares planes by
    # memory needs them shown alike
    seen = seeing(known[0], options.intensity).shown(guide=Patch.from_mask(known[1]))

    def read(index: int) -> FloatArray:
        own = seeing(index, options.intensity)
        shown = own.shown() if options.intensity.adapts == "slice" else seen
        return own.view(View.whole(shape), shown)

    masks, left = dict([known]), list(indices)
    walked: Iterator[tuple[int, FloatArray]] | None = None

    def step() -> FloatArray:
        nonlocal walked
        try:
            # begun anew after an error, since a generator that raised is at its end
            if walked is None:
                walked = _begun(model, read, masks, left)
            return next(walked)[1]
        except BaseException:
            # it has ended with the error
            walked = None
            raise

    while left:
        logits = within_memory(request.model, step)
        patch = Patch(0, 0, logits, shape)
        # the known mask and the last answer are what a walk that begins anew remembers
        masks = {**dict([known]), left.pop(0): patch.mask(threshold)}
        yield patch, memory_note(request.model)


def _begun(
    model: MemorySegmenter,
    read: Callable[[int], FloatArray],
    masks: Mapping[int, BoolArray],
    left: Sequence[int],
) -> Iterator[tuple[int, FloatArray]]:
    """Return a model's walk through the planes that are left."""
    if len(masks) == 1:
        return model.follow(read, tuple(left), masks=masks)
    last = list(masks)[-1]
    walked = model.follow(read, [last, *left], masks=masks)
    # the last answer, which goes along for the direction
    next(walked)
    return walked
