"""Tiny ONNX networks that answer by arithmetic on the image, so that answers are known."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def save(
    path: Path, nodes, outputs, *, initializers=(), sides=("h", "w"), layout="NCHW", channels=3
):
    """Save a network with one image ``x`` as input; outputs by name with their numbers of axes."""
    shape = [1, channels, *sides] if layout == "NCHW" else [1, *sides, channels]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    told = [
        helper.make_tensor_value_info(name, kind, [None] * axes) for name, axes, kind in outputs
    ]
    graph = helper.make_graph(nodes, "small", [given], told, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def linear(path: Path, weights, bias, *, name="classes", **options):
    """A 1x1 convolution: as many maps as weights has rows."""
    weights = np.asarray(weights, np.float32)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], [name], kernel_shape=[1, 1])]
    return save(
        path, nodes, [(name, 4, FLOAT)],
        initializers=[constant("w", weights[:, :, None, None]), constant("b", bias)], **options,
    )  # fmt: skip


def always(path: Path, arrays, **options):
    """A network that gives the same arrays whatever it sees, but must see something."""
    nodes, told, kept = [helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0)], [], []
    for name, given in arrays.items():
        values = np.asarray(given)
        kind = INT if values.dtype.kind == "i" else FLOAT
        dtype = np.int64 if kind == INT else np.float32
        kept.append(constant(f"{name}_0", values, dtype))
        nodes.append(helper.make_node("Mul", ["m", "zero"], [f"{name}_m"]))
        cast = helper.make_node("Cast", [f"{name}_m"], [f"{name}_z"], to=kind)
        nodes += [cast, helper.make_node("Add", [f"{name}_0", f"{name}_z"], [name])]
        told.append((name, values.ndim, kind))
    kept.append(constant("zero", 0.0))
    return save(path, nodes, told, initializers=kept, **options)
