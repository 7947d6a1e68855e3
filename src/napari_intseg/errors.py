"""Errors of the engine: one base class and a few leaves.

Each leaf is also the built-in that people expect, so ``except ValueError`` keeps working.
"""


class IntSegError(Exception):
    """Base of every error that napari-intseg raises on purpose."""


class DataError(IntSegError, ValueError):
    """An image, volume or mask cannot be used as it is."""


class PromptError(IntSegError, ValueError):
    """A click, box or scribble does not fit the data or the model."""


class UnknownModelError(IntSegError, LookupError):
    """No model has that name."""


class WeightsError(IntSegError, RuntimeError):
    """A weight file is missing, damaged, of another model or not safe to load."""


class MissingExtraError(IntSegError, ImportError):
    """An optional dependency is absent; the message names the extra to install."""


class DeviceError(IntSegError, RuntimeError):
    """A device does not exist here, or it ran out of memory."""


class FileError(IntSegError, OSError):
    """A file cannot be read, or may not be written."""


class JournalError(IntSegError, ValueError):
    """A journal cannot be written, read or replayed as it is."""


class RemoteError(IntSegError, ConnectionError):
    """The machine that a model runs on does not answer, or its address is not safe."""


class RemoteCancelledError(RemoteError):
    """A person ended a call to another machine; what was asked is still to be asked."""
