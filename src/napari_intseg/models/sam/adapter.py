"""Any network of the SAM family as a Segmenter."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from napari_intseg import __version__
from napari_intseg.core.prompts import Box, Click, PromptKind, Prompts
from napari_intseg.core.segmenter import Answer, Array, FloatArray, Prepared, Query, Traits
from napari_intseg.models.device import download, memory_guard, upload
from napari_intseg.models.memory_saving import OnDevice
from napari_intseg.models.sam.mask_decoder import Asked, SamNet
from napari_intseg.models.sam.square_frame import SquareFrame
from napari_intseg.models.sam.weight_files import SMALLER_PX, embed, side_for

SAM_PROMPTS: frozenset[PromptKind] = frozenset({"click", "box", "mask"})
_LONGER_SIDE_PX = 4096  # four times what SAM sees; beyond it an image only costs memory


@dataclass(frozen=True, slots=True, eq=False)
class SamState:
    """What SAM is given back with the next click.

    Parameters
    ----------
    low : ndarray of float32, shape (n, 256, 256)
        Low-resolution logits of every mask that was offered.
    chosen : int
        Which of them was the answer.
    """

    low: FloatArray
    chosen: int


class SamSegmenter(OnDevice):
    """A SAM: an embedding once an image, then a decoder for each question.

    Parameters
    ----------
    net : SamNet
        A network, loaded and in evaluation mode.
    name : str
        The name it is registered under.
    device, dtype : torch.device, torch.dtype
        Where and in what the image encoder runs; the decoder always runs in float32.
    prompts : frozenset of str
        Kinds of prompt the network takes.
    multimask : bool or "auto"
        Whether three masks are asked for, the best of which is the answer. "auto": for one click
        alone, which does not say whether a part or the whole is meant.
    feed_back : bool, default True
        Whether the previous answer is given as a mask prompt with the next click, as in SAM's
        demonstration [1]_. A mask from elsewhere is always given.

    References
    ----------
    .. [1] Kirillov, A. et al. "Segment Anything", arXiv:2304.02643.
    """

    net: SamNet
    views_px = SMALLER_PX
    casts = False  # the decoder computes in float32

    def __init__(
        self,
        net: SamNet,
        name: str,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        prompts: frozenset[PromptKind] = SAM_PROMPTS,
        multimask: bool | Literal["auto"] = "auto",
        feed_back: bool = True,
    ) -> None:
        self.net, self.device, self.dtype = net, device, dtype
        self.multimask, self.feed_back = multimask, feed_back
        self._signature: str | None = None
        self._traits = Traits(
            name,
            prompts,
            resample="logits",
            longer_side_px=_LONGER_SIDE_PX,
            uses_prev="mask" in prompts,
            embeds=True,
        )
        self.settle()

    @property
    def traits(self) -> Traits:
        """How it wants to be used."""
        return self._traits

    def prepare(self, image: FloatArray) -> Prepared:
        """Embed an image.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].

        Returns
        -------
        Prepared
            Its payload is a dict of arrays, so that it can be kept on disk; the device has it, too.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.device):
            self.bring()
            side = side_for(self.saving.view_px)
            embedding = embed(self.net, image, self.device, self.dtype, side)
            payload = {name: value.cpu().numpy() for name, value in embedding.items()}
        size = sum(array.nbytes for array in payload.values())
        shape = (image.shape[0], image.shape[1])
        prepared = Prepared(shape, payload, size, self.device_bytes(size))
        self.on_device(prepared, lambda: embedding)
        return prepared

    def predict(self, query: Query) -> Answer:
        """Decode the answer to one query; several masks when a single click leaves it open.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.device), torch.inference_mode():
            low, scores = self.decode(query)
            back = self.net.frame.back(low, query.prepared.shape)
            full = download(back, exact=self.dtype == torch.float32)
            told = tuple(scores.float().cpu().tolist())
            kept = low.cpu().numpy() if self.traits.uses_prev else None
        chosen = int(np.argmax(told))
        several = len(full) > 1
        return Answer(
            full[chosen],
            state=None if kept is None else SamState(kept, chosen),
            alternatives=tuple(full) if several else (),
            scores=told if several else (),
            info={"score": told[chosen]},
        )

    def decode(self, query: Query) -> tuple[Tensor, Tensor]:
        """Return the low-resolution logits (n, 256, 256) of a query, and the score of each."""
        self.bring()
        payload: Mapping[str, Array] = query.prepared.payload
        embedding = self.on_device(
            query.prepared,
            lambda: {name: upload(array, self.device) for name, array in payload.items()},
        )
        asked = self._asked(query)
        multimask = self.multimask
        if multimask == "auto":
            multimask = len(asked.points) == 1 and asked.box is None and asked.mask is None
        with torch.inference_mode():
            return self.net.decode(embedding, asked, multimask=multimask)

    @property
    def signature(self) -> str:
        """Names what embeddings depend on: the weights, the number format and this version."""
        if self._signature is None:
            digest = hashlib.sha256(f"{__version__} {self.dtype}".encode())
            if isinstance(self.net, nn.Module):
                for name, value in self.net.state_dict().items():
                    digest.update(f"{name} {tuple(value.shape)}".encode())
                    digest.update(value.detach().cpu().contiguous().numpy().data)
            self._signature = digest.hexdigest()
        return self._signature

    def warm_up(self) -> None:
        """Answer once on a small image, so that the first real question does not wait."""
        prepared = self.prepare(np.zeros((64, 64, 3), np.float32))
        self.predict(Query(prepared, Prompts((Click(32, 32),))))

    def _asked(self, query: Query) -> Asked:
        prompts, mask = query.prompts, self._mask(query)
        if not prompts.clicks and prompts.box is None and query.prev_logits is not None:
            # a mask alone tells SAM little: its box goes along
            prompts = replace(prompts, box=_box_of(query.prev_logits))
        asked = asked_in(self.net.frame, query.prepared.shape, prompts, self.device)
        return asked if mask is None else replace(asked, mask=upload(mask, self.device)[None])

    def _mask(self, query: Query) -> FloatArray | None:
        """Return the mask prompt, shape (1, 256, 256): SAM's own last one, else the one given."""
        if not self.traits.uses_prev:
            return None
        state = query.state if isinstance(query.state, SamState) else None
        given = None
        if query.prev_logits is not None and (state is None or len(state.low) > 1):
            given = self.net.frame.low(query.prev_logits)
        if state is None:
            return given
        if not self.feed_back:
            return None
        kept = _continued(state, given)
        return state.low[kept : kept + 1]


def asked_in(
    frame: SquareFrame, shape: tuple[int, ...], prompts: Prompts, device: torch.device
) -> Asked:
    """Return clicks and box of an image of `shape` in the square."""
    size = (shape[0], shape[1])
    points = [frame.position(click.row, click.col, size) for click in prompts.clicks]
    corners, box = None, prompts.box
    if box is not None:
        first, last = (box.row0, box.col0), (box.row1, box.col1)
        corners = torch.tensor([*frame.position(*first, size), *frame.position(*last, size)])
    return Asked(
        torch.tensor(points, dtype=torch.float32, device=device).reshape(-1, 2),
        torch.tensor([int(c.positive) for c in prompts.clicks], dtype=torch.int64, device=device),
        None if corners is None else corners.to(device),
    )


def _continued(state: SamState, given: FloatArray | None) -> int:
    """Return which of the offered masks the person went on with: the one most like theirs."""
    if given is None or len(state.low) == 1:
        return state.chosen
    differ = [np.count_nonzero((low > 0) != (given[0] > 0)) for low in state.low]
    return int(np.argmin(differ))


def _box_of(logits: FloatArray) -> Box | None:
    rows, cols = np.nonzero(logits > 0)
    if not rows.size:
        return None
    return Box(float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max()))
