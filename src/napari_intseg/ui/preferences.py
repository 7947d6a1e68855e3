"""What a person has chosen for this plugin in napari's preferences."""

from dataclasses import dataclass, fields
from typing import Any

PLUGIN = "napari-intseg"
_SECTION, _KEYS = "segmentation", "keys"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices, as `contributions.configurations` of the manifest describes them.

    Parameters
    ----------
    model : str
        Loaded when the panel opens; one that is not there gives way to the bundled one.
    each_click_begins : bool
        Whether *each click begins an object* is ticked then.
    safe_colours : bool
        Labels in eight colours that colour-blind people tell apart.
    other_objects : bool
        Whether a model that knows other objects is shown those of the plane, in new sessions.
    language : str
        Of the panel, from the next time it is opened; "auto" for napari's or the system's.
    guided_network, click_policy, vertex_network : str
        Names, or files, of what *Find more*, *Suggested clicks* and *neighbours follow* go by;
        empty for what needs no training.
    """

    model: str = "bundled"
    each_click_begins: bool = False
    safe_colours: bool = False
    other_objects: bool = False
    language: str = "auto"
    guided_network: str = ""
    click_policy: str = ""
    vertex_network: str = ""


def preferred_keys() -> dict[str, str]:
    """Return the keys of actions by name, as napari's preferences for the plugin have them.

    An empty text means none. Where napari has no such preferences nothing is returned.
    """
    try:
        from napari.settings import get_plugin_settings

        section: Any = getattr(get_plugin_settings(PLUGIN), _KEYS)
        return {name: str(key).strip() for name, key in dict(section).items()}
    except (ImportError, KeyError, AttributeError, TypeError, ValueError):
        return {}


def preferences() -> Preferences:
    """Return what is chosen; the defaults where napari has no such preferences, before 0.9."""
    try:
        from napari.settings import get_plugin_settings

        section: Any = getattr(get_plugin_settings(PLUGIN), _SECTION)
        usual = Preferences()
        names = [one.name for one in fields(Preferences)]
        # one by one: a choice that napari's settings lack has its default
        return Preferences(**{n: getattr(section, n, getattr(usual, n)) for n in names})
    except (ImportError, KeyError, AttributeError):
        return Preferences()
