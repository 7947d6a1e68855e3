"""Read a checkpoint safely: tensors and plain values alone, nothing of it is run.

PyTorch's, and TensorFlow's without TensorFlow.
"""

import math
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.errors import WeightsError

MOST_OPERATIONS = 2_000_000
"""Of one pickle; the largest published checkpoint has some 50,000."""

MOST_VALUES = 10_000_000
MOST_DEEP = 100
"""Values in a container and all inside it, counted as often as they are referred to, and how deep
they lie. A few bytes can refer to one another 2^60 times; comparing or printing such a value never
ends. Published checkpoints lie 15 deep."""

# bytes of a pickle: tensors are stored apart, and what is pickled is names and shapes
_MOST_PICKLE_BYTES = 1 << 28
# a tensor may have more values than its storage (expanded) up to so many: a mask or an index, not
# weights
_EXPANDED = 1 << 24
# pickles in a file from before torch 1.6: magic number, protocol, system, values, keys
_PICKLES = 5

# what torch calls to make a tensor of a storage
_REBUILD = frozenset(f"torch._utils._rebuild_tensor{end}" for end in ("", "_v2", "_v3"))
# and all else that checkpoints of tensors and plain values call
_CALLED = _REBUILD | {
    "collections.OrderedDict", "builtins.set", "builtins.complex", "torch.Size", "torch.device",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2", "torch.serialization._get_layout", "_codecs.encode",
}  # fmt: skip
# as pickles before protocol 3 name it
_RENAMED = {"__builtin__": "builtins"}
_NAMED = frozenset({"torch.Tensor", "torch.nn.parameter.Parameter"})
_DTYPES = ("float", "bfloat", "int", "uint", "bool", "complex", "half", "double", "long")
# bytes of one value; what is not listed has one byte
_BYTES = {
    "ComplexDouble": 16, "ComplexFloat": 8, "Double": 8, "Long": 8, "Float": 4, "Int": 4,
    "QInt32": 4, "Half": 2, "BFloat16": 2, "Short": 2,
}  # fmt: skip


class UnsafeError(Exception):
    """A checkpoint asks for something else than tensors and plain values."""


class DamagedError(Exception):
    """A checkpoint is not what torch writes."""


@dataclass(eq=False, slots=True)
class _Node:
    """A value that a pickle would make."""

    kind: str = "value"
    value: Any = None
    parts: list["_Node"] = field(default_factory=list)


def check_pickles(path: Path, stand_ins: Collection[str] = ()) -> None:
    """Check that a torch file makes tensors and plain values, bounded by its own size.

    Parameters
    ----------
    path : Path
        A torch file, new (zip) or old.
    stand_ins : collection of str
        Further names that it may mention and call.

    Raises
    ------
    UnsafeError
        If it names or calls anything else: it asks to run code, or for memory without bound.
    DamagedError
        If it is cut off or makes no sense.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        if is_zip:
            _check_zip(path, size, stand_ins)
            return
        for number in range(_PICKLES):
            root = _scan(_Within(file, size), stand_ins, _held_in_file(size))
            if number == 0 and not isinstance(root.value, int):
                # a bare pickle: torch tells that it is no checkpoint
                return


def _check_zip(path: Path, size: int, stand_ins: Collection[str]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            # torch looks for parts without regard to case
            names = [entry.filename.casefold() for entry in entries]
            # two parts of one name are read differently by different programs
            if len(set(names)) < len(names) or sum(e.file_size for e in entries) > size:
                raise UnsafeError("parts that take more memory than the file has bytes")
            pickles = [e for e in entries if e.filename.rpartition("/")[2] == "data.pkl"]
            if len(pickles) != 1:
                raise DamagedError("it has no data.pkl")
            held = {e.filename.rpartition("/data/")[2]: e.file_size for e in entries}
            with archive.open(pickles[0]) as stream:
                # sizes in a zip may lie, so no more is read than is declared
                limit = min(pickles[0].file_size, _MOST_PICKLE_BYTES)
                _scan(_Within(stream, limit), stand_ins, _held_in_zip(held))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as err:
        raise DamagedError(str(err) or "it is cut off") from err


class _Within:
    """A stream that is never asked for more than it can hold."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        got: bytes = self._stream.read(wanted)
        self._left -= len(got)
        return got

    def readline(self) -> bytes:
        # a line of a pickle is a name or a number; a megabyte is more than any
        got: bytes = self._stream.readline(min(self._left, 1 << 20))
        self._left -= len(got)
        return got

    def tell(self) -> int:
        # places are not asked about
        return 0


