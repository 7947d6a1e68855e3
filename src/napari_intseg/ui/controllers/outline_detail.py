"""How much detail outlines show, from the window; without Qt."""

import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.mask_edits import DETAIL_TITLE
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.signals import told

_MANY = 50
"""With more objects than this only the current one follows the slider: all then take 0.1 s."""


class OutlineDetailController:
    """Changes the detail at all time points; what belongs to one move of a slider is one undo.

    Parameters
    ----------
    controller : ViewerController
        Whose objects.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._tokens: dict[int, str] = {}

    @property
    def mm(self) -> float:
        """The detail at the time point in the window, in millimetres; 0: all of it is shown."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return 0.0
        session = image_controller.session_store.sessions.get(image_controller.time)
        return 0.0 if session is None else session.detail_mm

    @property
    def pixel_mm(self) -> float:
        """The length of a pixel in the plane in view, in millimetres."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return 1.0
        now = image_controller.displayed_slice
        axis = 0 if isinstance(now, str) else now.plane.axis
        session = image_controller.session_store.sessions.get(image_controller.time)
        return 1.0 if session is None else float(np.mean(session.volume.slice_spacing(axis)))

    def preview(self, mm: float) -> None:
        """Show another detail in view; `choose` follows for all the rest."""
        image_controller = self._controller.image_controller
        now = "" if image_controller is None else image_controller.displayed_slice
        if image_controller is None or isinstance(now, str):
            return
        store = image_controller.session_store
        only = (store.object,) if len(store.labels) > _MANY else None
        self._set(image_controller, now.time, mm, (now.plane,), only)

    def choose(self, mm: float) -> None:
        """Show another detail everywhere."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        if not image_controller.session_store.sessions:
            self._controller.signals.failed.emit(
                Message("There are no outlines yet. Click on an object.")
            )
        for time in image_controller.session_store.sessions:
            self._set(image_controller, time, mm, None, None)
        self._tokens = {}
        self._controller.signals.changed.emit()

    def _set(
        self,
        image_controller: ImageController,
        time: int,
        mm: float,
        planes: tuple[Plane, ...] | None,
        labels: tuple[int, ...] | None,
    ) -> None:
        session = image_controller.session_store.sessions.get(time)
        if session is None:
            return
        token = self._tokens.setdefault(time, session.document.token(DETAIL_TITLE))
        try:
            change = session.set_detail(mm, planes, token, labels)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return
        image_controller.draw(time, change)
