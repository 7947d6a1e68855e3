"""Write `docs/models.md` from the registry: ``python docs/make_models.py [--pictures]``.

With ``--pictures`` the answers on one image are drawn anew, by the models whose weights ship or
that need none; of the others, what they are given and, by `model_flows.py`, what they make of it.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from napari_intseg.models.automatic.hub_models import FAMILIES
from napari_intseg.models.registry import DEFAULT_MODEL, MODELS, ModelSpec
from napari_intseg.models.weights.catalogue import CATALOGUE, badge

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import model_flows  # noqa: E402

PAGE, PICTURES = HERE / "models.md", HERE / "images" / "models"

HEAD = """# Models

Written by `docs/make_models.py` from the registry; `napari-intseg models` shows the same with what
is installed and downloaded here. A licence in **[brackets]** binds: read it before you use the
model or what it makes. Sizes are those of the published weights. How to add a model of your own:
[guides/own-model.md](guides/own-model.md).

## On the same image

One coin among others. The first row are answers of the models whose weights ship or that need none;
the second is what those are given whose weights do not ship: clicks, a box, a box and a click, four
extreme points.

"""
ANSWERS = (
    ("bundled", "bundled, one click"),
    ("bundled-2", "bundled, three clicks"),
    ("bundled-graph-cut", "bundled, one click, refined by graph cut"),
    ("random-walker", "random-walker"),
    ("region-growing", "region-growing"),
    ("grabcut", "grabcut, from a box"),
)
FLOW_HEAD = """
## What each network receives

The same coin once more, as each network is asked about it: on the left what a person gives, in the
middle what the network receives (what guides it in green, and in red for negative clicks), on the
right what it answers, stretched from black to white. **These weights are untrained**, made from the
parameters' names, and the networks are small ones of the same kind: the pictures show the way
through each adapter, and no skill. Other sizes of a network, and what is wrapped round it, receive
the same.

"""
GIVEN = (
    ("given-clicks", "RITM, f-BRS, FocalClick, SimpleClick, FCANet, Forte et al., SAM"),
    ("given-box", "DeepGrabCut, MedSAM, SAM"),
    ("given-box-click", "IOG"),
    ("given-extreme-points", "DEXTR"),
)
TAIL = """
## Options of every model

- **Graph cut** (`segment --refine graph-cut`, `Session(..., graph_cut=GraphCut())`): the answer's
  contour moves onto the edges of the image nearby, by a minimal cut with a contrast term on a band
  of 8 pixels to either side (arXiv:1603.04042). The pixel under a click stays on the click's side;
  pixels outside the band stay as they were.
- **Several answers** (`segment --answer N`, `Session(..., several=True)`): a first click is
  answered in several ways and sizes, stepped through as SAM's are (Latent diversity, MultiSeg).
- **Suggested clicks** (`segment --auto-clicks`, `Session.auto_clicks()`): the model's own doubts
  say where to click next, until it is unsure (after SeedNet).
- **Level set** (`segment --refine level-set`, `Session(..., level_set=LevelSet())`): the outline
  evolves on the logits and the image's edges (after DELSE).
- **Local clicks** (`segment --local`, `Session(..., local=True)`): a click changes only the region
  it is about. **A second look** (`--regional`, `Session(..., regional=True)`): in the region
  between the last click and the nearest of the other sign, enlarged (after RIS-Net).
- **An initial mask** from anywhere: `segment --init LABELS`, *Start from* in the window, or an
  automatic model below.

## Encodings of other papers

A network of one's own in RITM's form may be trained on other inputs; its checkpoint's configuration
names them. `click_maps`: `disk`, `distance` (BRS), `truncated` (Xu et al. 2016) or `gaussian`
(ITIS). `prev_map`: `probability`, or ITIS's distances to the previous mask, `distance` or
`signed_distance`. Those of Xu et al. (arXiv:1603.04042) are drawn after the paper: **unproven**. Of
ITIS (arXiv:1805.04398) distances are those of its code; Gaussians lack its cut at 20 pixels, which
network `itis` has.

## Automatic models, to start from

`napari-intseg start IMAGE --automatic FAMILY --weights FOLDER -o LABELS` reads a folder as the
Hugging Face hub has them, safetensors only, through `transformers` (the extra `automatic`); nothing
is downloaded. Clicks go on from the labels. `--model` takes more: ONNX files with a description,
the BioImage Model Zoo, any such folder, networks of your own, Cellpose, InstanSeg; see
[Automatic starts](guides/automatic.md).