Held = Callable[[str, int], bool]


def _held_in_zip(sizes: Mapping[str, int]) -> Held:
    return lambda key, count: count <= sizes.get(key, -1)


def _held_in_file(size: int) -> Held:
    """Return whether all storages together, each counted once, fit into a file."""
    seen: dict[str, int] = {}

    def holds(key: str, count: int) -> bool:
        seen[key] = max(count, seen.get(key, 0))
        return sum(seen.values()) <= size

    return holds


def _scan(stream: _Within, stand_ins: Collection[str], holds: Held) -> _Node:
    """Follow one pickle without making anything of it; return what its last value would be."""
    try:
        machine = _Machine(stand_ins)
        # it has what is asked for: read, readline and tell
        readable: Any = stream
        for count, (opcode, argument, _) in enumerate(pickletools.genops(readable)):
            # counted here, since a small file may hold any number of cheap operations
            if count > MOST_OPERATIONS:
                raise UnsafeError("more values than a checkpoint has")
            machine.do(opcode.name, argument)
        root = machine.stack[-1]
    except (UnsafeError, OSError):
        raise
    except Exception as err:
        # pickletools has no error of its own: whatever it is, it is damaged
        raise DamagedError(" ".join(str(err).split())[:200] or type(err).__name__) from err
    _check_size(machine.nodes)
    for node in machine.nodes:
        if node.kind == "call":
            _check_call(node, stand_ins, holds)
    return root


class _Machine:
    """The stack and memory of a pickle, over nodes."""

    def __init__(self, stand_ins: Collection[str]) -> None:
        self.stack: list[_Node] = []
        self.nodes: list[_Node] = []
        self._marks: list[int] = []
        self._memo: dict[int, _Node] = {}
        self._stand_ins = stand_ins

    def do(self, name: str, argument: Any) -> None:
        """Follow one operation."""
        if name in _MAKE_FROM_MARK:
            self._push("container", parts=self._to_mark())
        elif name in _MAKE_FROM_TOP:
            self._push("container", parts=self._take(_MAKE_FROM_TOP[name]))
        elif name in _ADD:
            parts = self._to_mark() if _ADD[name] == 0 else self._take(_ADD[name])
            self.stack[-1].parts.extend(parts)
        elif name in _GET or name in _PUT:
            self._remember(name, argument)
        elif name in _CALLS:
            self._call(name, argument)
        elif name in _OWN:
            _OWN[name](self)
        elif name in _IGNORED:
            return
        # registered classes and buffers outside of the file: what they are cannot be seen here
        elif name.startswith(("EXT", "NEXT_BUFFER", "READONLY")):
            raise UnsafeError(name)
        else:
            self._push("value", argument)

    def _push(self, kind: str, value: Any = None, parts: list[_Node] | None = None) -> None:
        node = _Node(kind, value, parts or [])
        self.stack.append(node)
        self.nodes.append(node)

    def _take(self, count: int) -> list[_Node]:
        if count > len(self.stack):
            raise DamagedError("a value is missing")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _to_mark(self) -> list[_Node]:
        return self._take(len(self.stack) - self._marks.pop())

    def _remember(self, name: str, argument: Any) -> None:
        if name in _GET:
            self.stack.append(self._memo[int(argument)])
        else:
            # this operation counts by itself, the others name a number
            self._memo[len(self._memo) if name == "MEMOIZE" else int(argument)] = self.stack[-1]

    def _call(self, name: str, argument: Any) -> None:
        if name in ("GLOBAL", "STACK_GLOBAL"):
            words = str(argument).split(" ", 1) if name == "GLOBAL" else None
            module, what = words or [str(node.value) for node in self._take(2)]
            full = f"{_RENAMED.get(module, module)}.{what}"
            _check_name(full, self._stand_ins)
            self._push("global", full)
        # makes an object by a class's name in one step; torch never writes it
        elif name == "INST":
            raise UnsafeError(str(argument).replace(" ", "."))
        elif name == "OBJ":
            self._push("call", parts=self._to_mark())
        else:
            self._push("call", parts=self._take(3 if name == "NEWOBJ_EX" else 2))

    def mark(self) -> None:
        """Note where the stack is."""
        self._marks.append(len(self.stack))

    def drop(self) -> None:
        """Leave out the last value, or the last mark."""
        if self._marks and self._marks[-1] == len(self.stack):
            self._marks.pop()
        else:
            self.stack.pop()

    def drop_to_mark(self) -> None:
        """Leave out all values behind the last mark."""
        self._to_mark()

    def twice(self) -> None:
        """Put the last value once more."""
        self.stack.append(self.stack[-1])

    def storage(self) -> None:
        """Take the last value for what names a storage."""
        self._push("storage", parts=self._take(1))


