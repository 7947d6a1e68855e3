"""One notice for all that goes wrong, so that a hundred errors do not make a hundred dialogs."""

import napari
import pytest
from qtpy.QtWidgets import QApplication, QDialog

from napari_intseg.ui.panels.controls import show_notice

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("qapp")]


@pytest.fixture
def notices():
    viewer = napari.Viewer(show=True)
    QApplication.processEvents()
    window = viewer.window._qt_window
    yield lambda: [d for d in window.findChildren(QDialog) if hasattr(d, "timer_start")]
    for notice in window.findChildren(QDialog):
        notice.close()
    viewer.close()


def test_a_hundred_errors_are_one_notice_that_says_the_last(notices):
    for number in range(100):
        show_notice(f"error {number}")
    (notice,) = notices()
    assert notice.message.text() == "error 99"


def test_after_it_was_closed_the_next_error_is_shown_again(notices):
    show_notice("one")
    (first,) = notices()
    first.close()
    QApplication.processEvents()
    show_notice("two")
    (second,) = [notice for notice in notices() if not notice.isHidden()]
    assert second.message.text() == "two"
