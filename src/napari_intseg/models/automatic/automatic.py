"""Automatic models, run once on a slice; what they find is a start that clicks correct.

Images are prepared here from what a model's folder says, with Pillow alone: the processors of
`transformers` would ask for torchvision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napari_intseg.core.prompts import Box, Prompts
from napari_intseg.core.segmenter import BoolArray, FloatArray, Query, Segmenter, sigmoid
from napari_intseg.errors import PromptError
from napari_intseg.models.automatic.answers import READERS, RawFinding
from napari_intseg.models.automatic.families import Family, find_family
from napari_intseg.models.automatic.files import read_net, read_preparation, read_tokenizer
from napari_intseg.models.device import choose_device, memory_guard

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BILINEAR = 2  # Pillow's number


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
class Preparation:
    """How an image becomes the tensor a network takes.

    Parameters
    ----------
    size : mapping of str to int
        ``height`` and ``width``, or ``shortest_edge`` and perhaps ``longest_edge``; empty: as is.
    mean, std : tuple of float
        Of the channels, after scaling to [0, 1].
    factor : float
        From bytes to what is normalised.
    multiple : int
        Sides are padded with zeros to a multiple of this.
    resample : int
        Pillow's number of the interpolation.
    """

    size: Mapping[str, int]
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD
    factor: float = 1 / 255
    multiple: int = 1
    resample: int = _BILINEAR

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Preparation":
        """Return what a ``preprocessor_config.json`` says."""
        size = told.get("size", {}) if told.get("do_resize", True) else {}
        if isinstance(size, int):
            longest = told.get("max_size")
            size = {"shortest_edge": size, **({"longest_edge": longest} if longest else {})}
        normal = told.get("do_normalize", True)
        multiple = told.get("size_divisor", told.get("size_divisibility")) or 1
        return cls(
            {k: int(v) for k, v in size.items() if v},
            tuple(told.get("image_mean") or _MEAN) if normal else (0.0, 0.0, 0.0),
            tuple(told.get("image_std") or _STD) if normal else (1.0, 1.0, 1.0),
            float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale", True) else 1.0,
            int(multiple),
            int(told.get("resample", _BILINEAR)),
        )

    def resized(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return height and width that an image of some shape gets, before padding."""
        if {"height", "width"} <= self.size.keys():
            return self.size["height"], self.size["width"]
        if "shortest_edge" not in self.size:
            return shape
        scale = self.size["shortest_edge"] / min(shape)
        longest = self.size.get("longest_edge")
        if longest is not None and max(shape) * scale > longest:
            scale = longest / max(shape)
        return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))

    def __call__(self, image: FloatArray) -> tuple[Tensor, tuple[int, int]]:
        """Return the tensor (1, 3, h, w), and the height and width that the image has in it."""
        size = self.resized((image.shape[0], image.shape[1]))
        picture = Image.fromarray(np.round(np.asarray(image) * 255).astype(np.uint8))
        if picture.size != size[::-1]:
            picture = picture.resize(size[::-1], Image.Resampling(self.resample))
        values = (np.asarray(picture, np.float32) * self.factor - self.mean) / self.std
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32)).permute(2, 0, 1)[None]
        down, right = (-n % self.multiple for n in size)
        return torch.nn.functional.pad(tensor, (0, right, 0, down)), size


class Automatic:
    """A network and how to ask it; made by `load_automatic`."""

    def __init__(self, family: Family, net: Any, folder: Path, device: str) -> None:
        self.family = family
        self._device = choose_device(device)
        self._net = net.to(self._device)
        self._prepare = Preparation.of(read_preparation(folder))
        self._tokenizer = read_tokenizer(folder) if family.takes_text else None

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
            What to look for, for families that take text.
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
        self._check(texts, masks_by)
        tensor, size = self._prepare(image)
        given: dict[str, Any] = {"pixel_values": tensor}
        if self._tokenizer is not None:
            given |= _worded(self._tokenizer, texts, self.family)
            if self.family.gives == "texts":
                given["pixel_values"] = tensor.repeat(len(texts), 1, 1, 1)
        if self.family.gives == "boxes":
            inside = torch.zeros(1, *tensor.shape[2:], dtype=torch.long)
            inside[:, : size[0], : size[1]] = 1
            given["pixel_mask"] = inside
        with memory_guard(self._device), torch.inference_mode():
            out = self._net(**{name: value.to(self._device) for name, value in given.items()})
            read = READERS[self.family.gives]
            limit = self.family.threshold if threshold is None else threshold
            shape = (image.shape[0], image.shape[1])
            found = read(out, _Frame(shape, size, tuple(tensor.shape[2:])), limit)
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

    def release(self) -> None:
        """Return the device's memory."""
        self._net.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

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


@dataclass(frozen=True, slots=True)
class _Frame:
    """Sizes of an image: its own, in the tensor, and the tensor's with padding."""

    shape: tuple[int, int]
    size: tuple[int, int]
    padded: tuple[int, ...]

    def back(self, maps: Tensor) -> Tensor:
        """Return maps (K, h, w) of the padded tensor on the image's grid, (K, H, W)."""
        up = torch.nn.functional.interpolate(
            maps[None].float(), size=self.padded, mode="bilinear", align_corners=False
        )
        up = up[..., : self.size[0], : self.size[1]]
        return torch.nn.functional.interpolate(
            up, size=self.shape, mode="bilinear", align_corners=False
        )[0]


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


def _worded(tokenizer: Any, texts: Sequence[str], family: Family) -> dict[str, Tensor]:
    if family.gives == "boxes":
        # the detector takes one sentence, each thing to look for with a full stop behind it
        one = " ".join(f"{text.strip().lower().rstrip('.')} ." for text in texts)
        return dict(tokenizer([one], return_tensors="pt", return_token_type_ids=True))
    given = tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=False)
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
