"""Automatic models, run once on a slice; what they find is a start that clicks correct."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from napari_intseg.core.prompts import Box, Prompts
from napari_intseg.core.segmenter import BoolArray, FloatArray, Query, Segmenter, sigmoid
from napari_intseg.errors import PromptError, WeightsError
from napari_intseg.models.automatic.hub_models import (
    SQUARE,
    Family,
    Gives,
    family_of_type,
    find_family,
    read_config,
    read_net,
    read_preparation,
    read_tokenizer,
)
from napari_intseg.models.automatic.outputs import Frame, Preparation
from napari_intseg.models.automatic.start_model import (
    Finding,
    Labels,
    RawFinding,
    StartTraits,
    same_objects,
)
from napari_intseg.models.device import choose_device, give_back, memory_guard

# this share of an object's mask must be its own; else a surer object covers it
_LEAST_SHARE = 0.5


class ImageSizes(Protocol):
    """The sizes of an image; see `automatic`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Of the image."""
        ...

    def back(self, maps: Tensor) -> Tensor:
        """Return maps of the network's input on the image's grid."""
        ...


def instances(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read queries that each have a class and a mask [1]_: pixels go to the likeliest query.

    Objects with a score below the threshold, or mostly covered by others, are left out.

    References
    ----------
    .. [1] Cheng, B. et al. "Per-pixel classification is not all you need for semantic
       segmentation", arXiv:2107.06278.
    """
    logits, masks = _queries(out)
    # the last class stands for "no object"
    kinds = logits.float().softmax(dim=-1)[:, :-1]
    scores, classes = kinds.max(dim=-1)
    kept = (scores >= threshold).nonzero()[:, 0]
    if not len(kept):
        return []
    maps = frame.back(masks[kept]).sigmoid()
    # masks overlap: a pixel goes to the query that is surest of both class and pixel
    owner = (scores[kept][:, None, None] * maps).argmax(dim=0)
    found = []
    for i, query in enumerate(kept.tolist()):
        whole = maps[i] > 0.5
        mask = whole & (owner == i)
        if mask.sum() >= _LEAST_SHARE * whole.sum():
            found.append(RawFinding(int(classes[query]), float(scores[query]), _numpy(mask)))
    return found


def _queries(out: Any) -> tuple[Tensor, Tensor]:
    """Return classes and masks of the queries, as the families call them; DETR has other names."""
    if hasattr(out, "class_queries_logits"):
        return out.class_queries_logits[0], out.masks_queries_logits[0]
    return out.logits[0], out.pred_masks[0]


