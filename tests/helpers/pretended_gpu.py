"""Ask every adapter on a device that only pretends to be one, and count what travels.

    python tests/helpers/pretended_gpu.py [MODEL ...]

Tensors on it have a shape and a place but no values (PyTorch's fake tensors, on the backend that is
kept free for others), so that a wrong place is an error, and copies with their bytes and reads that
wait for the device can be counted. PyTorch is patched for that: hence a process of its own, which
writes one line of JSON a model. What it computes, and how fast, it cannot tell.
"""

import contextlib
import json
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

KIND = "pretended"
DEVICE = f"{KIND}:0"
WAITING = (
    "aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.equal", "aten._unique2",
)  # fmt: skip
"""Operations whose outcome the processor needs before it can go on."""

SAME_MEMORY = (
    "view", "expand", "permute", "t.default", "slice", "select", "squeeze", "detach", "transpose",
    "as_strided", "alias", "split", "unbind", "lift_fresh", "empty", "chunk",
)  # fmt: skip
"""Parts of names of operations that compute nothing."""


def site() -> str:
    """Return the line of ours that is being run."""
    for frame in reversed(traceback.extract_stack()):
        if "napari_intseg/" in frame.filename:
            return f"{frame.filename.split('napari_intseg/')[-1]}:{frame.lineno}"
    return "?"


def kind_of(value: Any) -> str:
    return value.device.type if isinstance(value, torch.Tensor) else ""


class Counter(TorchDispatchMode):
    """Counts copies up and down, with their bytes, reads that wait, and what else is launched."""

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def clear(self) -> None:
        self.up: list[tuple[int, str]] = []
        self.down: list[tuple[int, str]] = []
        self.waits: list[tuple[str, str]] = []
        self.launches = 0

    def counts(self) -> dict[str, Any]:
        return {
            "up": len(self.up), "up_bytes": sum(n for n, _ in self.up),
            "down": len(self.down), "down_bytes": sum(n for n, _ in self.down),
            "waits": len(self.waits), "launches": self.launches,
            "where": sorted({where for _, where in (*self.up, *self.down, *self.waits)}),
        }  # fmt: skip

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = str(func)
        inputs = [one for one in tree_leaves(args) if isinstance(one, torch.Tensor)]
        there = any(kind_of(one) == KIND for one in inputs)
        by_mask = name == "aten.index.Tensor" and any(one.dtype == torch.bool for one in inputs)
        if there and (by_mask or name.startswith(WAITING)):
            self.waits.append((name, site()))
        if (there or kind_of(out) == KIND) and not any(word in name for word in SAME_MEMORY):
            self.launches += 1
        if name in ("aten._to_copy.default", "aten.copy_.default"):
            target = out if name == "aten._to_copy.default" else args[0]
            source = args[0] if name == "aten._to_copy.default" else args[1]
            size = int(target.numel() * target.element_size())
            if (kind_of(source), kind_of(target)) == ("cpu", KIND):
                self.up.append((size, site()))
            if (kind_of(source), kind_of(target)) == (KIND, "cpu"):
                self.down.append((size, site()))
        return out


COUNTER = Counter()


class Fakes:
    """Makes tensors of PyTorch into fake ones where they meet the device."""

    mode: FakeTensorMode | None = None


def patch_torch() -> None:
    """Let fake tensors be given what only real ones have."""
    device = types.SimpleNamespace(
        get_amp_supported_dtype=lambda: [torch.float16, torch.bfloat16],
        is_available=lambda: True, current_device=lambda: 0, device_count=lambda: 1,
        is_initialized=lambda: False, _is_in_bad_fork=lambda: False, manual_seed_all=lambda _: None,
    )  # fmt: skip
    _setup_privateuseone_for_python_backend(KIND, device)
    torch.inference_mode = lambda *_, **__: torch.no_grad()  # fake tensors know no inference mode
    torch.autocast = lambda *_, **__: contextlib.nullcontext()
    torch.allclose = lambda *_, **__: True  # there are no values to compare
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    tensor = torch.Tensor
    for name, value in {
        "__bool__": lambda _: True, "__int__": lambda _: 0, "__float__": lambda _: 0.5,
        "item": lambda t: 0.5 if t.is_floating_point() else 0,
        "tolist": lambda t: np.zeros(tuple(t.shape)).tolist(),
    }.items():  # fmt: skip
        setattr(tensor, name, reading(name, value, getattr(tensor, name)))
    tensor.numpy = as_array(tensor.numpy)
    tensor.to = taking_over(tensor.to)
    torch.tensor = made_there(torch.tensor)
    tensor.new_tensor = made_beside(tensor.new_tensor, torch.tensor)
    plain = torch.from_numpy
    torch.from_numpy = lambda values: (
        plain(np.array(values)) if Fakes.mode is None
        else Fakes.mode.from_tensor(plain(np.array(values)))
    )  # fmt: skip


