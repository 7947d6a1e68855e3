"""Buttons that show their key and say what they do."""

from collections.abc import Callable, Mapping

from qtpy.QtWidgets import QPushButton

from napari_intseg.ui.qt.keybindings import ACTIONS, Action


class Buttons:
    """Makes the button of an action.

    Parameters
    ----------
    calls : mapping of str to callable
        What each action does.
    taken : sequence of Action
        Those whose key belongs to something else here.
    """

    def __init__(
        self, calls: Mapping[str, Callable[[], object]], taken: tuple[Action, ...] = ()
    ) -> None:
        self._calls = calls
        self._taken = taken

    def make(self, name: str) -> QPushButton:
        """Return the button of an action."""
        action = next(a for a in ACTIONS if a.name == name)
        call = self._calls[name]
        is_taken = action in self._taken
        key = action.key.replace("-", "+")
        button = QPushButton(action.title if is_taken else f"{action.title}  ({key})")
        told = f"Key: {key}" if not is_taken else f"The key {key} means something else here."
        button.setToolTip(f"{action.tip}\n{told}")
        button.clicked.connect(lambda _checked: call())
        return button
