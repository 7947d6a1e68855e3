"""Clicks become masks in scientific and medical images; names are loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_intseg._moved import install
from napari_intseg._version import __version__ as __version__

if TYPE_CHECKING:
    from napari_intseg.core.prompts import Box as Box
    from napari_intseg.core.prompts import Click as Click
    from napari_intseg.core.prompts import Lasso as Lasso
    from napari_intseg.core.prompts import Scribble as Scribble
    from napari_intseg.core.volume import Plane as Plane
    from napari_intseg.core.volume import Volume as Volume
    from napari_intseg.models.registry import available_models as available_models
    from napari_intseg.models.registry import load_model as load_model
    from napari_intseg.session.session import Session as Session

_HOME = {
    "Box": "core.prompts",
    "Click": "core.prompts",
    "Lasso": "core.prompts",
    "Scribble": "core.prompts",
    "Plane": "core.volume",
    "Volume": "core.volume",
    "Session": "session.session",
    "available_models": "models.registry",
    "load_model": "models.registry",
}
__all__ = [
    "Box",
    "Click",
    "Lasso",
    "Plane",
    "Scribble",
    "Session",
    "Volume",
    "available_models",
    "load_model",
]
# modules under their old names, for a release
install()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # loaded when asked for: `import napari_intseg` stays quick and needs neither torch nor Qt
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
