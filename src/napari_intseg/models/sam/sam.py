"""The SAM family's adapter, and SAM, SAM-HQ and MobileSAM with the models fine-tuned from them.

`CellMaps` is such a model with micro-sam's decoder, which finds all objects without clicks.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers.models.sam.configuration_sam import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder
from transformers.models.sam_hq.configuration_sam_hq import SamHQVisionConfig
from transformers.models.sam_hq.modeling_sam_hq import SamHQVisionEncoder

from napari_intseg import __version__
from napari_intseg.core.prompts import Click, PromptKind, Prompts
from napari_intseg.core.segmenter import (
    Answer,
    Array,
    FloatArray,
    Prepared,
    Query,
    Saving,
    Traits,
)
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.device import (
    DeviceArrays,
    Precision,
    choose_device,
    choose_precision,
    download_all,
    memory_guard,
    upload,
)
from napari_intseg.models.net_model import NetModel, OnDevice
from napari_intseg.models.nets.mobile_encoders import EARLY_DIM, TinyViT
from napari_intseg.models.sam.keys import SAM_RULES, TINY_RULES, Rules, unwrapped
from napari_intseg.models.sam.mask_decoder import (
    SMALLER_PX,
    Asked,
    Embedding,
    PromptedNet,
    SamNet,
    SamState,
    answer_of,
    asked_in,
    box_of,
    embed,
    in_passes,
    joined,
    load_into,
    places_first,
    read_weights,
    side_for,
    to_grid,
    together,
)
from napari_intseg.models.sam.square_frame import SIDE_PX, SquareFrame

AT_ONCE = 8
"""Questions in one pass of the decoder on a device."""

SAM_PROMPTS: frozenset[PromptKind] = frozenset({"click", "box", "mask"})
# longer side of views: four times what SAM sees; beyond it an image only costs memory
_LONGER_SIDE_PX = 4096


class SamSegmenter(NetModel):
    """A SAM: an embedding once an image, then a decoder for each question.

    Parameters
    ----------
    net : SamNet
        A network, loaded and in evaluation mode.
    name : str
        The name it is registered under.
    device, precision : str
        Where and in what the image encoder runs, see `choose_device` and `choose_precision`; the
        decoder always runs in float32.
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

    def __init__(
        self,
        net: SamNet,
        name: str,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        prompts: frozenset[PromptKind] = SAM_PROMPTS,
        multimask: bool | Literal["auto"] = "auto",
        feed_back: bool = True,
    ) -> None:
        chosen = choose_device(device)
        dtype = choose_precision(precision, chosen)
        # the decoder computes in float32, so the weights stay as they are
        self.hosted = OnDevice(net, chosen, dtype, views_px=SMALLER_PX, casts=False)
        self.multimask, self.feed_back = multimask, feed_back
        # weakly: what nobody holds any more need not be brought down
        self._made: WeakSet[Prepared] = WeakSet()
        self._signature: str | None = None
        # names of what an embedding consists of, in order
        self._names: tuple[str, ...] = ()
        self.traits = Traits(
            name,
            prompts,
            resample="logits",
            longer_side_px=_LONGER_SIDE_PX,
            uses_prev="mask" in prompts,
            embeds=True,
        )

    def prepare(self, image: FloatArray) -> Prepared:
        """Embed an image.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].

        Returns
        -------
        Prepared
            Its payload is a dict of arrays, so that it can be kept on disk; on a device they come
            down when they are read, or the device's memory is wanted.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.hosted.device):
            self.hosted.bring()
            embedding = self._embedded(image)
        size = sum(value.element_size() * value.nelement() for value in embedding.values())
        shape, there = (image.shape[0], image.shape[1]), self.hosted.device_bytes(size)
        if not there:
            return Prepared(
                shape, {name: one.cpu().numpy() for name, one in embedding.items()}, size
            )
        prepared = Prepared(shape, DeviceArrays(embedding), 0, there)
        self._made.add(prepared)
        # it is there already: the first question need not upload it again
        self.hosted.on_device(prepared, lambda: embedding)
        return prepared

    def _embedded(self, image: FloatArray) -> Embedding:
        hosted, net = self.hosted, self.hosted.net
        side, exact = side_for(hosted.saving.view_px), hosted.dtype == torch.float32
        pixels = net.frame.pixels(image, side, hosted.device, exact=exact)

        def work(pixels: Tensor) -> list[Tensor]:
            found = embed(net, pixels, hosted.dtype)
            self._names = tuple(found)
            return list(found.values())

        with torch.inference_mode():
            values = hosted.graphs("embed", work, pixels)
        return dict(zip(self._names, values, strict=True))

    @property
    def encodes_ahead(self) -> bool:
        """Whether an image that is prepared early is embedded beside what the processor does."""
        return self.hosted.is_asynchronous

    def save_memory(self, saving: Saving) -> None:
        """Give something up from now on; what was embedded waits in main memory."""
        self._leave()
        super().save_memory(saving)

    def release(self) -> None:
        """Return the device's memory; what was embedded waits in main memory."""
        self._leave()
        super().release()

    def _leave(self) -> None:
        for prepared in list(self._made):
            prepared.payload.leave()
        self._made.clear()

    def predict(self, query: Query) -> Answer:
        """Decode the answer to one query; see `predict_batch`."""
        return self.predict_batch([query])[0]

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Decode the answers to queries; several masks where a single click leaves it open.

        Nothing is read before all are computed: a device is waited for once, however many there
        are.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.hosted.device), torch.inference_mode():
            found = self.decode(queries)
            exact = self.hosted.dtype == torch.float32
            frame = self.hosted.net.frame
            masks = [
                (frame.back(low, query.prepared.shape), exact)
                for query, (low, _) in zip(queries, found, strict=True)
            ]
            # the low-resolution logits lead the next click
            kept = [(low, exact) for low, _ in found] if self.traits.uses_prev else []
            # what has to be exact goes first, so that it lies at whole numbers of bytes
            down = iter(download_all(*((scores, True) for _, scores in found), *masks, *kept))
        scores, full = (list(islice(down, len(queries))) for _ in range(2))
        low: Sequence[FloatArray | None] = list(down) or [None] * len(queries)
        return [answer_of(*one) for one in zip(scores, full, low, strict=True)]

    def decode(self, queries: Sequence[Query]) -> list[tuple[Tensor, Tensor]]:
        """Return low-resolution logits (n, 256, 256) of queries, and the score of each.

        A device takes those of one form in passes of up to `AT_ONCE`.
        """
        asked = [self._asked(query) for query in queries]
        # a processor gains nothing by it: its way to attend is for one question
        most = AT_ONCE if self.hosted.is_asynchronous else 1
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for part in in_passes(asked, most):
            low, scores = self._pass([queries[i] for i in part], [asked[i] for i in part])
            found |= zip(part, zip(low, scores, strict=True), strict=True)
        return [found[number] for number in range(len(queries))]

    def _pass(self, queries: Sequence[Query], each: Sequence[Asked]) -> tuple[Tensor, Tensor]:
        """Return logits (B, n, 256, 256) and scores (B, n) of questions of one form."""
        hosted, net = self.hosted, self.hosted.net
        hosted.bring()
        embedding = together([query.prepared for query in queries], self._embedding)
        asked = joined(each, hosted.device)
        alone = set(asked.given) == {"points", "labels"} and asked.points.shape[1] == 1
        several = alone if self.multimask == "auto" else self.multimask

        def work(*inputs: Tensor) -> Sequence[Tensor]:
            here = dict(zip(embedding, inputs, strict=False))
            prompts = Asked(**dict(zip(asked.given, inputs[len(embedding) :], strict=True)))
            found: tuple[Tensor, Tensor] = net.decode(here, prompts, multimask=several)
            return found

        # what is not among the inputs has to be in the name: a recording fixes it
        name = f"decode {' '.join((*embedding, *asked.given))} {several}"
        inputs = *embedding.values(), *asked.given.values()
        # of several nothing is recorded: their embeddings would be held, and launches are few
        one_by_one = len(queries) == 1
        with torch.inference_mode():
            low, scores = hosted.graphs(name, work, *inputs) if one_by_one else work(*inputs)
        return low, scores

    def _embedding(self, prepared: Prepared) -> Embedding:
        payload: Mapping[str, Array] = prepared.payload
        return self.hosted.on_device(
            prepared,
            lambda: {name: upload(array, self.hosted.device) for name, array in payload.items()},
        )

    @property
    def signature(self) -> str:
        """Names what embeddings depend on: the weights, the number format and this version."""
        if self._signature is None:
            # this version, too: what is made of an image may change with the code
            digest = hashlib.sha256(f"{__version__} {self.hosted.dtype}".encode())
            if isinstance(self.hosted.net, nn.Module):
                for name, value in self.hosted.net.state_dict().items():
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
            prompts = replace(prompts, box=box_of(query.prev_logits))
        return asked_in(self.hosted.net.frame, query.prepared.shape, prompts, mask=mask)

    def _mask(self, query: Query) -> FloatArray | None:
        """Return the mask prompt, shape (1, 256, 256): SAM's own last one, else the one given."""
        if not self.traits.uses_prev:
            return None
        state = query.state if isinstance(query.state, SamState) else None
        given = None
        # where several masks were offered, the previous answer tells which one the person chose
        if query.prev_logits is not None and (state is None or len(state.low) > 1):
            given = self.hosted.net.frame.low(query.prev_logits)
        if state is None:
            return given
        if not self.feed_back:
            return None
        kept = state.continued(given)
        return state.low[kept : kept + 1]