_MAKE_FROM_MARK = frozenset({"LIST", "TUPLE", "DICT", "FROZENSET"})
_MAKE_FROM_TOP = {
    "EMPTY_LIST": 0, "EMPTY_TUPLE": 0, "EMPTY_DICT": 0, "EMPTY_SET": 0, "TUPLE1": 1, "TUPLE2": 2,
    "TUPLE3": 3,
}  # fmt: skip
_ADD = {"APPEND": 1, "SETITEM": 2, "BUILD": 1, "APPENDS": 0, "SETITEMS": 0, "ADDITEMS": 0}
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_CALLS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX"})
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_OWN: dict[str, Callable[[_Machine], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_to_mark,
    "DUP": _Machine.twice,
    "BINPERSID": _Machine.storage,
}


def _check_name(name: str, stand_ins: Collection[str]) -> None:
    last = name.rpartition(".")[2]
    is_storage = name.startswith(("torch.", "torch.cuda.", "torch.storage.")) and last.endswith(
        "Storage"
    )
    is_dtype = name == f"torch.{last}" and last.rstrip("0123456789").startswith(_DTYPES)
    if not (is_storage or is_dtype or name in _CALLED | _NAMED or name in stand_ins):
        raise UnsafeError(name)


def _check_call(node: _Node, stand_ins: Collection[str], holds: Held) -> None:
    """Check who is called, and that a tensor lies inside its storage and that inside the file."""
    function, arguments = node.parts[0], node.parts[1:]
    name = str(function.value) if function.kind == "global" else ""
    if name not in _CALLED and name not in stand_ins:
        raise UnsafeError(f"a call of {name or 'something made on the way'}")
    given = arguments[0].parts if arguments else []
    if name == "_codecs.encode" and [n.value for n in given[1:]] not in (["latin1"], ["utf-8"]):
        raise UnsafeError("a call of _codecs.encode with another code than latin1")
    if name in _REBUILD:
        if len(given) < 4 or given[0].kind != "storage":
            raise DamagedError("a tensor has no storage")
        _check_tensor(given, holds)


def _check_tensor(given: list[_Node], holds: Held) -> None:
    named = [part for node in given[0].parts for part in node.parts]
    if len(named) < 5:
        raise DamagedError("a storage has no size")
    numbers = [named[4].value, given[1].value]
    shape = [part.value for part in given[2].parts]
    steps = [part.value for part in given[3].parts]
    if not all(type(n) is int and n >= 0 for n in (*numbers, *shape, *steps)):
        raise DamagedError("the size of a tensor is no number")
    count, offset = numbers
    last = named[1].value.rpartition(".")[2] if isinstance(named[1].value, str) else ""
    one = _BYTES.get(last.removesuffix("Storage"), 1)
    end = offset + 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=False))
    values = math.prod(shape)
    if not holds(str(named[2].value), count * one):
        raise UnsafeError("a storage larger than the file")
    if values and (end > count or values > max(count, _EXPANDED)):
        raise UnsafeError("a tensor larger than its storage")