def reading(name: str, value: Callable[[Any], Any], original: Any) -> Any:
    def read(self: Any, *args: Any) -> Any:
        if not isinstance(self, FakeTensor):
            return original(self, *args)
        if kind_of(self) == KIND:
            COUNTER.waits.append((name, site()))
        return value(self)

    return read


def as_array(original: Any) -> Any:
    def numpy(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, FakeTensor):
            return original(self, *args, **kwargs)
        assert kind_of(self) == "cpu", f"numpy() of a tensor on the device, {site()}"
        dtype = {torch.bool: bool, torch.int64: np.int64, torch.uint8: np.uint8}
        return np.ones(tuple(int(n) for n in self.shape), dtype.get(self.dtype, np.float32))

    return numpy


def taking_over(original: Any) -> Any:
    def to(self: Any, *args: Any, **kwargs: Any) -> Any:
        goes_there = any(KIND in str(one) for one in (*args, *kwargs.values()))
        if Fakes.mode is not None and goes_there and not isinstance(self, FakeTensor):
            self = Fakes.mode.from_tensor(self)
        return original(self, *args, **kwargs)

    return to


def made_there(original: Any) -> Any:
    def tensor(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        if Fakes.mode is not None and device is not None and KIND in str(device):
            return Fakes.mode.from_tensor(original(data, *args, **kwargs)).to(device)
        return original(data, *args, device=device, **kwargs)

    return tensor


def made_beside(original: Any, make: Any) -> Any:
    def new_tensor(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        if Fakes.mode is not None and isinstance(self, FakeTensor) and kind_of(self) == KIND:
            return make(data, dtype=self.dtype, device=DEVICE)
        return original(self, data, *args, **kwargs)

    return new_tensor


def inside(model: Any) -> Iterator[Any]:
    """Yield an adapter and all of ours that it is made of."""
    seen: set[int] = set()

    def walk(one: Any) -> Iterator[Any]:
        if id(one) in seen:
            return
        seen.add(id(one))
        yield one
        for other in [*getattr(one, "parts", ()), *vars(one).values()]:
            ours = type(other).__module__.startswith("napari_intseg")
            if ours and hasattr(other, "__dict__") and not isinstance(other, nn.Module):
                yield from walk(other)

    yield from walk(model)


def tensors_of(value: Any) -> Iterator[torch.Tensor]:
    """Yield all tensors in what an adapter keeps, but for its networks."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | WeakKeyDictionary):
        yield from tensors_of(list(value.values()))
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from tensors_of(one)
    elif hasattr(value, "tensors") or hasattr(value, "payload"):
        yield from tensors_of(getattr(value, "tensors", None) or value.payload)


def move(model: Any) -> None:
    """Have a model's networks on the device, whose weights then have no values."""
    for part in inside(model):
        if hasattr(part, "bring") and hasattr(part, "device"):
            part.device = torch.device(DEVICE)
        for net in [one for one in vars(part).values() if isinstance(one, nn.Module)]:
            for module in net.modules():
                for name, value in list(module._parameters.items()):
                    if value is not None:
                        fake = Fakes.mode.from_tensor(value.detach()).to(DEVICE)
                        module._parameters[name] = nn.Parameter(fake, requires_grad=False)
                for name, value in list(module._buffers.items()):
                    module._buffers[name] = Fakes.mode.from_tensor(value).to(DEVICE)


BATCH = 8
WHOLE_BATCHES = ("bundled", "ritm-hrnet18s")
"""Models that are asked about as many images in a batch. SAMs, whose decoder takes what is alike in
form, are asked about one; of the others two questions are enough to see that each tensor is in its
place."""


def counted(name: str, work: Callable[[], Any]) -> dict[str, Any]:
    COUNTER.clear()
    work()
    return {name: COUNTER.counts()}


def replayed(model: Any, query: Any, image: np.ndarray) -> dict[str, Any]:
    """Return what travels when what a model does was recorded: a graph is one launch."""
    from napari_intseg.models.device import CudaGraphs, Recording

    def launch() -> None:
        COUNTER.launches += 1

    inside: list[int] = []

    def record(work: Any, inputs: Any) -> Recording:
        places = tuple(one.clone() for one in inputs)
        COUNTER.clear()
        outputs = tuple(work(*places))
        # what is recorded may not come from main memory or go there: CUDA refuses it
        inside.append(len(COUNTER.up) + len(COUNTER.down) + len(COUNTER.waits))
        return Recording(places, outputs, launch)

    kept = model.hosted.graphs
    model.hosted.graphs = CudaGraphs(record, kind=KIND)
    for _ in range(3):
        model.prepare(image)
        model.predict(query)
    found = {
        **counted("prepare_replayed", lambda: model.prepare(image)),
        **counted("replayed", lambda: model.predict(query)),
        "recorded": len(model.hosted.graphs), "travels_inside": sum(inside),
    }  # fmt: skip
    model.hosted.graphs = kept
    return found


def cut_out(model: Any, prompts: Any, side: tuple[int, int]) -> dict[str, Any]:
    """Return what travels when two views of a slice in bytes are asked about."""
    from napari_intseg.core.segmenter import PictureView, Query, SlicePicture

    picture = SlicePicture(np.zeros(side, np.uint8))
    whole = PictureView(picture, (0, side[0], 0, side[1]), side)
    crop = PictureView(picture, (16, side[0] - 16, 20, side[1] - 20), side)

    def ask(view: Any) -> Any:
        return model.predict(Query(model.prepare(view), prompts))

    return {**counted("picture", lambda: ask(whole)), **counted("crop", lambda: ask(crop))}


def count(name: str) -> dict[str, Any]:
    """Return what travels when an image is prepared, and at its first, second and third click."""
    from napari_intseg.core.segmenter import Query
    from napari_intseg.models.registry import MODELS, load_model
    from napari_intseg.testing import phantom_image, prompts_for

    model: Any = load_model(name, device="cpu", precision="float16")
    side = (224, 224) if MODELS[name].family == "simpleclick" else (256, 384)
    image, truth = phantom_image(shape=side)
    prompts = prompts_for(model.traits, truth)
    Fakes.mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
    found: dict[str, Any] = {"image_bytes": image.nbytes, "pixels": image.shape[0] * image.shape[1]}
    try:
        with Fakes.mode, COUNTER:
            move(model)
            prepared, prev, state = None, None, None
            for step in ("prepare", "first", "second", "third"):
                COUNTER.clear()
                if prepared is None:
                    prepared = model.prepare(image)
                    found["nbytes"] = prepared.nbytes
                    found["device_nbytes"] = prepared.device_nbytes
                else:
                    answer = model.predict(Query(prepared, prompts, prev, state))
                    prev, state = answer.logits, answer.state
                found[step] = COUNTER.counts()
            several = name in WHOLE_BATCHES
            if hasattr(model, "predict_batch"):
                same = [prepared] * (BATCH if model.traits.embeds else 2)
                seen = [model.prepare(image) for _ in range(BATCH)] if several else same
                queries = [Query(one, prompts, prev) for one in seen]
                found |= counted("batch", lambda: model.predict_batch(queries))
            if name in WHOLE_BATCHES:
                found |= cut_out(model, prompts, side)
            if hasattr(model, "follow"):
                planes = model.follow(lambda _: image, range(1, 5), masks={0: truth > 0})
                next(planes)
                found |= counted("followed", lambda: [next(planes) for _ in range(2)])
            if hasattr(model, "prepare_batch"):
                images = [image] * (BATCH if several else 2)
                found |= counted("prepare_batch", lambda: model.prepare_batch(images))
            if hasattr(getattr(model, "hosted", None), "graphs"):
                found |= replayed(model, Query(prepared, prompts, prev, state), image)
            networks_to = nn.Module.to
            nn.Module.to = lambda self, *_, **__: (
                self
            )  # weights without values cannot be moved back
            model.release()
            nn.Module.to = networks_to
            held = [prepared.payload, *(vars(part) for part in inside(model))]
            found["left"] = sum(kind_of(one) == KIND for one in tensors_of(held))
    finally:
        Fakes.mode = None
    return found


def main() -> None:
    """Print the counts of models, all that have a network by default."""
    from napari_intseg.models.registry import MODELS
    from small_zoo import small_zoo

    patch_torch()
    without = ("random walker", "region growing", "grabcut")
    names = sys.argv[1:] or [
        name for name, spec in {s.builder: (n, s) for n, s in MODELS.items()}.values()
        if spec.family not in without
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, small_zoo(Path(folder)):
        for name in names:
            try:
                found = count(name)
            except Exception as err:
                frames = traceback.extract_tb(err.__traceback__)
                where = [f"{f.filename}:{f.lineno}" for f in frames if "intseg" in f.filename]
                found = {"error": f"{type(err).__name__}: {err}"[:300], "at": where[-1:]}
            sys.stdout.write(json.dumps({"model": name, **found}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(Path(__file__).parent))
    main()
