"""Modules that moved: their old names stay importable for a release, with a warning.

A module that moves is one row of `MODULES`, and a name that changed on the way one row of `NAMES`.
Rows are looked at when somebody imports an old name; nothing is loaded before.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

ROOT = "napari_intseg"

MODULES = {
    "session.ahead": "session.prefetch",
    "session.alike": "session.similar",
    "session.bits": "session.masks.packed",
    "session.both_ways": "session.compare.two_answers",
    "session.cache": "session.embeddings",
    "session.canvas": "session.masks.canvas",
    "session.cleaning": "session.session",
    "session.codec": "session.journal.codec",
    "session.compare": "session.compare.two_answers",
    "session.desk": "session.session",
    "session.finding": "session.similar",
    "session.follow": "session.compare.mirror_session",
    "session.following": "session.tracking",
    "session.giving": "session.session",
    "session.going_back": "session.session",
    "session.journal": "session.journal.recorder",
    "session.journal_disk": "session.journal.disk",
    "session.journal_file": "session.journal.file",
    "session.journal_read": "session.journal.reader",
    "session.memory": "session.predictor",
    "session.objects": "session.session",
    "session.packing": "session.masks.packed",
    "session.painting": "session.session",
    "session.positions": "session.validate_prompts",
    "session.propagating": "session.propagator",
    "session.protection": "session.masks.settle",
    "session.replay": "session.journal.replay",
    "session.request": "session.predictor",
    "session.seen": "session.journal.recorder",
    "session.setup": "session.question",
    "session.side_by_side": "session.compare.side_by_side",
    "session.signature": "session.journal.image_signature",
    "session.state": "session.masks.plane_state",
    "session.strokes": "session.masks.canvas",
    "session.taking": "session.masks.plane_state",
    "session.views": "session.session",
    "session.writing": "session.masks.settle",
}
"""Old module to new one. An old name may be a package by now: its `__init__` then says
``__getattr__ = old_names(__name__)``."""

NAMES = {
    "session.alike.Search": "SearchRequest",
    "session.alike.Sought": "SearchStep",
    "session.cleaning.Cleaning": "Session",
    "session.compare.Moment": "CurvePoint",
    "session.compare.moment": "curve_point",
    "session.desk.Desk": "Session",
    "session.follow.Follower": "MirrorSession",
    "session.following.Follow": "SliceTracking",
    "session.following.FollowVolume": "VolumeTracking",
    "session.following.follow_request": "tracking_request",
    "session.giving.Giving": "Session",
    "session.going_back.GoingBack": "Session",
    "session.memory.Memory": "AnswerCache",
    "session.objects.Objects": "Session",
    "session.painting.Painting": "Session",
    "session.propagating.Propagating": "Propagator",
    "session.views.Views": "Session",
}
"""Names that changed when their module moved: old module and name to new name."""


class OldModules(MetaPathFinder, Loader):
    """Finds modules by their old names."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module that moved; None for all others."""
        moved = fullname.removeprefix(f"{ROOT}.") in MODULES
        return ModuleSpec(fullname, self) if moved else None

    def exec_module(self, module: ModuleType) -> None:
        """Have a module give what its new one holds."""
        old = module.__name__.removeprefix(f"{ROOT}.")
        _warn(f"{ROOT}.{old} is now {ROOT}.{MODULES[old]}.")
        vars(module)["__getattr__"] = _look_up(old, import_module(f"{ROOT}.{MODULES[old]}"))


def install() -> None:
    """Have old modules found, after all that are there."""
    if not any(isinstance(finder, OldModules) for finder in sys.meta_path):
        sys.meta_path.append(OldModules())


def old_names(package: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that has the name of a module which moved."""
    old = package.removeprefix(f"{ROOT}.")

    def get(name: str) -> Any:
        if name.startswith("__") or find_spec(f"{package}.{name}") is not None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = _look_up(old, import_module(f"{ROOT}.{MODULES[old]}"))(name)
        _warn(f"{name} of {package} is now in {ROOT}.{MODULES[old]}.")
        return found

    return get


def _look_up(old: str, new: ModuleType) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        try:
            return getattr(new, NAMES.get(f"{old}.{name}", name))
        except AttributeError:
            raise AttributeError(f"module '{ROOT}.{old}' has no attribute {name!r}") from None

    return get


def _warn(what: str) -> None:
    told = f"{what} The old name goes with the next release."
    warnings.warn(told, DeprecationWarning, stacklevel=3)
