"""Catalogues as files, and the choice of a language."""

import pytest

from napari_intseg.errors import DataError
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt import translation
from napari_intseg.ui.qt.translation import (
    CONTEXT,
    Catalogue,
    preferred_language,
    read_catalogue,
    tr,
    translated,
    use_catalogue,
    use_language,
)
from napari_intseg.ui.qt.worker_thread import told

ENTRY = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE TS>
<TS version="2.1" language="de"><context><name>napari-intseg</name>
<message><source>Accept</source><translation>Annehmen</translation></message>
<message><source>Undo</source><translation type="unfinished">Rück</translation></message>
<message><source>Redo</source><translation></translation></message>
</context></TS>"""


@pytest.fixture
def speak(qapp):  # noqa: ARG001 - translations need an application
    def use(**texts):
        known = {(CONTEXT, source): text for source, text in texts.items()}
        use_catalogue(Catalogue("xx", known))

    yield use
    use_catalogue(None)


class TestReading:
    def test_what_is_finished_is_read(self, tmp_path):
        path = tmp_path / "de.ts"
        path.write_text(ENTRY, "utf-8")
        assert read_catalogue(path).texts == {(CONTEXT, "Accept"): "Annehmen"}
        assert read_catalogue(path).language == "de"

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            ("<TS>", "a Qt Linguist file"),
            ("<html/>", "the element 'html'"),
            ('<!DOCTYPE TS [<!ENTITY a "b">]><TS>&a;</TS>', "no entity declarations"),
            ('<!DOCTYPE TS [<!ENTITY a SYSTEM "file:///x">]><TS>&a;</TS>', "no entity decl"),
        ],
    )
    def test_what_is_no_catalogue_is_refused(self, tmp_path, content, match):
        path = tmp_path / "bad.ts"
        path.write_text(content, "utf-8")
        with pytest.raises(DataError, match=match):
            read_catalogue(path)

    def test_what_is_larger_than_any_is_not_read(self, tmp_path, monkeypatch):
        path = tmp_path / "de.ts"
        path.write_text(ENTRY, "utf-8")
        monkeypatch.setattr(translation, "_MOST_BYTES", 100)
        with pytest.raises(DataError, match="at most 100 bytes"):
            read_catalogue(path)

    @pytest.mark.usefixtures("qapp")
    def test_a_damaged_one_leaves_english_and_says_so(self, tmp_path, monkeypatch, caplog):
        path = tmp_path / "xx.ts"
        path.write_text("<TS>", "utf-8")
        monkeypatch.setattr(translation, "catalogues", lambda: {"xx": path})
        use_language("xx")
        assert tr("Accept") == "Accept"
        assert "catalogue cannot be read" in caplog.text


class TestSaying:
    def test_what_is_missing_is_said_in_english(self, speak):
        speak(Accept="Annehmen")
        assert (tr("Accept"), tr("Undo")) == ("Annehmen", "Undo")

    def test_values_are_put_in_messages_among_them_translated(self, speak):
        speak(**{"Undo {what}": "{what} zurück", "a click": "Klick"})
        assert tr("Undo {what}", what=Message("a click")) == "Klick zurück"

    def test_a_translation_with_other_placeholders_is_not_used(self, speak):
        speak(**{"Undo {what}": "{something} zurück"})
        assert tr("Undo {what}", what="this") == "Undo this"

    def test_messages_put_together_are_translated_one_by_one(self, speak):
        speak(**{"{n} planes": "{n} Schichten", "Done.": "Fertig."})
        told_both = joined([counted(3, "{n} plane", "{n} planes"), Message("Done."), ""])
        assert told_both == "3 planes Done."
        assert translated(told_both) == "3 Schichten Fertig."

    def test_an_error_keeps_its_message(self, speak):
        speak(**{"layer {name!r} is empty": "Ebene {name!r} ist leer"})
        error = DataError(Message("layer {name!r} is empty", name="a {b}"))
        assert str(error) == "layer 'a {b}' is empty"
        assert translated(told(error)) == "Ebene 'a {b}' ist leer"

    def test_another_language_takes_the_place_of_the_first(self, speak):
        speak(Accept="Annehmen")
        speak(Accept="接受")
        assert tr("Accept") == "接受"
        use_catalogue(None)
        assert tr("Accept") == "Accept"


class TestChoosing:
    @pytest.mark.parametrize(
        ("choice", "language"),
        [
            ("de", "de"),
            ("de_AT", "de"),
            ("de-DE", "de"),
            ("zh_CN", "zh_CN"),
            ("zh", "zh_CN"),
            ("en_GB", "en"),
            ("tlh", "en"),
        ],
    )
    def test_a_language_is_found_by_its_name(self, monkeypatch, choice, language):
        monkeypatch.delenv(translation.VARIABLE)
        assert preferred_language(choice) == language

    @pytest.mark.parametrize(
        ("napari", "system", "language"),
        [
            ("en", "de_DE", "de"),
            ("zh_CN", "de_DE", "zh_CN"),
            ("en", "en_US", "en"),
            ("fr", "de_DE", "de"),
        ],
    )
    def test_without_a_choice_napari_s_counts_and_then_the_system_s(
        self, monkeypatch, napari, system, language
    ):
        monkeypatch.delenv(translation.VARIABLE)
        monkeypatch.setattr(translation, "_napari_language", lambda: napari)
        monkeypatch.setattr(translation, "_system_language", lambda: system)
        assert preferred_language() == language

    def test_the_variable_goes_before_the_preference(self, monkeypatch):
        monkeypatch.setenv(translation.VARIABLE, "zh_CN")
        assert preferred_language("de") == "zh_CN"
