"""Draw how each network is asked: the prompt, what the network receives, and what it answers.

Weights are not at hand, so the networks are the small ones of the contract test, with weights made
from their parameters' names: the pictures show the way through each adapter and no skill.
"""

import importlib.util
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent

FLOWS = (
    ("ritm-hrnet18s", "RITM: discs of the clicks, and the previous mask"),
    ("fbrs-resnet34", "f-BRS: saturating distances to the clicks"),
    ("simpleclick-vit-b", "SimpleClick: discs, at a fixed size"),
    ("focalclick-hrnet18s-s2", "FocalClick HRNet: discs, on the target crop"),
    ("focalclick-segformer-b0-s2", "FocalClick SegFormer: the same"),
    ("fcanet", "FCANet: distances, the first click apart"),
    ("forte", "Forte et al.: clicks in three widths"),
    ("dextr", "DEXTR: a crop, a bump on each extreme point"),
    ("deepgrabcut", "DeepGrabCut: distances to the box"),
    ("iog", "IOG: a crop, bumps inside and on the corners"),
    ("sam-vit-b", "SAM: a padded square; prompts join later"),
    ("sam-hq-vit-b", "SAM-HQ: the same"),
    ("mobile-sam", "MobileSAM: the same"),
    ("efficient-sam-vitt", "EfficientSAM: a stretched square"),
    ("sam2.1-tiny", "SAM 2.1: a stretched square"),
)
"""One name of each network; other sizes of it and wrappers round it receive the same."""

PANEL_PX = 132
_GAP_PX = 4


def file_of(name: str) -> str:
    """Return the stem of a network's picture."""
    return f"flow-{name}"


def draw(folder: Path) -> None:
    """Draw a picture of each network of `FLOWS` into a folder."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    zoo = _small_zoo()
    with TemporaryDirectory() as files, zoo.small_zoo(Path(files), few_places=False):
        for name, _ in FLOWS:
            _panels(name).save(folder / f"{file_of(name)}.png", optimize=True)


def _small_zoo() -> Any:
    sys.path.append(str(HERE.parent / "tests" / "helpers"))
    return importlib.import_module("small_zoo")


def _panels(name: str) -> Any:
    """Return prompt, input and answer side by side."""
    import numpy as np
    from PIL import Image

    from napari_intseg.core.prompts import Box, Click, Prompts
    from napari_intseg.inference.intensity import Intensity
    from napari_intseg.inference.predict import Options, predict_slice
    from napari_intseg.models.registry import MODELS, load_model

    rgb = _image()
    box = Box(32, 31, 102, 102)
    kinds = MODELS[name].prompts
    prompts = Prompts((Click(66, 67), Click(66, 20, False), Click(88, 66)))
    if "extreme_points" in kinds:
        prompts = Prompts((Click(37, 67), Click(97, 66), Click(67, 36), Click(67, 98)))
    elif kinds == {"box"}:
        prompts = Prompts(box=box)
    elif name == "iog":
        prompts = Prompts((Click(66, 67),), box)
    model = load_model(name, device="cpu", precision="float32")
    with _Watch(model) as watch:
        answer = predict_slice(
            model, lambda rows, cols: rgb[rows, cols], rgb.shape[:2], prompts,
            Options(Intensity(), flip=False),
        )  # fmt: skip
    logits = answer.patch.full()
    inner = [slice(n // 10, -(n // 10)) for n in logits.shape]  # padding shows at the border
    low, high = np.percentile(logits[inner[0], inner[1]], (2, 98))
    found = np.clip((logits - low) / max(high - low, 1e-9), 0, 1)
    parts = [_marked(rgb, prompts), watch.picture(), np.repeat(found[..., None], 3, axis=2)]
    strip = Image.new("RGB", (3 * PANEL_PX + 2 * _GAP_PX, PANEL_PX), (255, 255, 255))
    for i, part in enumerate(parts):
        one = Image.fromarray((255 * np.clip(part, 0, 1)).astype(np.uint8))
        one = one.resize((PANEL_PX, PANEL_PX), Image.Resampling.BILINEAR)
        strip.paste(one, (i * (PANEL_PX + _GAP_PX), 0))
    return strip


def _image() -> Any:
    """Return the coin that all models are asked about, RGB in bytes."""
    import numpy as np
    from skimage import data

    grey = np.asarray(data.coins())[120:250, 280:384]
    return np.repeat(grey[..., None], 3, axis=2)


def _marked(rgb: Any, prompts: Any) -> Any:
    """Return the image with what a person gives."""
    import numpy as np

    picture = rgb / np.float32(255)
    rows, cols = np.ogrid[: rgb.shape[0], : rgb.shape[1]]
    for click in prompts.clicks:
        near = np.hypot(rows - click.row, cols - click.col)
        picture[near <= 4] = (1, 1, 1)
        picture[near <= 3] = (0.1, 0.7, 0.2) if click.positive else (0.9, 0.1, 0.1)
    if prompts.box is not None:
        box = prompts.box
        r0, c0, r1, c1 = (round(v) for v in (box.row0, box.col0, box.row1, box.col1))
        for part in (np.s_[r0 : r1 + 1, [c0, c1]], np.s_[[r0, r1], c0 : c1 + 1]):
            picture[part] = (1, 0.86, 0)
    return picture


def _stretched(values: Any) -> Any:
    low, high = float(values.min()), float(values.max())
    return (values - low) / max(high - low, 1e-9)


class _Watch:
    """Notes what the networks of a model receive while it is asked."""

    def __init__(self, model: Any) -> None:
        self._modules = _networks(model)
        self._inputs: list[Any] = []
        self._drawn: list[Any] = []
        self._beside: list[Any] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> "_Watch":
        from napari_intseg.models.nets.click_maps import ClickMaps

        for net in self._modules:
            for module in net.modules():
                if isinstance(module, ClickMaps):
                    self._hooks.append(module.register_forward_hook(self._note_maps))
                else:
                    self._hooks.append(module.register_forward_pre_hook(self._note_input))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _note_maps(self, _module: Any, _given: Any, maps: Any) -> None:
        if not self._drawn:
            self._drawn.append(maps.float()[0].cpu().numpy())

    def _note_input(self, _module: Any, given: tuple[Any, ...]) -> None:
        maps = [one.detach().float()[0].cpu().numpy() for one in given
                if getattr(one, "ndim", 0) == 4]  # fmt: skip
        if not self._inputs and maps and len(maps[0]) >= 3:
            self._inputs.append(maps[0])
            self._beside += [one for one in maps[1:2] if one.shape[1:] == maps[0].shape[1:]]

    def picture(self) -> Any:
        """Return the image that came in; what guides it in green and red on top."""
        import numpy as np

        seen = self._inputs[0]
        image = _stretched(np.moveaxis(seen[:3], 0, -1))
        guides = next(iter([*self._drawn, *self._beside]), seen[3:])
        if len(guides) and guides.shape[1:] == image.shape[:2]:
            colours = ((0.2, 0.9, 0.3), (1, 0.2, 0.2))
            shown = guides[[5, 2]] if len(guides) == 6 else guides[:2]  # Forte: background first
            for guide, colour in zip(shown, colours, strict=False):
                share = 0.8 * _stretched(guide)[..., None]
                image = (1 - share) * image + share * np.array(colour)
        return image


def _networks(model: Any) -> list[Any]:
    """Return the networks that a model is made of."""
    if hasattr(model, "parts"):
        return [net for part in model.parts for net in _networks(part)]
    return [model.net]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