"""


def render() -> str:
    """Return the page."""
    families: dict[str, dict[str, ModelSpec]] = {}
    for name, spec in MODELS.items():
        families.setdefault(spec.family, {})[name] = spec
    flows = [(model_flows.file_of(name), f"`{name}`: {words}") for name, words in model_flows.FLOWS]
    parts = [HEAD, _pictures(ANSWERS), "\n", _pictures(GIVEN), FLOW_HEAD, _in_rows(flows, 3)]
    parts.append("\n## All models\n")
    for family, specs in families.items():
        parts.append(f"\n### {family}\n\n{_family(specs)}")
    return "".join((*parts, TAIL, _automatic()))


def _pictures(pictures: Iterable[tuple[str, str]]) -> str:
    shown = list(pictures)
    return _table(
        [f"![{words.replace('`', '')}](images/models/{file}.png)" for file, words in shown],
        [[words for _, words in shown]],
    )


def _in_rows(pictures: list[tuple[str, str]], wide: int) -> str:
    rows = [pictures[i : i + wide] for i in range(0, len(pictures), wide)]
    return "\n".join(map(_pictures, rows))


def _family(specs: dict[str, ModelSpec]) -> str:
    rows = [
        [
            f"`{name}`" + (" (default)" if name == DEFAULT_MODEL else ""),
            spec.title,
            ", ".join(sorted(spec.prompts)).replace("_", " "),
            _licence(spec.licence, spec.note),
            _size(spec),
            spec.paper,
            f"`[{spec.extra}]`" if spec.extra else "–",
        ]
        for name, spec in specs.items()
    ]
    notes = dict.fromkeys(spec.note for spec in specs.values() if spec.note)
    table = _table(["name", "what", "prompts", "licence", "weights", "paper", "extra"], rows)
    return table + "".join(f"\n{note[0].upper()}{note[1:]}.\n" for note in notes)


def _automatic() -> str:
    rows = [
        [
            f"`{family.name}`",
            family.title,
            "image, text" if family.takes_text else "image",
            _licence(family.licence, family.note),
            family.paper,
        ]
        for family in FAMILIES.values()
    ]
    return _table(["family", "what", "takes", "licence of the published weights", "paper"], rows)


def _licence(licence: str, note: str) -> str:
    how = badge(licence, note)
    return licence + (f" **[{how}]**" if how else "")


def _size(spec: ModelSpec) -> str:
    keys = [spec.weights, *(MODELS[part].weights for part in spec.parts)]
    sizes = [CATALOGUE[key].size_mb for key in keys if key is not None]
    if not sizes:
        return "none"
    return "not published" if None in sizes else f"{sum(filter(None, sizes)):g} MB"


def _table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def draw() -> None:
    """Draw all pictures."""
    import numpy as np
    from PIL import Image
    from skimage import data

    from napari_intseg.cli.output_forms import overlay
    from napari_intseg.core.prompts import Box, Click
    from napari_intseg.core.volume import Volume
    from napari_intseg.inference.refinement import GraphCut
    from napari_intseg.models.registry import load_model
    from napari_intseg.session.session import Session

    grey = np.asarray(data.coins())[120:250, 280:384]
    rgb = np.repeat(grey[..., None] / np.float32(255), 3, axis=2).astype(np.float32)
    one, more = (Click(66, 67),), (Click(66, 67), Click(66, 20, False), Click(88, 66))
    box = Box(32, 31, 102, 102)
    ends = (Click(37, 67), Click(97, 66), Click(67, 36), Click(67, 98))

    def save(name: str, labels: np.ndarray, clicks: tuple[Click, ...], box: Box | None) -> None:
        picture = overlay(rgb, labels.astype(np.int32), clicks)
        if box is not None:
            k = picture.shape[0] // labels.shape[0]
            r0, c0, r1, c1 = (round(v * k) for v in (box.row0, box.col0, box.row1, box.col1))
            for part in (np.s_[r0 : r1 + 1, [c0, c1]], np.s_[[r0, r1], c0 : c1 + 1]):
                picture[part] = (255, 220, 0)
        PICTURES.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(picture)
        small.thumbnail((200, 200))
        small.save(PICTURES / f"{name}.png", optimize=True)

    def answer(
        name: str,
        clicks: tuple[Click, ...],
        box: Box | None = None,
        *,
        by: str = "",
        cut: bool = False,
    ) -> None:
        model = load_model(by or name, device="cpu")
        session = Session(model, Volume(grey), graph_cut=GraphCut() if cut else None)
        if box is not None:
            session.set_box(box)
        for click in clicks:
            session.click((click.row, click.col), positive=click.positive)
        save(name, session.mask, clicks, box)

    answer("bundled", one)
    answer("bundled-2", more, by="bundled")
    answer("bundled-graph-cut", one, by="bundled", cut=True)
    answer("random-walker", one)
    answer("region-growing", one)
    answer("grabcut", (), box)
    empty = np.zeros(grey.shape, np.int32)
    save("given-clicks", empty, more, None)
    save("given-box", empty, (), box)
    save("given-box-click", empty, one, box)
    save("given-extreme-points", empty, ends, None)


def main() -> None:
    """Write the page, and the pictures if they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", action="store_true", help="draw the pictures anew, too")
    if parser.parse_args().pictures:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        draw()
        model_flows.draw(PICTURES)
    PAGE.write_text(render(), "utf-8")


if __name__ == "__main__":
    main()