class TinyEncoder(TinyViT):
    """TinyViT with its embedding on SAM's grid, for any side of the square."""

    def __init__(self, *, hq: bool = False) -> None:
        super().__init__()
        self.hq = hq

    def embed(self, pixels: Tensor) -> Embedding:
        """Return the embedding, and for SAM-HQ the early feature."""
        image, early = self(pixels)
        embedding = {"image": to_grid(image)}
        if self.hq:
            embedding["early"] = to_grid(early).permute(0, 2, 3, 1)
        return embedding


Size = Literal["vit-b", "vit-l", "vit-h"]

# as published with SAM (arXiv:2304.02643)
SIZES: dict[Size, dict[str, Any]] = {
    "vit-b": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "global_attn_indexes": [2, 5, 8, 11],
    },
    "vit-l": {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
        "global_attn_indexes": [5, 11, 17, 23],
    },
    "vit-h": {
        "hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16,
        "global_attn_indexes": [7, 15, 23, 31],
    },
}  # fmt: skip
_BY_WIDTH: dict[int, Size] = {values["hidden_size"]: size for size, values in SIZES.items()}


def find_size(state_dict: Mapping[str, Any]) -> Size | None:
    """Return the size of SAM that a state dict in the library's names has, None if of none."""
    code = state_dict.get("vision_encoder.pos_embed")
    return None if code is None or code.ndim != 4 else _BY_WIDTH.get(code.shape[-1])


