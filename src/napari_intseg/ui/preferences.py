"""What a person has chosen for this plugin in napari's preferences."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from napari_intseg.core.files import read_text
from napari_intseg.errors import FileError

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
    classes : str
        Names of classes that are always offered, apart by commas, or a file with one a line; see
        `offered_classes`.
    measure_threads : bool
        Whether a model that is loaded is tried with several numbers of threads, see `load_model`.
    """

    model: str = "bundled"
    each_click_begins: bool = False
    safe_colours: bool = False
    other_objects: bool = False
    language: str = "auto"
    guided_network: str = ""
    click_policy: str = ""
    vertex_network: str = ""
    classes: str = ""
    measure_threads: bool = False


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


# of a list of classes: one has some kB
_MOST_BYTES = 1 << 20
# a line of a list of EISeg's: number, name, and red, green and blue
_NUMBERED = re.compile(r"\d+\s+(.+?)(\s+\d{1,3}){3}")


def offered_classes() -> tuple[str, ...]:
    """Return the names of classes that the preferences hold, in their order; each once.

    Of a file each line is a name, without what EISeg writes beside it: a number in front, a colour
    behind. Lines that begin with "#" are passed over.

    Raises
    ------
    FileError
        If a file is named that cannot be read.
    """
    told = preferences().classes.strip()
    if not told.lower().endswith((".txt", ".csv")):
        names = told.split(",")
    else:
        try:
            lines = read_text(Path(told).expanduser(), _MOST_BYTES).splitlines()
        except (OSError, ValueError) as err:
            raise FileError(
                f"list of classes cannot be read: expected a text file, got {told!r} ({err}). "
                "Change it in the preferences."
            ) from err
        names = [line for line in lines if not line.lstrip().startswith("#")]
    names = [one.strip() for one in names]
    named = [match[1] if (match := _NUMBERED.fullmatch(one)) else one for one in names]
    return tuple(dict.fromkeys(name for name in named if name))
