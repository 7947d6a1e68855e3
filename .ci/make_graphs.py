"""Write the graphs in which ONNX Runtime computes the bundled network: `python .ci/make_graphs.py`.

They are needed anew only when the network changes; weights are not in them. Needs `torch` and
`onnx`.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from napari_intseg.models.bundled_engine import CHANGED, KEPT
from napari_intseg.models.nets import click_pyramid
from napari_intseg.models.nets.click_pyramid import ClickPyramid

VIEW = {0: "batch", 2: "height", 3: "width"}


class Encode(nn.Module):
    """A view to what is kept of it."""

    def __init__(self, net: ClickPyramid) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return what is kept of a view."""
        return tuple(self.net.encode(image))


class Prompted(nn.Module):
    """What is kept of a view, changed by what is drawn on it."""

    def __init__(self, net: ClickPyramid) -> None:
        super().__init__()
        self.net = net

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Return the maps, changed."""
        *maps, drawn = given
        return tuple(self.net.prompted(maps, drawn))


class Reply(nn.Module):
    """What is kept of a view, and clicks, to logits; disks are drawn outside of the graph."""

    def __init__(self, net: ClickPyramid) -> None:
        super().__init__()
        self.net = net

    def forward(self, *given: Tensor) -> Tensor:
        """Return logits."""
        *kept, clicks, disks, prev = given
        drawn = click_pyramid.draw_disks
        click_pyramid.draw_disks = lambda *_: disks
        try:
            return self.net.answer(kept, clicks, prev)
        finally:
            click_pyramid.draw_disks = drawn


def graphs() -> dict[str, onnx.ModelProto]:
    """Return the graphs by the names of their files."""
    net = ClickPyramid().eval().fold()
    for weight in net.parameters():  # those that are alike would become one
        weight.data.normal_()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        kept = tuple(net.encode(image))
    clicks, prev = torch.tensor([[[10.0, 12, 1], [30, 40, -1]]]), torch.zeros(1, 1, 64, 96)
    disks = click_pyramid.draw_disks(clicks, (64, 96))
    axes: dict[str, dict[int, str]] = {
        name: {0: "batch", 2: f"height{i}", 3: f"width{i}"} if i < 5 else {0: "batch", 3: f"n{i}"}
        for i, name in enumerate(KEPT)
    }
    changed = [f"{name}.prompted" for name in CHANGED]
    asked = {"clicks": {0: "batch", 1: "count"}, "disks": VIEW, "prev": VIEW, "logits": VIEW}
    drawn, net.drawn = net.drawn, None
    made = {
        "click-pyramid-1.encode.onnx": _graph(
            Encode(net), (image,), ["image"], list(KEPT), {"image": VIEW, **axes}
        ),
        "click-pyramid-1.answer.onnx": _graph(
            Reply(net), (*kept, clicks, disks, prev), [*KEPT, "clicks", "disks", "prev"],
            ["logits"], {**axes, **asked},
        ),
    }  # fmt: skip
    net.drawn = drawn
    made["click-pyramid-1.prompt.onnx"] = _graph(
        Prompted(net), (*kept[:5], torch.rand(1, 1, 64, 96)), [*CHANGED, "drawn"], changed,
        {**{n: axes[n.removesuffix(".prompted")] for n in (*CHANGED, *changed)}, "drawn": VIEW},
    )  # fmt: skip
    return made


def _graph(
    module: nn.Module, example: Any, inputs: list[str], outputs: list[str], axes: Any
) -> onnx.ModelProto:
    """Return a module's graph, its weights named and left out."""
    stream = BytesIO()
    torch.onnx.export(
        module, example, stream, input_names=inputs, output_names=outputs, dynamic_axes=axes,
        dynamo=False, do_constant_folding=False, opset_version=17,
    )  # fmt: skip
    model = onnx.load_from_string(stream.getvalue())
    for one in model.graph.initializer:
        one.ClearField("raw_data")
        one.data_location = onnx.TensorProto.EXTERNAL
        entry = one.external_data.add()
        entry.key, entry.value = "location", "weights"  # given by name when a session is made
        one.name = one.name.removeprefix("net.")
    for node in model.graph.node:
        node.ClearField("doc_string")
        names = [name.removeprefix("net.") for name in node.input]
        del node.input[:]
        node.input.extend(names)
    return model


def main() -> None:
    """Write them."""
    folder = Path(__file__).resolve().parents[1] / "weights"
    for name, model in graphs().items():
        (folder / name).write_bytes(model.SerializeToString(deterministic=True))
        print(folder / name, file=sys.stderr)


if __name__ == "__main__":
    main()