def check_size(name: str, wanted: Size | None, state_dict: Mapping[str, Any], path: Path) -> Size:
    """Return the size to build.

    Raises
    ------
    WeightsError
        If the checkpoint is no SAM, or one of another size; names which.
    """
    size = find_size(state_dict)
    if size is None:
        expected = wanted or "one of " + ", ".join(SIZES)
        raise WeightsError(
            f"weights are of another model: expected a SAM {expected} for {name!r}, got "
            f"{str(path)!r} without its image encoder. Choose the model this file belongs to."
        )
    if wanted not in (None, size):
        raise WeightsError(
            f"weights are of another SAM size: expected {wanted} for {name!r}, got {size} in "
            f"{str(path)!r}. Load it as 'sam-{size}', or as 'sam-finetuned' if it is not the "
            "published one."
        )
    return size


NAMED: dict[str, Size | None] = {
    "sam-vit-b": "vit-b", "sam-vit-l": "vit-l", "sam-vit-h": "vit-h", "medsam": "vit-b",
    "sam-hq-vit-b": "vit-b", "sam-finetuned": None,
}  # fmt: skip
"""The size that a registered name stands for; None: told from the weights."""

TINY = ("mobile-sam", "sam-hq-vit-tiny")
"""Those with MobileSAM's small encoder, for a CPU."""


