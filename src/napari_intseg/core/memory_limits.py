"""What a model gives up where memory is short, and how to tell that it is."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

_SAYINGS = (
    "out of memory",  # PyTorch, CUDA, MPS
    "can't allocate memory",  # PyTorch on the CPU
    "not enough memory",  # the same on Windows
    "alloc_failed",  # cuDNN and cuBLAS
    "memory is too",  # our own
)
# oneDNN on the CPU says no more than this, and with a "descriptor" behind it means something else
_VAGUE = ("could not create a primitive", "could not execute a primitive")


@dataclass(frozen=True, slots=True)
class Saving:
    """What is given up; nothing by default.

    Parameters
    ----------
    half : bool
        The network computes in half precision.
    view_px : int or None
        The longer side of what it sees is at most this; None: as large as it was published.
    on_cpu : bool
        It computes on the CPU, in float32.
    exact : bool
        Half precision is what is given up: the network computes in float32.
    """

    half: bool = False
    view_px: int | None = None
    on_cpu: bool = False
    exact: bool = False

    @property
    def told(self) -> str:
        """In words, how much less memory it takes; empty where nothing is given up for that."""
        words = ["in half precision"] * self.half + ["on the CPU"] * self.on_cpu
        if self.view_px is not None:
            words.append(f"from a view of at most {self.view_px} px")
        return ", ".join(words)


NOTHING = Saving()


@runtime_checkable
class SavingSegmenter(Protocol):
    """A model that can do with less memory; the engine asks it to when memory has run out.

    The engine sees to `Saving.view_px` for models without this, and obeys it for all. A model
    that sees every view at a size of its own may look at it in that size.
    """

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What it can give up, in the order to be tried; the first gives up nothing."""
        ...

    @property
    def saving(self) -> Saving:
        """What it gives up now; nothing again after `release`."""
        ...

    def save_memory(self, saving: Saving) -> None:
        """Give this up from now on.

        What was prepared before belongs to what was given up then, and is not shown to it again.
        """
        ...


def is_out_of_memory(err: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on whichever device."""
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    said = str(err).lower()
    return isinstance(err, RuntimeError) and (
        said in _VAGUE or any(saying in said for saying in _SAYINGS)
    )
