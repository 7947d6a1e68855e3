"""The windows that a DICOM file wants its values shown in."""

from dataclasses import dataclass
from typing import Any

from napari_intseg.io.dicom_elements import find, numbers, several


@dataclass(frozen=True, slots=True)
class Window:
    """A window of real values.

    Parameters
    ----------
    name : str
        As the file explains it, else centre and width: "40/400".
    centre, width : float
        In real values, after slope and intercept or the table of values.
    """

    name: str
    centre: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """What is shown black and what white: half a width below and above the centre.

        So says LINEAR_EXACT; by LINEAR white comes one value earlier, which no screen shows, and of
        a SIGMOID these are the limits of its tangent in the centre.

        References
        ----------
        .. [1] DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
        """
        return self.centre - self.width / 2, self.centre + self.width / 2


def read_windows(groups: list[Any]) -> tuple[Window, ...]:
    """Return the windows of a frame, those of no width left out.

    Parameters
    ----------
    groups : list of pydicom Dataset
        The frame's functional group first, the data set itself last.
    """
    centres, widths, names = (
        several(find(groups, "FrameVOILUTSequence", name))
        for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
    )
    found: dict[str, Window] = {}
    for i, pair in enumerate(zip(centres, widths, strict=False)):
        told = numbers(pair, 2)
        if told is None or told[1] <= 0:
            continue
        name = " ".join(str(names[i]).split()) if i < len(names) else ""
        if not name or name in found:
            name = f"{told[0]:g}/{told[1]:g}"
        found.setdefault(name, Window(name, *told))
    return tuple(found.values())