class ViT(nn.Module):
    """SAM's image encoder, for any side of the square (arXiv:2304.02643).

    Parameters
    ----------
    size : {"vit-b", "vit-l", "vit-h"}
        Which of the published three.
    hq : bool
        Whether the feature after the first global block is kept, for SAM-HQ.
    """

    def __init__(self, size: Size, *, hq: bool = False) -> None:
        super().__init__()
        self.hq = hq
        self.body: Any
        if hq:
            self.body = SamHQVisionEncoder(SamHQVisionConfig(**SIZES[size]))
        else:
            self.body = SamVisionEncoder(SamVisionConfig(**SIZES[size]))

    def embed(self, pixels: Tensor) -> Embedding:
        """Return the embedding on SAM's grid, and for SAM-HQ the early feature."""
        side = pixels.shape[-1]
        replaced: dict[str, Tensor] = {}
        # position codes belong to the full square; for a smaller one they are resampled
        if side != SIDE_PX:
            code = self.body.pos_embed.permute(0, 3, 1, 2)
            small = nn.functional.interpolate(code, (side // 16, side // 16), mode="bicubic")
            replaced["pos_embed"] = small.permute(0, 2, 3, 1)
        patches = self.body.patch_embed
        # the library refuses other sizes than the one it was made for
        patches.image_size = (side, side)
        # for this call alone: the network's own codes stay as they are
        out = functional_call(self.body, replaced, (pixels,))
        embedding = {"image": to_grid(out.last_hidden_state)}
        if self.hq:
            early = out.intermediate_embeddings[0]
            embedding["early"] = to_grid(early.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return embedding


def make_net(
    size: Size | Literal["vit-tiny"], *, hq: bool = False, hq_only: bool = False
) -> PromptedNet:
    """Return a SAM, or SAM-HQ, whose weights are still to be loaded with `load_into`."""
    # without memory: all weights come from the file
    with torch.device("meta"):
        if size == "vit-tiny":
            return PromptedNet(
                TinyEncoder(hq=hq), early_dim=EARLY_DIM if hq else None, hq_only=hq_only
            )
        early = SIZES[size]["hidden_size"] if hq else None
        return PromptedNet(ViT(size, hq=hq), early_dim=early, hq_only=hq_only)


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    multimask: bool | Literal["auto"] = "auto",
    feed_back: bool = True,
    hq_only: bool = False,
) -> SamSegmenter:
    """Load SAM [1]_, SAM-HQ [2]_, MobileSAM [3]_ or a model fine-tuned from SAM.

    Parameters
    ----------
    name : str
        A name of the registry; "sam-finetuned" takes any size but MobileSAM's.
    weights : Path
        An original ``.pth`` file, a ``.safetensors`` file, or a Hugging Face folder.
    device, precision : str
        As in `napari_intseg.models.registry.load_model`.
    multimask, feed_back
        See `SamSegmenter`.
    hq_only : bool
        SAM-HQ's own mask alone.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged, or of another model or size.
    DeviceError
        If the device does not exist.

    References
    ----------
    .. [1] Kirillov, A. et al. "Segment Anything", arXiv:2304.02643.
    .. [2] Ke, L. et al. "Segment Anything in High Quality", arXiv:2306.01567.
    .. [3] Zhang, C. et al. "Faster Segment Anything", arXiv:2306.14289.
    """
    net = load_net(name, weights, hq_only=hq_only)
    return SamSegmenter(
        net, name, device=device, precision=precision, multimask=multimask, feed_back=feed_back
    )


def load_net(name: str, weights: Path | None, *, hq_only: bool = False) -> PromptedNet:
    """Return the network of a registered name with its weights, on the CPU."""
    if name in TINY:
        state_dict, path = read_weights(name, weights, TINY_RULES)
        net = make_net("vit-tiny", hq="hq" in name, hq_only=hq_only)
        load_into(net, state_dict, path)
        return net
    state_dict, path = read_weights(name, weights, SAM_RULES)
    size = check_size(name, NAMED[name], state_dict, path)
    # fine-tuned files do not say in their name that they are SAM-HQ
    is_hq = any("hq_token" in key for key in state_dict)
    net = make_net(size, hq=name.startswith("sam-hq") or is_hq, hq_only=hq_only)
    load_into(net, in_body(state_dict), path)
    return net


def in_body(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Return a state dict with the encoder's names as `ViT` has them."""
    old, new = "vision_encoder.", "vision_encoder.body."
    return {n.replace(old, new, 1) if n.startswith(old) else n: v for n, v in state_dict.items()}


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.InstanceNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True),
        nn.InstanceNorm2d(outputs), nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )  # fmt: skip


class Doubling(nn.Module):
    """Twice the size: resized and mixed, or by a transposed convolution."""

    def __init__(self, inputs: int, outputs: int, *, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        self.inner = (
            nn.ConvTranspose2d(inputs, outputs, 2, 2)
            if transposed
            else nn.Conv2d(inputs, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, outputs, 2 H, 2 W)."""
        if not self.transposed:
            x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.inner(x)  # type: ignore[no-any-return]


class CellDecoder(nn.Module):
    """What micro-sam [1]_ puts on SAM's embedding: three maps of sixteen times its size.

    Parameters
    ----------
    transposed : bool
        How sizes are doubled, which differs among the published files.

    References
    ----------
    .. [1] Archit, A. et al. "Segment Anything for Microscopy", Nature Methods 22, 2025.
    """

    def __init__(self, *, transposed: bool = False) -> None:
        super().__init__()
        # channels of SAM's embedding, and those of the four sizes
        given, widths = 256, (512, 256, 128, 64)
        steps = list(zip((given, *widths[:-1]), widths, strict=True))
        self.side = nn.ModuleList(
            nn.Sequential(
                Doubling(a, b, transposed=transposed), nn.Conv2d(b, b, 3, padding=1),
                nn.BatchNorm2d(b), nn.ReLU(inplace=True),
            )
            for a, b in steps
        )  # fmt: skip
        self.base = _double(given, widths[0])
        self.up = nn.ModuleList(Doubling(a, b, transposed=transposed) for a, b in steps[1:])
        self.join = nn.ModuleList(_double(a, b) for a, b in steps[1:])
        self.last_up = Doubling(widths[-1], widths[-1], transposed=transposed)
        self.head = _double(2 * widths[-1], widths[-1])
        self.last = nn.Conv2d(widths[-1], 3, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits of object, distance to the middle and to the edge, (B, 3, 16 g, 16 g)."""
        kept, x = [], embedding
        for part in self.side:
            x = part(x)
            kept.append(x)
        y = self.base(embedding)
        for up, join, own in zip(self.up, self.join, kept[:3], strict=True):
            y = up(y)
            # the authors' code cuts what comes from the side to as many channels, the middle ones
            own = own.narrow(1, (own.shape[1] - y.shape[1]) // 2, y.shape[1])  # noqa: PLW2901
            y = join(torch.cat([y, own], 1))
        y = self.head(torch.cat([self.last_up(y), kept[3]], 1))
        return self.last(y)  # type: ignore[no-any-return]


DECODER_RULES: Rules = (
    (r"^encoder\..*", ""),
    *((rf"^deconv{i + 1}\.block\.0\.(conv|block)\.", f"side.{i}.0.inner.") for i in range(4)),
    *((rf"^deconv{i + 1}\.block\.1\.block\.", f"side.{i}.1.") for i in range(4)),
    *((rf"^deconv{i + 1}\.block\.2\.", f"side.{i}.2.") for i in range(4)),
    (r"^base\.block\.", "base."),
    (r"^decoder\.samplers\.(\d)\.(conv|block)\.", r"up.\1.inner."),
    (r"^decoder\.blocks\.(\d)\.block\.", r"join.\1."),
    (r"^deconv_out\.(conv|block)\.", "last_up.inner."),
    (r"^decoder_head\.block\.", "head."),
    (r"^out_conv\.", "last."),
)
"""From micro-sam's names to those of `CellDecoder`."""


def make_decoder(state_dict: Mapping[str, Any], path: Path) -> CellDecoder:
    """Return micro-sam's decoder with its weights.

    Raises
    ------
    WeightsError
        If they are of something else.
    """
    named = {str(name): value for name, value in state_dict.items()}
    transposed = any(re.match(r"decoder\.samplers\.\d\.block\.", name) for name in named)
    net = CellDecoder(transposed=transposed)
    state = {}
    for name, value in named.items():
        for pattern, new in DECODER_RULES:
            name = re.sub(pattern, new, name)  # noqa: PLW2901 - one rule after the other
        if name:
            state[name] = value
    load_strict(net, state, path)
    return net.eval().requires_grad_(False)


class CellMaps(nn.Module):
    """A SAM's image encoder under micro-sam's decoder.

    Parameters
    ----------
    encoder : nn.Module
        `ViT` or `TinyEncoder`.
    decoder : CellDecoder
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.vision_encoder, self.decoder = encoder, decoder

    def maps(self, image: FloatArray, device: torch.device) -> FloatArray:
        """Return what the decoder says of an image (H, W, 3) in [0, 1], (3, H, W) in [0, 1].

        The first is high inside objects, the second low in their middles, the third low away from
        their edges.
        """
        frame = SquareFrame("pad")
        encoder: Any = self.vision_encoder
        with torch.inference_mode():
            embedding = encoder.embed(frame.pixels(image, SIDE_PX, device))["image"]
            prob = self.decoder(places_first(embedding)).sigmoid()
            shape = (image.shape[0], image.shape[1])
            maps = np.asarray(frame.back(prob[0], shape).cpu().numpy(), np.float32)
        if not np.isfinite(maps).all():
            # thresholds would make no objects of it, as if there were none in the image
            raise WeightsError(
                "weights are damaged: expected maps of finite numbers from micro-sam's decoder, "
                "got none. Fetch the file again."
            )
        return maps


def load_cell_maps(weights: Path, decoder: Path | None = None) -> CellMaps:
    """Load a model of micro-sam with its decoder, on the CPU.

    Parameters
    ----------
    weights : Path
        Of SAM's part, with or without the decoder's.
    decoder : Path, optional
        A file with the decoder's part alone, where `weights` has none.

    Raises
    ------
    WeightsError
        If a file is damaged, of another model, or there is no decoder.
    """
    given = load_checkpoint(weights)
    state = given.get("decoder_state") if isinstance(given, dict) else None
    if state is None and decoder is not None:
        state = load_checkpoint(decoder)
        state = state.get("decoder_state", state) if isinstance(state, dict) else None
    if not isinstance(state, dict):
        raise WeightsError(
            f"weights have no decoder: expected micro-sam's in {str(weights)!r} or a file "
            f"{weights.stem}_decoder{weights.suffix} beside it, got neither. Fetch that too, or "
            "ask with clicks, as 'sam-finetuned'."
        )
    tellers = ("image_encoder.layers.", "vision_encoder.layers.0.blocks")
    tiny = any(str(name).startswith(tellers) for name in unwrapped(given))
    state_dict, _ = read_weights("micro-sam", weights, TINY_RULES if tiny else SAM_RULES)
    name = "mobile-sam" if tiny else "sam-finetuned"
    whole = make_net("vit-tiny" if tiny else check_size(name, None, state_dict, weights))
    load_into(whole, state_dict if tiny else in_body(state_dict), weights)
    net = CellMaps(whole.vision_encoder, make_decoder(state, decoder or weights))
    return net.eval().requires_grad_(False)
