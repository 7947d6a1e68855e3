"""FocalClick: a coarse answer on the target, then a finer one where the last click changed it.

References
----------
.. [1] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574, section 3.2.
.. [2] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_intseg.core.prompts import Click, PromptKind, Prompts
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    BoolArray,
    FloatArray,
    Frame,
    Prepared,
    Query,
    Traits,
    ZoomIn,
    logit,
)
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import required
from napari_intseg.models.device import (
    Precision,
    choose_device,
    choose_precision,
    convolutions,
    download,
    download_all,
    memory_guard,
    upload,
    upload_picture,
)
from napari_intseg.models.net_model import NetModel, OnDevice, cast_layers, quicken
from napari_intseg.models.nets.click_net import enlarge
from napari_intseg.models.nets.focal_click import (
    SIZES,
    Coarse,
    FocalClickNet,
    FocalHRNet,
    FocalSegFormer,
    FocusBox,
    interpolation,
)
from napari_intseg.models.regions import regions
from napari_intseg.models.ritm import (
    COMMON,
    HRNET,
    Known,
    click_input,
    load_published,
    pack_clicks,
    read_params,
)

Window = tuple[int, int, int, int]
"""``(row0, row1, col0, col1)`` in pixels, half-open."""

_TOUCHING = np.ones((3, 3), bool)
# with fewer pixels the slice itself is the box; as the published code
_FEW_PX = 10
# half the side of the square round a click, as a share of the object's longer side; as published
_REACH = 0.2


def focus_crop(
    now: BoolArray,
    before: BoolArray,
    click: Click | None,
    expansion: float = 1.4,
    *,
    frame: Frame | None = None,
) -> Window:
    """Return the window that the refiner looks at, never empty.

    Without a mask before it is the object's. Otherwise it is that of the change under the click,
    or, if that is lower or narrower than a third of the object, a square round the click.

    Parameters
    ----------
    now, before : ndarray of bool, shape (H, W)
        The coarse mask and the previous one.
    click : Click or None
        The last one, in pixels of the masks; it may lie outside.
    expansion : float, default 1.4
        The window is enlarged by this factor.
    frame : tuple of float, optional
        Of the slice round the masks, see `Query`; by default they are all there is. Outside them
        there is no object, but a mask of a few pixels stands for the whole slice, and what lies
        outside has not changed.
    """
    around = frame or (0, now.shape[0], 0, now.shape[1])
    box = _box(now, around)
    if click is not None and before.any():
        changed = now ^ before
        under = _change_at(changed, click)
        change = _box(under, around, beyond=not (under & changed).any())
        # a change lower or narrower than a third of the object is a detail; as published
        if any(_length(change, axis) < _length(box, axis) / 3 for axis in (0, 1)):
            reach = _REACH * max(_length(box, 0), _length(box, 1))
            box = (click.row - reach, click.row + reach, click.col - reach, click.col + reach)
        else:
            box = change
    row0, row1 = _expand(box[0], box[1], expansion, now.shape[0])
    col0, col1 = _expand(box[2], box[3], expansion, now.shape[1])
    if row1 <= row0 or col1 <= col0:
        # round a click far outside
        return 0, now.shape[0], 0, now.shape[1]
    return row0, row1, col0, col1


def focus_window(
    now: Tensor,
    before: Tensor,
    click: Click | None,
    expansion: float = 1.4,
    *,
    frame: Frame | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what `focus_crop` returns, found where the masks are and waited for by nobody.

    Parameters
    ----------
    now, before : Tensor of bool, shape (H, W)
        On a device that computes in float64.
    click, expansion, frame
        As for `focus_crop`.

    Returns
    -------
    window : Tensor of float64, shape (4,)
        Of whole numbers.
    is_done : Tensor of bool, shape ()
        Whether it holds: a mask may be too winding, see `regions`.
    """
    shape = (now.shape[0], now.shape[1])
    # with the sizes of the masks behind it, so that both travel at once
    told = torch.tensor([*(frame or (0, shape[0], 0, shape[1])), *shape], dtype=torch.float64)
    around = told.to(now.device)
    box, is_done = _box_there(now, around), torch.ones((), dtype=torch.bool, device=now.device)
    if click is not None:
        changed = now ^ before
        numbers, is_done = regions(changed[None])
        row, col = round(click.row), round(click.col)
        inside = 0 <= row < shape[0] and 0 <= col < shape[1]
        # where the click lies on no change, all the rest
        under = numbers[0] == (numbers[0, row, col] if inside else -1)
        beyond = ~(under & changed).any()
        there = _box_there(under, around)
        change = torch.where(beyond, _box_there(under, around, beyond=True), there)
        sides = box[1::2] - box[0::2]
        is_detail = ((change[1::2] - change[0::2]) < sides / 3).any()
        reach = _REACH * sides.max()
        square = torch.stack([s * reach + at for at in (click.row, click.col) for s in (-1, 1)])
        focus = torch.where(is_detail, square, change)
        box = torch.where(before.any(), focus, box)
    centre = 0.5 * (box[0::2] + box[1::2])
    half = 0.5 * (expansion * (box[1::2] - box[0::2] + 1))
    first, last = (centre - half).trunc().clamp_min(0), (centre + half).trunc()
    sizes = around[4:]
    last = torch.minimum(last, sizes)
    # round a click far outside
    away = (last <= first).any()
    first, last = torch.where(away, 0, first), torch.where(away, sizes, last)
    return torch.stack([first, last], 1).reshape(-1), is_done