class _ClipPositions(nn.Module):
    """Where a feature is in a clip whose frames lie below each other.

    Its place in the frame as the network for images has it, and the frame's in the clip added, as
    in Mask2Former for video [1]_.

    References
    ----------
    .. [1] Cheng, B. et al. "Mask2Former for video instance segmentation", arXiv:2112.10764.
    """

    def __init__(self, of_image: Any, frames: int) -> None:
        super().__init__()
        self.of_image, self.frames = of_image, frames

    def forward(self, shape: Any, device: Any, dtype: Any, _: Any = None) -> Tensor:
        """Return (1, C, T * H, W) of a shape like it."""
        rows = shape[2] // self.frames
        place = self.of_image((1, shape[1], rows, shape[3]), device, dtype, None)
        # the numbers of the published code: times from 1 to 2 π, wave lengths up to 10,000
        times = torch.arange(1, self.frames + 1, dtype=dtype, device=device)
        times = times / (self.frames + 1e-6) * (2 * torch.pi)
        waves = torch.arange(place.shape[1] // 2, dtype=dtype, device=device)
        angles = times[:, None] / 10000 ** (2 * waves / place.shape[1])
        when = torch.stack((angles.sin(), angles.cos()), 2).flatten(1).T
        joined: Tensor = place[:, :, None] + when[None, :, :, None, None]
        return joined.flatten(2, 3)


def clip_queries(net: Any, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Ask a Mask2Former for video about a clip.

    Parameters
    ----------
    net : transformers.Mask2FormerForUniversalSegmentation
    frames : Tensor, shape (T, 3, H, W)
        Sides are multiples of 32.

    Returns
    -------
    Tensor, shape (Q, K + 1)
        Logits of the classes, the last of which is none.
    Tensor, shape (Q, T, H / 4, W / 4)
        Of the masks.
    """
    seen = net.model.pixel_level_module(pixel_values=frames)
    decoder = copy(net.model.transformer_module)
    positions = _ClipPositions(decoder.position_embedder, len(frames))
    decoder._modules = {**decoder._modules, "position_embedder": positions}

    # frames below each other: queries look at all of them, and as sides are multiples of 32 no
    # frame bleeds into the next where masks are made smaller
    def joined(maps: Tensor) -> Tensor:
        return maps.transpose(0, 1).flatten(1, 2)[None]

    out = decoder(
        multi_scale_features=[joined(maps) for maps in seen.decoder_hidden_states],
        mask_features=joined(seen.decoder_last_hidden_state), output_hidden_states=True,
    )  # fmt: skip
    logits = net.class_predictor(out.intermediate_hidden_states[-1].transpose(0, 1))[0]
    return logits, out.masks_queries_logits[-1][0].unflatten(1, (len(frames), -1))


def detections(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read queries whose classes do not exclude each other, each with a mask of its own.

    As RF-DETR's: that a query is no object is said by low scores, and by no class.
    """
    logits, masks = _queries(out)
    # each class by itself, since classes do not exclude each other here
    scores, classes = logits.float().sigmoid().max(dim=-1)
    kept = (scores >= threshold).nonzero()[:, 0]
    if not len(kept):
        return []
    inside = frame.back(masks[kept]) > 0
    return [
        RawFinding(int(classes[query]), float(scores[query]), _numpy(inside[i]))
        for i, query in enumerate(kept.tolist())
    ]


def classes(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read one map a class: each pixel goes to the likeliest; a class's score is its mean there."""
    prob = frame.back(out.logits[0]).softmax(dim=0)
    best, owner = prob.max(dim=0)
    found = []
    for kind in np.unique(owner.cpu().numpy()).tolist():
        mask = owner == kind
        score = float(best[mask].mean())
        if score >= threshold:
            found.append(RawFinding(int(kind), score, _numpy(mask)))
    return found


def texts(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read one map a text: a pixel goes to the likeliest text if that is likely enough."""
    logits = out.logits if out.logits.ndim == 3 else out.logits[None]
    prob = frame.back(logits).sigmoid()
    best, owner = prob.max(dim=0)
    found = []
    for kind in range(len(prob)):
        mask = (owner == kind) & (best > threshold)
        if mask.any():
            found.append(RawFinding(kind, float(best[mask].mean()), _numpy(mask)))
    return found


def objects(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read queries of one text, each with a mask of its own, as SAM 3 has them [1]_.

    How likely the text's thing is anywhere in the image counts in each query's score.

    References
    ----------
    .. [1] Carion, N. et al. "SAM 3: segment anything with concepts", arXiv:2511.16719.
    """
    scores = out.pred_logits[0].float().sigmoid() * out.presence_logits[0].float().sigmoid()
    kept = (scores > threshold).nonzero()[:, 0]
    if not len(kept):
        return []
    inside = frame.back(out.pred_masks[0][kept].float().sigmoid()) > 0.5
    return [
        RawFinding(0, float(scores[query]), _numpy(inside[i]))
        for i, query in enumerate(kept.tolist())
    ]


def boxes(out: Any, frame: ImageSizes, threshold: float) -> list[RawFinding]:
    """Read boxes (centre, width and height, as shares of the image) with the token they mean."""
    scores, tokens = out.logits[0].float().sigmoid().max(dim=-1)
    height, width = frame.shape
    found = []
    for i in (scores > threshold).nonzero()[:, 0].tolist():
        x, y, w, h = (float(v) for v in out.pred_boxes[0, i])
        # shares count from the image's edge, half a pixel before the first centre
        rows = np.clip(np.array([y - h / 2, y + h / 2]) * height - 0.5, 0, height - 1)
        cols = np.clip(np.array([x - w / 2, x + w / 2]) * width - 0.5, 0, width - 1)
        box = Box(float(rows[0]), float(cols[0]), float(rows[1]), float(cols[1]))
        found.append(RawFinding(int(tokens[i]), float(scores[i]), None, box))
    return found


def _numpy(mask: Tensor) -> BoolArray:
    return np.asarray(mask.cpu().numpy(), bool)


def _shares(examples: Sequence[Box], shape: tuple[int, int]) -> Tensor:
    """Return boxes as SAM 3 takes them: middle and size, x before y, as shares of the image."""
    rows, cols = shape
    # positions count from the middle of the first pixel, shares from its edge
    ends = torch.tensor(
        [
            [(b.col0 + 0.5) / cols, (b.row0 + 0.5) / rows,
             (b.col1 + 0.5) / cols, (b.row1 + 0.5) / rows]
            for b in examples
        ]
    )  # fmt: skip
    low, high = ends[:, :2], ends[:, 2:]
    return torch.cat(((low + high) / 2, high - low), 1)


VISUAL = "visual"
"""What SAM 3 is told in words where boxes alone say what to look for, as its own code has it."""


# frames that are seen together: videos of YouTube-VIS, which it is published for, have up to 36;
# memory grows with their number
_CLIP = 16
_CLIP_SIDES = 32

READERS: Mapping[Gives, Callable[[Any, Any, float], list[RawFinding]]] = {
    "instances": instances,
    "detections": detections,
    "classes": classes,
    "texts": texts,
    "objects": objects,
    "boxes": boxes,
}
"""How each kind of output is read, by what a family gives."""


class Automatic:
    """A network and how to ask it; made by `load_automatic`."""

    def __init__(self, family: Family, net: Any, folder: Path, device: str) -> None:
        self.family = family
        self._device = choose_device(device)
        self._net = net.to(self._device)
        self._prepare = _preparation(family, net.config, folder)
        self._tokenizer = read_tokenizer(folder) if family.takes_text else None
        self._task = _task_of(net.config, folder) if family.model_type == "oneformer" else None
        self._examples: tuple[Box, ...] = ()

    def by_examples(self, boxes: Sequence[Box]) -> "Automatic":
        """Return it as it answers about an image with these boxes on it; the weights are shared."""
        other = copy(self)
        other._examples = tuple(boxes)
        return other

    @property
    def traits(self) -> StartTraits:
        """What is told of it before it runs."""
        family = self.family
        return StartTraits(
            family.title, family.licence, family.note, family.gives not in ("classes", "texts"),
            family.takes_text, family.gives == "boxes", takes_examples=family.gives == "objects",
            joins_frames=family.gives == "clips",
        )  # fmt: skip

    def find_through(
        self,
        images: Sequence[FloatArray],
        *,
        threshold: float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Labels, dict[int, str]]:
        """Return labels of all frames; see `ClipModel`.

        Longer series are seen in clips that share a frame, on which objects of one class that
        overlap go on.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        out: Labels | None = None
        names: dict[int, str] = {}
        for start in range(0, max(1, len(images) - 1), _CLIP - 1):
            pictures = [images[i] for i in range(start, min(start + _CLIP, len(images)))]
            labels, known = self._clip(pictures, threshold)
            if out is None:
                out = np.zeros((len(images), *labels.shape[1:]), np.int32)
            numbers = np.zeros(len(known) + 1, np.int32)
            for before, number in same_objects(out[start], labels[0]) if start else ():
                if names[int(before)] == known[int(number)]:
                    numbers[number] = before
            for number, name in known.items():
                if not numbers[number]:
                    numbers[number] = len(names) + 1
                    names[int(numbers[number])] = name
            # the frame that is shared stays as it was
            out[start + bool(start) : start + len(labels)] = numbers[labels][bool(start) :]
            if on_progress is not None:
                on_progress(start + len(labels), len(images))
        assert out is not None
        return out, names

    def _clip(
        self, pictures: Sequence[FloatArray], threshold: float | None
    ) -> tuple[Labels, dict[int, str]]:
        """Return labels of the frames of a clip, numbered from 1 on, and their names."""
        tensors, sizes = zip(*(self._prepare(picture) for picture in pictures), strict=True)
        limit = self.family.threshold if threshold is None else threshold
        with memory_guard(self._device), torch.inference_mode():
            frames = torch.cat(tensors).to(self._device)
            frame = Frame(pictures[0].shape[:2], sizes[0], tuple(frames.shape[2:]))
            logits, masks = clip_queries(self._net, frames)
            scores, kinds = logits.float().softmax(dim=-1)[:, :-1].max(dim=-1)
            kept = (scores >= limit).nonzero()[:, 0]
            labels = np.zeros((len(pictures), *frame.shape), np.int32)
            sizes_px = np.zeros(len(kept) + 1, np.int64)
            for time in range(len(pictures) if len(kept) else 0):
                maps = frame.back(masks[kept, time]).sigmoid()
                # as of an image: a pixel goes to the query that is surest of class and pixel
                owner = (scores[kept][:, None, None] * maps).argmax(dim=0)
                whole = maps > 0.5
                is_in = whole.gather(0, owner[None])[0]
                labels[time] = torch.where(is_in, owner + 1, 0).cpu().numpy()
                sizes_px[1:] += whole.sum((1, 2)).cpu().numpy()
        own = np.bincount(labels.ravel(), minlength=len(sizes_px))
        called = _names(self._net.config, (), self.family)
        names = [called.get(int(kind), str(int(kind))) for kind in kinds[kept]]
        is_kept = (own > 0) & (own >= _LEAST_SHARE * sizes_px)
        is_kept &= np.array([False, *(name.lower() != "background" for name in names)])
        numbers = np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)
        stay = np.flatnonzero(is_kept)
        return numbers[labels], {int(numbers[i]): names[i - 1] for i in stay}

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,
    ) -> tuple[Finding, ...]:
        """Return what is in an image, the surest first.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        texts : sequence of str
            What to look for, for families that take text; with examples there may be none.
        threshold : float, optional
            Another than `Family.threshold`.
        masks_by : Segmenter, optional
            Turns boxes into masks; takes boxes. Needed by families that give boxes.

        Raises
        ------
        PromptError
            If a text is missing or not taken, or nothing turns boxes into masks.
        DeviceError
            If the device runs out of memory.
        """
        if self._examples and not texts:
            texts = (VISUAL,)
        self._check(texts, masks_by)
        if self.family.gives == "clips":
            labels, called = self._clip([image], threshold)
            return tuple(Finding(labels[0] == n, name, 1.0) for n, name in called.items())
        tensor, size = self._prepare(image)
        given: dict[str, Any] = {"pixel_values": tensor}
        if self._tokenizer is not None:
            given |= _worded(self._tokenizer, texts, self.family)
            if self.family.gives == "texts":
                # the network answers one text for each image it is given
                given["pixel_values"] = tensor.repeat(len(texts), 1, 1, 1)
        if self._task is not None:
            given["task_inputs"] = self._task
        if self.family.gives == "boxes":
            # the detector must not look for objects in the padding
            inside = torch.zeros(1, *tensor.shape[2:], dtype=torch.long)
            inside[:, : size[0], : size[1]] = 1
            given["pixel_mask"] = inside
        with memory_guard(self._device), torch.inference_mode():
            limit = self.family.threshold if threshold is None else threshold
            frame = Frame((image.shape[0], image.shape[1]), size, tuple(tensor.shape[2:]))
            there = {name: value.to(self._device) for name, value in given.items()}
            read = READERS[self.family.gives]
            if self.family.gives == "objects":
                found = self._each_text(there, frame, limit)
            else:
                found = read(self._net(**there), frame, limit)
        names = _names(self._net.config, texts, self.family)
        if self.family.gives == "boxes":
            phrases = _phrases(given["input_ids"][0].tolist(), self._delimiters(), len(texts))
            found = self._masked(found, phrases, image, masks_by)
        ordered = sorted(found, key=lambda one: -one.score)
        return tuple(
            Finding(one.mask, names.get(one.kind, str(one.kind)), one.score, one.box)
            for one in ordered
            if one.mask is not None and one.mask.any()
            and names.get(one.kind, "").lower() != "background"
        )  # fmt: skip

    def _each_text(
        self, given: Mapping[str, Tensor], frame: Frame, limit: float
    ) -> list[RawFinding]:
        """Return what each text alone means; the image is encoded once."""
        seen = self._net.get_vision_features(pixel_values=given["pixel_values"])
        found = []
        for kind in range(len(given["input_ids"])):
            asked = {name: given[name][kind : kind + 1] for name in ("input_ids", "attention_mask")}
            if self._examples:
                boxes = _shares(self._examples, frame.shape)[None].to(self._device)
                labels = torch.ones(boxes.shape[:2], dtype=torch.long, device=self._device)
                asked |= {"input_boxes": boxes, "input_boxes_labels": labels}
            out = self._net(vision_embeds=seen, **asked)
            found += [replace(one, kind=kind) for one in objects(out, frame, limit)]
        return found

    def release(self) -> None:
        """Return the device's memory."""
        self._net.to("cpu")
        give_back(self._device)

    def _check(self, texts: Sequence[str], masks_by: Segmenter | None) -> None:
        family = self.family
        if bool(texts) != family.takes_text or not all(text.strip() for text in texts):
            rule = "at least one text" if family.takes_text else "no text"
            raise PromptError(
                f"{family.title} cannot be asked like that: expected {rule}, got {list(texts)!r}. "
                + ("Say what to look for." if family.takes_text else "Leave the text out.")
            )
        if family.gives == "boxes" and (masks_by is None or "box" not in masks_by.traits.prompts):
            told = None if masks_by is None else masks_by.traits.name
            raise PromptError(
                f"{family.title} finds boxes only: expected a model that turns a box into a mask, "
                f"got {told!r}. Name one that takes boxes, for instance 'sam-vit-b'."
            )

    def _masked(
        self,
        found: Sequence[RawFinding],
        phrases: Sequence[int],
        image: FloatArray,
        masks_by: Segmenter | None,
    ) -> list[RawFinding]:
        """Return boxes with their masks, and for each which text it answers."""
        assert masks_by is not None
        if not found:
            return []
        # once, since all boxes are on one image
        prepared = masks_by.prepare(image)
        out = []
        for one in found:
            answer = masks_by.predict(Query(prepared, Prompts(box=one.box)))
            mask = sigmoid(answer.logits) > masks_by.traits.threshold
            out.append(RawFinding(phrases[one.kind], one.score, mask, one.box))
        return out

    def _delimiters(self) -> set[int]:
        assert self._tokenizer is not None
        ids = self._tokenizer.convert_tokens_to_ids([".", "[SEP]"])
        return {int(i) for i in ids if i is not None}


def load_automatic(family: str, folder: str | Path, *, device: str = "auto") -> Automatic:
    """Load an automatic model from a folder; nothing is fetched.

    Parameters
    ----------
    family : str
        One of `automatic_families.FAMILIES`.
    folder : path
        As the Hugging Face hub has them: configuration, preparation, safetensors and, for
        families that take text, the tokenizer.
    device : str, default "auto"
        See `choose_device`.

    Raises
    ------
    UnknownModelError
        If there is no such family.
    MissingExtraError
        If `transformers` is not installed.
    WeightsError
        If the folder is incomplete, damaged or of another family.
    DeviceError
        If the device does not exist.
    """
    chosen, path = find_family(family), Path(folder).expanduser()
    return Automatic(chosen, read_net(chosen, path), path, device)


def load_folder(folder: str | Path, *, device: str = "auto") -> Automatic:
    """Load an automatic model of whatever family its own folder says; nothing is fetched.

    Raises
    ------
    UnknownModelError
        If nothing here reads the output of such a network.
    MissingExtraError, WeightsError, DeviceError
        As for `load_automatic`.
    """
    path = Path(folder).expanduser()
    told = read_config(path)
    architectures = [str(name) for name in told.get("architectures") or ()]
    family = family_of_type(str(told.get("model_type")), architectures)
    return Automatic(family, read_net(family, path), path, device)


def _preparation(family: Family, config: Any, folder: Path) -> Preparation:
    told = dict(read_preparation(folder))
    side = getattr(config, "image_size", None)
    if family.model_type in SQUARE and isinstance(side, int):
        told["size"] = {"height": side, "width": side}
    if family.gives == "clips":
        told["size_divisor"] = _CLIP_SIDES
    try:
        return Preparation.of(told)
    except (ValueError, TypeError, AttributeError, OverflowError) as err:
        raise WeightsError(
            f"folder does not say how to prepare images: expected sizes and colours that can be, "
            f"got {err} in {str(folder)!r}. Fetch the whole repository again."
        ) from err


def _task_of(config: Any, folder: Path) -> Tensor:
    """Return OneFormer's task, in words that were in its training, as numbers."""
    words = read_tokenizer(folder)(
        # the task's sentence as it was in training; another wording would be another task
        ["the task is instance"], padding="max_length", truncation=True,
        max_length=int(config.task_seq_len), return_tensors="pt",
    )  # fmt: skip
    return torch.as_tensor(words["input_ids"])


def _worded(tokenizer: Any, texts: Sequence[str], family: Family) -> dict[str, Tensor]:
    if family.gives == "boxes":
        # the detector takes one sentence, each thing to look for with a full stop behind it
        one = " ".join(f"{text.strip().lower().rstrip('.')} ." for text in texts)
        return dict(tokenizer([one], return_tensors="pt", return_token_type_ids=True))
    fill: dict[str, Any] = {"padding": True}
    if family.tokens:
        fill = {"padding": "max_length", "max_length": family.tokens, "truncation": True}
    given = tokenizer(list(texts), return_tensors="pt", return_token_type_ids=False, **fill)
    return {name: given[name] for name in ("input_ids", "attention_mask")}


def _names(config: Any, texts: Sequence[str], family: Family) -> dict[int, str]:
    if family.takes_text:
        return dict(enumerate(text.strip() for text in texts))
    return {int(kind): str(name) for kind, name in config.id2label.items()}


def _phrases(ids: Sequence[int], delimiters: set[int], count: int) -> list[int]:
    """Return for each token of a sentence which of its phrases, from 0, it belongs to."""
    phrase, out = 0, []
    for i, token in enumerate(ids):
        out.append(min(phrase, count - 1))
        phrase += token in delimiters and i > 0
    return out
