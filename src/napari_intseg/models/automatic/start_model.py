"""What every model that segments without clicks can do, and what it finds.

Findings are masks with a class and a score; `Numbering` makes labels of them, the same object under
the same number on all planes, and `number_tiles` where planes are looked at in tiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import BoolArray, FloatArray, Segmenter
from napari_intseg.errors import PromptError


@dataclass(frozen=True, slots=True, eq=False)
class RawFinding:
    """A raw finding: the number of its class or text (of a box, of its token), score and where."""

    kind: int
    score: float
    mask: BoolArray | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One object, or all pixels of one class.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        On the image's grid.
    name : str
        Its class, or the text it answers.
    score : float
        Between 0 and 1, the model's own.
    box : Box or None
        Where the model gave one.
    """

    mask: BoolArray
    name: str
    score: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class StartTraits:
    """What is told of a model before it runs.

    Parameters
    ----------
    title : str
        What people read.
    licence, note : str
        Of its weights, as far as it is known, and a restriction worth telling.
    objects_apart : bool
        Whether two objects of one class are two findings; else one finding is a class.
    takes_text : bool
        Whether it must be told in words what to look for.
    gives_boxes : bool
        Whether a model that takes boxes must turn what it finds into masks.
    marks : tuple of str
        Classes of which it can be told single pixels, see `marked`; none for most models.
    takes_examples : bool
        Whether boxes round examples may say what to look for, see `by_examples`.
    joins_frames : bool
        Whether it sees the frames of a time series together, see `ClipModel`.
    """

    title: str
    licence: str = ""
    note: str = ""
    objects_apart: bool = True
    takes_text: bool = False
    gives_boxes: bool = False
    marks: tuple[str, ...] = ()
    takes_examples: bool = False
    joins_frames: bool = False


@dataclass(frozen=True, slots=True)
class ClassMark:
    """A pixel whose class a person has said.

    Parameters
    ----------
    row, col : float
        In pixels of the image.
    name : str
        Of the class, as the model calls it.
    """

    row: float
    col: float
    name: str


class StartModel(Protocol):
    """A model that finds objects on a slice."""

    @property
    def traits(self) -> StartTraits:
        """What is told of it."""
        ...

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,
    ) -> tuple[Finding, ...]:
        """Return what is in an image (H, W, 3) in [0, 1], the surest first."""
        ...

    def release(self) -> None:
        """Return the device's memory."""
        ...


class MarkedModel(StartModel, Protocol):
    """A model that can be told the class of single pixels."""

    def marked(self, marks: Sequence[ClassMark]) -> StartModel:
        """Return it as it answers once these are known; the weights are shared."""
        ...


def marked(model: StartModel, marks: Sequence[ClassMark]) -> StartModel:
    """Return a model that knows the class of some pixels of the image it is asked about.

    Raises
    ------
    PromptError
        If it cannot be told, or has no class of a name.
    """
    known = model.traits.marks
    if not known:
        raise PromptError(
            f"{model.traits.title} takes no annotations: expected a network that does, as "
            "`train --task semantic --network disir-classes` makes one. Leave them out."
        )
    unknown = [one.name for one in marks if one.name not in known]
    if unknown:
        raise PromptError(
            f"class is unknown: expected one of {', '.join(known)}, got {unknown[0]!r}. Name one "
            "that the network was trained on."
        )
    return cast(MarkedModel, model).marked(marks)


class ExampleModel(StartModel, Protocol):
    """A model that boxes round examples can tell what to look for."""

    def by_examples(self, boxes: Sequence[Box]) -> StartModel:
        """Return it as it answers about an image with these boxes on it."""
        ...


def by_examples(model: StartModel, boxes: Sequence[Box]) -> StartModel:
    """Return a model that looks for what boxes on the image it is asked about show.

    Raises
    ------
    PromptError
        If it takes no examples.
    """
    if not model.traits.takes_examples:
        raise PromptError(
            f"{model.traits.title} takes no examples: expected a model that does, for instance "
            "SAM 3. Leave them out."
        )
    return cast(ExampleModel, model).by_examples(boxes)