def _check_size(nodes: list[_Node]) -> None:
    """Refuse containers that hold too much or lie too deep, and such that hold themselves."""
    known: dict[int, tuple[int, int]] = {}
    open_: set[int] = set()
    for root in nodes:
        for node, parts_known in _after_parts(root, known, open_):
            if not parts_known:
                raise UnsafeError("a container that holds itself")
            inside = [known[id(part)] for part in node.parts]
            size = 1 + sum(s for s, _ in inside)
            depth = 1 + max((d for _, d in inside), default=0)
            if size > MOST_VALUES or depth > MOST_DEEP:
                raise UnsafeError("containers nested without bound")
            known[id(node)] = size, depth


def _after_parts(
    root: _Node, known: Mapping[int, Any], open_: set[int]
) -> Iterator[tuple[_Node, bool]]:
    """Go through a node's parts and then the node, each once; False: a node lies in itself."""
    # a list in place of recursion: depth is what is being checked
    waiting = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        if is_done:
            open_.discard(id(node))
            yield node, True
        elif id(node) in open_:
            yield node, False
        elif id(node) not in known:
            open_.add(id(node))
            waiting.append((node, True))
            waiting.extend((part, False) for part in node.parts if id(part) not in known)


def load_checkpoint(path: Path, *, stand_ins: Sequence[str] = (), shapes_only: bool = False) -> Any:
    """Return what a checkpoint file holds: tensors and plain values, nothing that runs code.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a torch file that is read with ``weights_only=True``.
    stand_ins : sequence of str
        Full names of classes that the file may mention; an object without behaviour takes the
        place of each. Nothing is imported by these names.
    shapes_only : bool, default False
        Tensors of a torch file come without their values, and take no memory.

    Raises
    ------
    WeightsError
        If the file is missing, empty, a folder, damaged, or holds anything but tensors and plain
        values.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # before torch reads: its safe mode refuses code, but not what takes memory without bound
        check_pickles(path, stand_ins)
        with torch.serialization.safe_globals([_stand_in(name) for name in stand_ins]):
            place = "meta" if shapes_only else "cpu"
            return torch.load(path, map_location=place, weights_only=True)
    except UnsafeError as err:
        raise _unsafe(path, str(err)) from err
    except pickle.UnpicklingError as err:
        # torch's text goes on to advise loading it unsafely; only what it found is told
        found = re.search(r"WeightsUnpickler error: ([^\n]*?)(?:\. |\n|$)", str(err))
        reason = (found[1] if found else "") or "not a checkpoint"
        if not re.search("global|Can only|blocked", reason, re.IGNORECASE):
            raise _unreadable(path, reason) from err
        raise _unsafe(path, reason) from err
    except Exception as err:
        # torch has any error for a damaged file, struct.error among them
        raise _unreadable(path, _first_line(err)) from err


def required(weights: Path | None, name: str) -> Path:
    """Return the path of a model's weights.

    Raises
    ------
    WeightsError
        If there is none.
    """
    if weights is None:
        raise WeightsError(
            f"weights are missing: expected a checkpoint for {name!r}, got None. "
            "Give its path as `weights`."
        )
    return weights


def _stand_in(name: str) -> tuple[Any, str]:
    """Return an empty class of its own, for a name in a file."""
    return type("StandIn", (_Nothing,), {}), name


class _Nothing:
    """Is made of whatever a file gives, and keeps of it what are attributes."""

    def __init__(self, *given: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _unsafe(path: Path, reason: str) -> WeightsError:
    # names of classes have no blanks, reasons do
    is_bounded = " " in reason and not reason.startswith("a call")
    asks = "is made to take memory or time without bound" if is_bounded else "asks to run code"
    return WeightsError(
        f"weights are not safe to load: expected tensors and plain values only, got "
        f"{str(path)!r}, which {asks} ({reason}). "
        "Do not use this file; fetch the published one."
    )


def _unreadable(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"weights cannot be read: expected a checkpoint, got {str(path)!r} ({reason}). "
        "The file is damaged or no checkpoint; fetch it again."
    )


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0].rstrip(".")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise WeightsError(
            f"weights are a folder: expected a file, got {str(path)!r}. Name the file in it."
        )
    if not path.is_file():
        raise WeightsError(
            f"weights are missing: expected a file, got {str(path)!r}. Check the path, or fetch "
            "them with `napari-intseg weights fetch`."
        )
    if path.stat().st_size == 0:
        raise WeightsError(
            f"weights are empty: expected a checkpoint, got {str(path)!r} of 0 bytes. "
            "The file is damaged; fetch it again."
        )


def load_strict(net: Any, state_dict: Any, path: Path) -> None:
    """Load a state dict into a network; every name and shape must fit.

    Raises
    ------
    WeightsError
        If it is no state dict, a name is missing or too many, or a shape differs; names the first
        few.
    """
    import torch

    if not isinstance(state_dict, dict) or not all(
        isinstance(value, torch.Tensor) for value in state_dict.values()
    ):
        raise WeightsError(
            f"weights hold no state dict: expected tensors by name, got "
            f"{type(state_dict).__name__} in {str(path)!r}. Choose another file."
        )
    expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    missing = [n for n in expected if n not in state_dict]
    extra = [str(n) for n in state_dict if n not in expected]
    shapes = [n for n in expected if n in state_dict and tuple(state_dict[n].shape) != expected[n]]
    # torch would take whole or complex numbers for real ones, with what that loses
    kinds = [
        name
        for name, value in net.state_dict().items()
        if value.is_floating_point()
        and name in state_dict
        and not state_dict[name].is_floating_point()
    ]
    if missing or extra or shapes or kinds:
        told = "; ".join(
            f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (
                ("missing", missing),
                ("unknown", extra),
                ("of another shape", shapes),
                ("that are no real numbers", kinds),
            )
            if names
        )
        raise WeightsError(
            f"weights are of another model: expected the parameters of {type(net).__name__}, got "
            f"{str(path)!r} with {told}. Choose the model that this file belongs to."
        )
    net.load_state_dict(state_dict, strict=True)


# the last eight bytes of a table of names, as of LevelDB, which TensorFlow took it from
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48  # bytes, of which these are the last
_MOST_INDEX_BYTES = 1 << 26  # of names; published networks have some kilobytes
_MOST_SHARD_BYTES = 1 << 32
_LONGEST_NAME = 1 << 12  # each name is put together anew from the one before it
# by TensorFlow's numbers; bfloat16 is read by its bits, and what is not listed is left out
_TENSORFLOW = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 14: "<u2", 19: "<f2"}
_BFLOAT16 = 14


def read_tensorflow(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a TensorFlow checkpoint without TensorFlow.

    Parameters
    ----------
    path : Path
        Its ``.index``; the ``.data`` files lie beside it.

    Returns
    -------
    dict of str to ndarray
        In TensorFlow's order of axes. Texts, and variables that were saved in parts, are left out;
        bfloat16 becomes float32.

    Raises
    ------
    WeightsError
        If a file is missing, damaged or too large.

    Notes
    -----
    Read by the documented format, a table of names and places, and the shards that these are in
    (``tensor_bundle.proto``). Checksums are not compared.
    """
    try:
        if path.stat().st_size > _MOST_INDEX_BYTES:
            raise DamagedError(f"its names take more than {_MOST_INDEX_BYTES} bytes")
        return _bundle(path, path.read_bytes())
    except (DamagedError, LookupError, ValueError, TypeError, OSError) as err:
        raise WeightsError(
            f"weights cannot be read: expected a checkpoint of TensorFlow, an .index with its "
            f".data files beside it, got {str(path)!r} ({_first_line(err)}). Fetch them all."
        ) from err


