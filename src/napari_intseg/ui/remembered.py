"""What a person chose for good: a small JSON file, read at the start and replaced as a whole."""

import json
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

VARIABLE = "NAPARI_INTSEG_SETTINGS"
"""Environment variable with another place for the file."""

_log = logging.getLogger(__name__)


def settings_file() -> Path:
    """Return where choices are remembered."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_config_path("napari-intseg") / "settings.json"


def remembered() -> dict[str, Any]:
    """Return all choices by name; none if there is no file, or it cannot be read."""
    path = settings_file()
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        _log.warning("settings in %s cannot be read and are left out: %s", path, err)
        return {}
    return found if isinstance(found, dict) else {}


def remember(**choices: Any) -> None:
    """Remember choices, plain JSON each, beside those that are there.

    The file is complete at any time. If it cannot be written the choices hold for this session,
    and the log says so: a person who ticks a box is not to be stopped by that.
    """
    path = settings_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, json.dumps({**remembered(), **choices}, indent=2) + "\n")
    except OSError as err:
        _log.warning("settings cannot be kept in %s: %s", path, err)


def _replace(path: Path, text: str) -> None:
    number, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