class ClipModel(StartModel, Protocol):
    """A model that finds objects through the frames of a time series."""

    def find_through(
        self,
        images: Sequence[FloatArray],
        *,
        threshold: float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> tuple[NDArray[np.int32], dict[int, str]]:
        """Return labels of all frames, int32 (T, H, W), and what each number is called.

        Parameters
        ----------
        images : sequence of ndarray of float32, shape (H, W, 3)
            RGB in [0, 1]; read one by one.
        threshold : float, optional
            Least score.
        on_progress : callable, optional
            Told how many of how many frames are done; what it raises ends the search.
        """
        ...


def check_no_texts(title: str, texts: Sequence[str]) -> None:
    """Refuse words for a model that does not read them.

    Raises
    ------
    PromptError
        If there are texts.
    """
    if texts:
        raise PromptError(
            f"{title} cannot be asked like that: expected no text, got {list(texts)!r}. "
            "Leave the text out."
        )


Labels = NDArray[np.int32]

# objects on neighbouring planes whose overlap (IoU) is at least this are one
_ALIKE = 0.3


@dataclass(slots=True)
class Numbering:
    """Gives numbers to findings, plane after plane.

    Parameters
    ----------
    by_name : bool
        True: all that has one name is one object. False: an object goes on where one of the same
        name on the plane before overlaps it, and is a new one otherwise.
    names : dict of int to str
        Filled as labels are given.
    """

    by_name: bool
    names: dict[int, str] = field(default_factory=dict)
    _before: Labels | None = None

    def labels(self, findings: Sequence[Finding], shape: tuple[int, int]) -> Labels:
        """Return the labels of a plane, int32 (H, W); where findings overlap, the surer one's.

        Parameters
        ----------
        findings : sequence of Finding
            The surest first.
        shape : (int, int)
            Of the plane.
        """
        out = np.zeros(shape, np.int32)
        taken: set[int] = set()
        for finding in findings:
            # the surest comes first, so what it holds is taken
            free = finding.mask & (out == 0)
            if not free.any():
                continue
            label = self._label(finding.name, free, taken)
            taken.add(label)
            out[free] = label
        self._before = out
        return out

    def _label(self, name: str, mask: BoolArray, taken: set[int]) -> int:
        known = [label for label, other in self.names.items() if other == name]
        if self.by_name:
            label = known[0] if known else 0
        else:
            # two objects of one plane are two, however much both resemble one before
            label = self._same(mask, [one for one in known if one not in taken])
        if not label:
            label = len(self.names) + 1
            self.names[label] = name
        return label

    def _same(self, mask: BoolArray, candidates: Sequence[int]) -> int:
        """Return which object of the plane before goes on, 0 if none does."""
        best, best_overlap = 0, _ALIKE
        if self._before is None:
            return best
        for label in candidates:
            other = self._before == label
            overlap = np.count_nonzero(mask & other) / np.count_nonzero(mask | other)
            if overlap >= best_overlap:
                best, best_overlap = label, overlap
        return best


Ints = NDArray[np.int64]

# what two tiles found on the strip that both have seen is one object from this overlap (IoU) on:
# no object of one tile can then be two of the other
_SAME = 0.5


def shared_pixels(one: Labels, other: Labels) -> Ints:
    """Return how many pixels each pair of labels shares, (n, 3): a label of each, and pixels.

    Parameters
    ----------
    one, other : ndarray of int32, shape (H, W)
        Of the same pixels; 0 is no object.
    """
    both = (one > 0) & (other > 0)
    pairs, counts = np.unique(
        np.stack([one[both], other[both]], 1).astype(np.int64), axis=0, return_counts=True
    )
    return np.column_stack([pairs.reshape(-1, 2), counts]).astype(np.int64)


def same_objects(one: Labels, other: Labels) -> Ints:
    """Return which labels of two tiles are one object, by a strip that both have seen, (n, 2)."""
    shared = shared_pixels(one, other)
    mine, theirs = np.bincount(one.ravel()), np.bincount(other.ravel())
    union = mine[shared[:, 0]] + theirs[shared[:, 1]] - shared[:, 2]
    return shared[shared[:, 2] >= _SAME * union][:, :2]


def number_tiles(
    names: Sequence[str], sizes: Ints, same: Ints, shared: Ints, *, by_name: bool
) -> Ints:
    """Return the numbers, from 1 on, of what was found on tiles; objects count once.

    The outcome does not depend on which tile was done first.

    Parameters
    ----------
    names : sequence of str
        Of each finding, tile after tile.
    sizes : ndarray of int, shape (n,)
        Of each in pixels.
    same : ndarray of int, shape (m, 2)
        Findings of one plane that are one object, see `same_objects`.
    shared : ndarray of int, shape (k, 3)
        A finding, one on the plane behind, and how many pixels they share.
    by_name : bool
        Whether all that has one name is one object; else an object goes on to the plane behind
        where it overlaps one of the same name, as in `Numbering`, the largest overlap first.
    """
    if by_name:
        first = {name: n for n, name in enumerate(dict.fromkeys(names), 1)}
        return np.array([first[name] for name in names], np.int64)
    kinds = np.unique(np.asarray(names, object).astype(str), return_inverse=True)[1]
    parts = _components(same[kinds[same[:, 0]] == kinds[same[:, 1]]], len(names))
    whole = np.bincount(parts, sizes, len(names))
    shared = shared[kinds[shared[:, 0]] == kinds[shared[:, 1]]]
    pairs, at = np.unique(parts[shared[:, :2]].reshape(-1, 2), axis=0, return_inverse=True)
    common = np.bincount(at.ravel(), shared[:, 2], len(pairs))
    overlap = common / np.maximum(1, whole[pairs[:, 0]] + whole[pairs[:, 1]] - common)
    taken: tuple[set[int], set[int]] = set(), set()
    links = []
    for pair in pairs[np.argsort(-overlap, kind="stable")[: np.count_nonzero(overlap >= _ALIKE)]]:
        before, behind = map(int, pair)
        # two objects of one plane are two, however much both resemble one before
        if before not in taken[0] and behind not in taken[1]:
            taken[0].add(before)
            taken[1].add(behind)
            links.append((before, behind))
    objects = _components(np.array(links, np.int64).reshape(-1, 2), len(names))[parts]
    # in the order in which they come first
    _, first_at, number = np.unique(objects, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first_at))[number.ravel()] + 1, np.int64)


def _components(pairs: Ints, count: int) -> Ints:
    """Return for each of so many things the number of the group that pairs make them part of."""
    edges = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)
