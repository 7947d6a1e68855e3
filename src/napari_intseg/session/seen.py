"""The numbers behind a window: written down once known, so that a replay need not measure again."""

from collections.abc import Mapping
from typing import Any

from napari_intseg.inference.intensity import Intensity
from napari_intseg.session.setup import Setup

KEY = "seen"
"""Key of the first answer, or step, that came of a window; older readers leave it out."""


class Seen:
    """Which setups have been written down with their numbers."""

    def __init__(self) -> None:
        self._written: set[Setup] = set()

    def once(self, setup: Setup) -> dict[str, Any]:
        """Return how slices are shown to the model, as plain JSON, the first time it is known."""
        intensity = setup.known_intensity
        if intensity is None or setup in self._written:
            return {}
        self._written.add(setup)
        return {KEY: intensity.written()}


def see_again(setup: Setup, line: Mapping[str, Any]) -> str | None:
    """Show slices as a line of the journal says; return what is different, None if nothing is."""
    if KEY not in line:
        return None
    given = line[KEY]
    channels = given["channels"]
    then = Intensity(
        tuple(float(v) for v in given["low"]),
        tuple(float(v) for v in given["high"]),
        None if channels is None else tuple(int(c) for c in channels),
        tuple((float(r), float(g), float(b)) for r, g, b in given["colours"]),
        float(given["gamma"]),
        given.get("adapts", "no"),
    )
    now = setup.look_through(then)
    if now == then:
        return None
    return f"window: {_range(then)} then, {_range(now)} now"


def _range(intensity: Intensity) -> str:
    return f"{list(intensity.low)} to {list(intensity.high)}"