def _bundle(path: Path, table: bytes) -> dict[str, NDArray[Any]]:
    if len(table) < _FOOTER or table[-8:] != _TABLE_END:
        raise DamagedError("it does not end as a table")
    # of two places the second is that of the blocks' own table
    footer = table[-_FOOTER:]
    places, _ = _handle(footer, _handle(footer, 0)[1])
    shards, found, left, behind = 1, {}, _MOST_SHARD_BYTES, 0
    for _, place in _entries(table, places):
        # in order: one block that is named a million times would be read as often
        if (block := _handle(place, 0)[0])[0] < behind:
            raise DamagedError("two parts of it overlap")
        behind = sum(block)
        for key, value in _entries(table, block):
            told = _fields(value)
            if not key:
                shards = _number(told, 1, 1)
                if _number(told, 2):
                    raise DamagedError("its numbers end with their first byte")
                continue
            dtype = _TENSORFLOW.get(_number(told, 1))
            # a part of a variable has a key that begins with zero; the whole one says its parts
            if dtype is None or key[0] == 0 or 7 in told:
                continue
            left -= _number(told, 5)
            if left < 0:
                raise DamagedError(f"it holds more than {_MOST_SHARD_BYTES} bytes")
            data = path.with_suffix(f".data-{_number(told, 3):05d}-of-{shards:05d}")
            found[key.decode()] = _tensor(data, told, np.dtype(dtype))
    return found