def _box_there(mask: Tensor, frame: Tensor, *, beyond: bool = False) -> Tensor:
    """Return what `_box` returns as a tensor (4,) of float64; behind the frame are the sizes."""
    frame, sizes = frame[:4], frame[4:]
    start, end, count = frame[0::2], frame[1::2], mask.sum().double()
    low, high = (torch.stack(one) for one in zip(*map(_ends, (mask, mask.T)), strict=True))
    if beyond:
        count = count + (end - start).prod() - sizes.prod()
        below, above = start < 0, end > sizes
        # it takes all places along an axis where it goes on across it
        across = (below | above).flip(0)
        low = torch.minimum(low, torch.where(below | across, start, low))
        low = torch.where(above, torch.minimum(low, sizes), low)
        high = torch.maximum(high, torch.where(above | across, end - 1, high))
        high = torch.where(below, high.clamp_min(-1), high)
    return torch.where(count < _FEW_PX, frame, torch.stack([low, high], 1).reshape(-1))


def _ends(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last row with a pixel, beyond all where there is none."""
    rows, used = torch.arange(len(mask), device=mask.device, dtype=torch.float64), mask.any(1)
    return torch.where(used, rows, torch.inf).min(), torch.where(used, rows, -torch.inf).max()


def progressive_merge(now: BoolArray, before: BoolArray, click: Click) -> BoolArray:
    """Return the mask before with the one change under the click taken over, as published.

    The published evaluation from an initial mask does this after each click: the change goes
    away where the click lies on the object before, and joins it elsewhere. Where the click lies
    on no change, the unchanged rest is taken for it, so that an object goes away that is clicked
    where it already was. Use this to repeat published numbers; for work, the engine's option
    ``local`` takes over what the model answered there, and leaves all as it was in that case.

    Parameters
    ----------
    now, before : ndarray of bool, shape (H, W)
        The new mask and the one before.
    click : Click
        The last one, in pixels of the masks, inside them.
    """
    change = _change_at(now ^ before, click)
    was_object = bool(before[round(click.row), round(click.col)])
    taken: BoolArray = before & ~change if was_object else before | change
    return taken


def _change_at(changed: BoolArray, click: Click) -> BoolArray:
    """Return the region of change that holds the click; where there is none, all the rest."""
    regions, _ = ndimage.label(changed, _TOUCHING)
    row, col = round(click.row), round(click.col)
    inside = 0 <= row < changed.shape[0] and 0 <= col < changed.shape[1]
    found: BoolArray = regions == (regions[row, col] if inside else 0)
    return found


def _box(mask: BoolArray, frame: Frame, *, beyond: bool = False) -> Frame:
    """Return first and last row and column, as published: the slice itself for a few pixels.

    `beyond`: the mask goes on all over the slice outside its own rectangle.
    """
    row0, row1, col0, col1 = frame
    (height, width), count = mask.shape, np.count_nonzero(mask)
    if beyond:
        count += (row1 - row0) * (col1 - col0) - height * width
    if count < _FEW_PX:
        return frame
    used = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not beyond:
        return float(used[0][0]), float(used[0][-1]), float(used[1][0]), float(used[1][-1])
    on_rows, on_cols = row0 < 0 or row1 > height, col0 < 0 or col1 > width
    rows = _going_on(used[0], height, (row0, row1), across=on_cols)
    return *rows, *_going_on(used[1], width, (col0, col1), across=on_rows)


def _going_on(
    used: NDArray[np.intp], size: int, span: tuple[float, float], *, across: bool
) -> tuple[float, float]:
    """Return the first and last position of a mask that goes on outside its rectangle.

    `across`: it does so along the other axis, where it takes all positions of the span.
    """
    start, end = span
    places = [float(place) for place in used]
    places += [start, -1] * (start < 0) + [size, end - 1] * (end > size)
    places += [start, end - 1] * across
    return min(places), max(places)


def _length(box: Frame, axis: int) -> float:
    return box[2 * axis + 1] - box[2 * axis]


def _expand(start: float, end: float, factor: float, size: int) -> tuple[int, int]:
    # positions are the first and last pixel, hence one more
    centre, length = 0.5 * (start + end), factor * (end - start + 1)
    first, last = int(centre - 0.5 * length), int(centre + 0.5 * length)
    return max(0, first), min(size, last)


_SHARED: Known = COMMON | {
    "pipeline_version": (lambda v: v in ("s1", "s2"), "s1"),
    "feature_stride": (lambda v: v == 4, 4),
    "use_rgb_conv": (lambda v: v is False, False),
    "use_disks": (lambda v: v is True, True),
    "click_maps": (lambda v: v in (None, "disk"), None),
    "prev_map": (lambda v: v in (None, "probability"), None),
    "conv_extend": (lambda v: v is False, False),
    "with_prev_mask": (lambda v: v is True, True),
}
# names in the files, compared as text; nothing is ever imported by them
_CLASSES: dict[str, Known] = {
    "isegm.model.is_hrnet_model.HRNetModel": _SHARED
    | HRNET
    | {"ocr_width": (lambda v: isinstance(v, int) and v > 0, 256)},
    "isegm.model.is_segformer_model.SegFormerModel": _SHARED
    | {"model_version": (lambda v: v in SIZES, "b0")},
}


def load_focalclick(path: Path) -> FocalClickNet:
    """Return the network of a published checkpoint; see `load_published`."""
    return load_published(path, "FocalClick", net_of_config)


def net_of_config(config: Any, path: Path) -> FocalClickNet:
    """Return the network, with random weights, that a checkpoint's configuration describes.

    Parameters
    ----------
    config : dict
        ``{"class": dotted name, "params": {name: {"type", "value", "specified"}}}``.
    path : Path
        The file it comes from, for messages.

    Raises
    ------
    WeightsError
        If the class, a parameter or a value is not known, or there is no pipeline version.
    """
    name = config.get("class") if isinstance(config, dict) else None
    params = config.get("params") if isinstance(config, dict) else None
    known = _CLASSES.get(name) if isinstance(name, str) else None
    if known is None or not isinstance(params, dict) or "pipeline_version" not in params:
        raise WeightsError(
            f"weights are not of FocalClick: expected a configuration of {', '.join(_CLASSES)} "
            f"with a 'pipeline_version', got {name!r} in {str(path)!r}. "
            "Choose the model that this file belongs to."
        )
    values = read_params(params, known, path)
    halved = values["pipeline_version"] == "s1"
    if "model_version" in values:
        return FocalSegFormer(click_input(values), size=values["model_version"], halved=halved)
    return FocalHRNet(
        click_input(values),
        width=values["width"],
        ocr_width=values["ocr_width"],
        small=values["small"],
        halved=halved,
    )


PUBLISHED_ZOOM_IN = ZoomIn(
    skip_clicks=1,
    target_size=None,
    min_crop_size=10,
    expansion=1.4,
    keep_crop=False,
    threshold=0.49,
)
"""The target crop: anew at every click, at its own size, and none at the first click."""

_PROMPTS: frozenset[PromptKind] = frozenset({"click", "mask"})
# 0.49 as published; where the published predictor looks for changes it compares logits, not
# probabilities, with the same number
_THRESHOLD = 0.49
_CHANGING_LOGIT = 0.49

# clicks up to which the whole crop may change, as published; then only the focus crop does
_PROGRESSIVE_AFTER = 10


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    zoom_in: ZoomIn | None = PUBLISHED_ZOOM_IN,
    infer_size_px: int = 256,
    focus_expansion: float = 1.4,
    longer_side_px: int | None = 2048,
) -> "FocalClick":
    """Return FocalClick with a published checkpoint; the defaults are those of its evaluation.

    Parameters
    ----------
    name : str
        The name it is registered under; which network it is, the checkpoint says.
    weights : Path
        The checkpoint.
    device, precision : str
        See `choose_device` and `choose_precision`.
    zoom_in : ZoomIn or None
        The target crop.
    infer_size_px : int, default 256
        Side of what both networks see: the target crop and the focus crop are resized to it.
    focus_expansion : float, default 1.4
        By how much the window round a change is enlarged.
    longer_side_px : int or None, default 2048
        Target crops are never larger, so that a huge slice fits into memory; published without a
        limit.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    DeviceError
        If the device or precision does not exist.
    """
    net = load_focalclick(required(weights, name))
    traits = Traits(
        name,
        _PROMPTS,
        resample="probability",
        threshold=_THRESHOLD,
        zoom_in=zoom_in,
        longer_side_px=longer_side_px,
        uses_prev=True,
    )
    return FocalClick(
        traits,
        net,
        device=device,
        precision=precision,
        infer_size_px=infer_size_px,
        focus_expansion=focus_expansion,
    )


class FocalClick(NetModel):
    """A coarse network and its refiner, as a `Segmenter`.

    The engine's zoom-in is the target crop. On it, the coarse answer says what the last click
    changed; that window is refined at full resolution. From the eleventh click on everything
    outside the window stays as it was, on the slice outside the crop, too.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    net : FocalClickNet
        Loaded; taken over and changed.
    device, precision, infer_size_px, focus_expansion
        See `build`.

    Notes
    -----
    `Answer.info` tells the window, ``"focus"``: ``(row0, row1, col0, col1)``, half-open, in
    pixels of the view.
    """

    def __init__(
        self,
        traits: Traits,
        net: FocalClickNet,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        infer_size_px: int = 256,
        focus_expansion: float = 1.4,
    ) -> None:
        chosen = choose_device(device)
        dtype = choose_precision(precision, chosen)
        quick = quicken(net)
        cast_layers(quick, dtype)
        self.hosted = OnDevice(quick, chosen, dtype, cast=cast_layers)
        self.infer_size_px = infer_size_px
        self.focus_expansion = focus_expansion
        self.traits = traits

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image, whole and at the size that the coarse network sees, in main memory.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        """
        whole = torch.from_numpy(np.array(image, np.float32, order="C")).permute(2, 0, 1)[None]
        side = self.infer_size_px
        # made once: the coarse network sees it at every click
        small = enlarge(whole, (side, side))
        shape, nbytes = (image.shape[0], image.shape[1]), whole.nbytes + small.nbytes
        return Prepared(shape, _Images(whole, small), nbytes, self.hosted.device_bytes(nbytes))

    def _images(self, prepared: Prepared) -> "_Images":
        """Return them on the device, uploaded by the first question."""
        kept: _Images = prepared.payload
        if self.hosted.device.type == "cpu":
            return kept

        def load() -> _Images:
            exact = not self.hosted.is_half
            whole = upload_picture(kept.whole.numpy(), self.hosted.device, exact=exact)
            # made there, so that it does not travel as well
            side = self.infer_size_px
            return _Images(whole, enlarge(whole, (side, side)))

        return self.hosted.on_device(prepared, load)

    def predict(self, query: Query) -> Answer:
        """Answer one query.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        exact = self.hosted.dtype == torch.float32
        with (
            memory_guard(self.hosted.device),
            torch.inference_mode(),
            convolutions(tf32=not exact),
        ):
            return self._answer(query)

    def _answer(self, query: Query) -> Answer:
        self.hosted.bring()
        images, clicks = self._images(query.prepared), query.prompts.clicks
        before = _logits_before(query)
        # only CUDA has the number formats that the window is found by
        looks_there = self.hosted.is_asynchronous and self.hosted.device.type not in ("mps", "xpu")
        found = self._seen_there(query, images, before) if looks_there else None
        answer, window = self._seen_here(query, images, before) if found is None else found
        keep = len(clicks) > _PROGRESSIVE_AFTER
        if keep:
            # past the limit, what the last click is not about stays as it was
            inside = np.s_[window[0] : window[1], window[2] : window[3]]
            answer, refined = before[0, 0].numpy().copy(), answer[inside]
            answer[inside] = refined
        logits = np.clip(answer, -LOGIT_LIMIT, LOGIT_LIMIT)
        return Answer(logits, info={"focus": window}, keeps_rest=keep)

    def _seen_here(
        self, query: Query, images: "_Images", before: Tensor
    ) -> tuple[FloatArray, Window]:
        """Return the logits, and the window that was looked closer at, found on the processor."""
        shape, clicks, side = query.prepared.shape, query.prompts.clicks, self.infer_size_px
        prev = upload(enlarge(before.sigmoid(), (side, side)).numpy(), self.hosted.device)
        coarse = self._coarse(images.small, self._points(clicks, (0, shape[0], 0, shape[1])), prev)
        # where to look closer is for the processor to say: it needs the coarse answer, at its size
        small = torch.from_numpy(download(coarse.logits, exact=True))
        found = logit(enlarge(small.sigmoid(), shape)[0, 0].numpy())
        window = focus_crop(
            found > _CHANGING_LOGIT,
            before.sigmoid()[0, 0].numpy() > _THRESHOLD,
            clicks[-1] if clicks else None,
            self.focus_expansion,
            frame=query.frame,
        )
        answer = np.array(found)
        inside = self._fine(images.whole, clicks, coarse, window, shape)
        answer[window[0] : window[1], window[2] : window[3]] = inside
        return answer, window

    def _seen_there(
        self, query: Query, images: "_Images", before: Tensor
    ) -> tuple[FloatArray, Window] | None:
        """Do as `_seen_here` on the device, and wait for it once; None where it cannot tell.

        A window that only the device knows is looked at through matrices that follow from it.
        """
        shape, clicks, side = query.prepared.shape, query.prompts.clicks, self.infer_size_px
        device, exact = self.hosted.device, self.hosted.dtype == torch.float32
        # what the network computes in is fine enough to travel in
        prob = upload(before.numpy(), device, None if exact else self.hosted.dtype).float()
        prob = prob.sigmoid()
        # few counts of clicks, so that what was recorded of one serves others
        table = upload(pack_clicks([clicks], doubling=True), device).double()
        whole = torch.tensor([0, shape[0], 0, shape[1]], dtype=torch.float64).to(device)
        points = self._points_there(table, whole)
        coarse = self._coarse(images.small, points, enlarge(prob, (side, side)))
        odds = enlarge(coarse.logits.sigmoid(), shape)[0, 0].clamp(0, 1).logit()
        found = odds.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
        window, is_done = focus_window(
            found > _CHANGING_LOGIT,
            prob[0, 0] > _THRESHOLD,
            clicks[-1] if clicks else None,
            self.focus_expansion,
            frame=query.frame,
        )
        points = self._points_there(table, window)
        inside = self._fine_there(images.whole, points, coarse, window)
        rows, cols = (torch.arange(size, device=device) for size in shape)
        is_in = ((rows >= window[0]) & (rows < window[1]))[:, None]
        is_in = is_in & (cols >= window[2]) & (cols < window[3])
        answer = torch.where(is_in, inside, found)
        told = torch.cat([window, is_done.double()[None]]).float()
        # exact ones first, so that they lie at whole numbers of bytes
        (row0, row1, col0, col1, done), full = download_all((told, True), (answer, exact))
        return (full, (int(row0), int(row1), int(col0), int(col1))) if done else None

    def _coarse(self, image: Tensor, points: Tensor, prev: Tensor) -> Coarse:
        image = image.contiguous(memory_format=torch.channels_last)

        def work(image: Tensor, points: Tensor, prev: Tensor) -> list[Tensor]:
            coarse: Coarse = self.hosted.net(image, points, prev)
            return [coarse.logits, coarse.features]

        logits, features = self.hosted.graphs("coarse", work, image, points, prev)
        return Coarse(logits, None, features)

    def _fine(
        self,
        image: Tensor,
        clicks: Sequence[Click],
        coarse: Coarse,
        window: Window,
        shape: tuple[int, int],
    ) -> FloatArray:
        """Return the refined logits of a window, (row1 - row0, col1 - col0)."""
        row0, row1, col0, col1 = window
        side = self.infer_size_px
        crop = enlarge(image[..., row0:row1, col0:col1], (side, side))
        crop = crop.contiguous(memory_format=torch.channels_last)
        # in x and y, as the published refiner takes it
        box: FocusBox = (
            col0 * side / shape[1],
            row0 * side / shape[0],
            min(col1 * side / shape[1], side),
            min(row1 * side / shape[0], side),
        )
        points = self._points(clicks, window)
        refined = self.hosted.net.refine(crop, points, coarse.features, coarse.logits, box)
        back = F.interpolate(
            refined.logits, (row1 - row0, col1 - col0), mode="bilinear", align_corners=True
        )
        return download(back[0, 0], exact=self.hosted.dtype == torch.float32)

    def _fine_there(self, image: Tensor, points: Tensor, coarse: Coarse, window: Tensor) -> Tensor:
        """Return the refined logits of a window on the device, (H, W); outside they mean nothing.

        Corners lie on corners, as in `enlarge`.
        """
        side, shape, device = self.infer_size_px, image.shape[-2:], image.device
        steps = torch.arange(side, device=device, dtype=torch.float64)
        into, back, spans = [], [], []
        for at, size in enumerate(shape):
            first, stop = window[2 * at], window[2 * at + 1]
            last = (stop - first - 1).clamp_min(0)
            into.append(interpolation(first + steps * last / (side - 1), size))
            places = torch.arange(size, device=device, dtype=torch.float64) - first
            places = places * (side - 1) / last.clamp_min(1)
            back.append(interpolation(places.clamp(0, side - 1), side))
            spans.append((first * side / size, (stop * side / size).clamp_max(side)))
        crop = torch.matmul(torch.matmul(into[0], image), into[1].T)
        box = torch.stack([spans[1][0], spans[0][0], spans[1][1], spans[0][1]])

        def work(*inputs: Tensor) -> list[Tensor]:
            return [self.hosted.net.refine(*inputs).logits]

        (refined,) = self.hosted.graphs(
            "fine",
            work,
            crop.contiguous(memory_format=torch.channels_last),
            points,
            coarse.features,
            coarse.logits,
            box,
        )
        return torch.matmul(torch.matmul(back[0], refined[0, 0].float()), back[1].T)

    def _points(self, clicks: Sequence[Click], window: Window) -> Tensor:
        """Return all clicks in pixels of a window that is resized to the networks' input."""
        row0, row1, col0, col1 = window
        per_row, per_col = self.infer_size_px / (row1 - row0), self.infer_size_px / (col1 - col0)
        moved = [
            Click((c.row - row0) * per_row, (c.col - col0) * per_col, c.positive) for c in clicks
        ]
        return upload(pack_clicks([moved]), self.hosted.device)

    def _points_there(self, table: Tensor, window: Tensor) -> Tensor:
        """Do as `_points` with packed clicks and a window that only the device knows."""
        moved = (table[..., :2] - window[0::2]) * (
            self.infer_size_px / (window[1::2] - window[0::2])
        )
        # absent ones stay absent
        there = torch.cat([moved, table[..., 2:]], -1)
        return torch.where(table[..., 2:] < 0, table, there).float()

    def warm_up(self, shape: tuple[int, int] = (400, 400)) -> None:
        """Answer once on an empty image, in the thread that will predict.

        Parameters
        ----------
        shape : tuple of int, default (400, 400)
            ``(H, W)`` of a view.
        """
        centre = Prompts((Click(shape[0] / 2, shape[1] / 2),))
        self.predict(Query(self.prepare(np.zeros((*shape, 3), np.float32)), centre))


class _Images(NamedTuple):
    """A view as it is and at the coarse network's size, (1, 3, h, w) in main memory."""

    whole: Tensor
    small: Tensor


def _logits_before(query: Query) -> Tensor:
    """Return the previous logits, (1, 1, H, W); certain background where there are none."""
    if query.prev_logits is None:
        # a probability of exactly 0 where there is no answer yet
        return torch.full((1, 1, *query.prepared.shape), -torch.inf)
    return torch.from_numpy(np.array(query.prev_logits, np.float32))[None, None]