def _tensor(path: Path, told: Mapping[int, list[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return one tensor, by what the table tells of it."""
    axes = [_fields(axis) for axis in _fields(b"".join(told.get(2, []))).get(2, [])]
    shape = [_number(axis, 1) for axis in axes]
    size, offset = _number(told, 5), _number(told, 4)
    if math.prod(shape) * dtype.itemsize != size or offset + size > path.stat().st_size:
        raise DamagedError(f"a tensor of shape {shape[:8]} does not fit its {size} bytes")
    values = np.fromfile(path, dtype, math.prod(shape), offset=offset).reshape(shape)
    if _number(told, 1) != _BFLOAT16:
        return values
    # bfloat16 is the upper half of float32
    return (values.astype(np.uint32) << 16).view(np.float32)


def _entries(table: bytes, place: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block, each key after what it shares with the one before."""
    start, size = place
    block = table[start : start + size]
    # one byte behind a block says how it is compressed
    if len(block) < max(4, size) or table[start + size] != 0:
        raise DamagedError("a part of it is compressed, or missing")
    key, at = b"", 0
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + own > _LONGEST_NAME or at + own + length > end:
            raise DamagedError("a name does not fit")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return (start, size), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where the next one begins."""
    value = 0
    for shift in range(0, 64, 7):
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise DamagedError("a number does not end")


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Return the fields of a protocol buffer's message by number: whole numbers and bytes."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: Any
        if tag & 7 == 0:
            value, at = _varint(message, at)
        else:
            # bytes of a length, or eight or four of them
            length, at = _varint(message, at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
            value, at = message[at : at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def _number(told: Mapping[int, list[Any]], field_number: int, default: int = 0) -> int:
    value = told.get(field_number, [default])[-1]
    if not isinstance(value, int):
        raise DamagedError("a number is expected where bytes are")
    return value
