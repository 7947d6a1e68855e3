"""The languages of the window: nothing is left in English, and nothing is left out."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import (
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QMenu,
    QStackedWidget,
    QStyle,
    QStyleOptionTab,
    QWidget,
)

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Traits, explained, missing
from napari_intseg.core.volume import Plane
from napari_intseg.errors import FileError, IntSegError
from napari_intseg.io.hooks import read_layers, write_labels_layer
from napari_intseg.io.output_files import check_apart
from napari_intseg.models.automatic.open_model import names_here
from napari_intseg.models.registry import available_models
from napari_intseg.models.weights.catalogue import CATALOGUE, badge
from napari_intseg.propagation.guard import Stop, warnings
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.messages import placeholders
from napari_intseg.ui.panels.controls import Section
from napari_intseg.ui.qt import translation
from napari_intseg.ui.qt.keybindings import ACTIONS
from napari_intseg.ui.qt.translation import (
    ENGINE,
    Catalogue,
    catalogues,
    read_catalogue,
    tr,
    translated,
    use_catalogue,
)
from real_window import Window, breathe, turn
from scripts import load_script
from window_texts import texts_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "src" / "napari_intseg" / "ui" / "translations"
LANGUAGES = ["de", "zh_CN"]
OPEN, SHUT = "«", "»"


@pytest.fixture(scope="module")
def script():
    return load_script(ROOT / "docs" / "make_translations.py")


def marked(path):
    """A catalogue whose every translation says that it is one."""
    known = read_catalogue(path)
    texts = {key: f"{OPEN}{text}{SHUT}" for key, text in known.texts.items()}
    return replace(known, texts=texts)


def unmarked(text):
    """What of a text is in no translation."""
    depth, rest = 0, []
    for letter in text:
        depth += letter == OPEN
        if not depth:
            rest.append(letter)
        depth -= letter == SHUT
    return "".join(rest)


def data():
    """Texts that are nobody's to translate: names of models and what is known of them."""
    found = {
        "Bright discs",
        "Bright discs labels",
        "Bright discs clicks",
        "Bright discs agreement",
        "zz1",
        *names_here(),
        "Scroll Left",  # of Qt's own tab bar, which Qt's catalogues translate
        "Scroll Right",
        "IoU",
        "Dice",
        "DICOM",
        "tls://host:8786",
    }
    for name, spec in available_models().items():
        found |= {name, spec.title, spec.note, spec.licence, spec.paper}
        found.add(badge(spec.licence, spec.note))
    for entry in CATALOGUE.values():
        found |= {entry.file, entry.licence, entry.note, entry.paper, entry.address or ""}
        found.add(badge(entry.licence, entry.note))
    keys = {part for action in ACTIONS for part in re.split(r"[-+]", action.key)}
    found |= {
        "float16",
        "bfloat16",
        "cpu",
        "cuda",
        "px",
        "mm",
        "ms",
        "MB",
        "GB",
        "Ctrl",
        "span",
        "style",
    }
    return sorted(found | {key for key in keys if len(key) > 1}, key=len, reverse=True)


def left_in_english(texts, known):
    """What of texts is neither translated nor data."""
    left = {}
    for where, text in texts:
        rest = unmarked(text)
        for one in known:
            rest = rest.replace(one, " ") if one else rest
        rest = re.sub(r"<[^>]*>|\bfile\d?\.\w+|\.npy", " ", rest)
        if re.search(r"[A-Za-z]{2,}", rest):
            left[text[:90]] = (where, rest.strip()[:90])
    return left


def test_a_word_that_is_no_language_begins_no_catalogue(script, capsys):
    before = sorted(FOLDER.iterdir())
    assert script.main(["--help"]) == 2
    assert "'--help' is no language" in capsys.readouterr().err
    assert sorted(FOLDER.iterdir()) == before


@pytest.fixture
def speaking(monkeypatch):
    """Have the next panel speak a language, and mark what it has translated."""

    def speak(language):
        monkeypatch.setenv("NAPARI_INTSEG_LANGUAGE", language)
        monkeypatch.setattr(translation, "read_catalogue", marked)

    yield speak
    use_catalogue(None)


def errors_of_files(folder):
    """What goes wrong with files in the window, as the engine raises it, by what was tried."""
    labels, meta = np.zeros((3, 4, 5), np.uint8), {"name": "made"}
    damaged, unknown, empty = (folder / n for n in ("damaged.tif", "image.xyz", "empty.npy"))
    for path in (damaged, unknown):
        path.write_bytes(b"no image at all")
    np.save(empty, np.zeros((0, 4)))
    calls = {
        "missing": lambda: read_layers(str(folder / "none.tif")),
        "damaged": lambda: read_layers(str(damaged)),
        "unknown": lambda: read_layers(str(unknown)),
        "empty": lambda: read_layers(str(empty)),
        "no folder": lambda: write_labels_layer(str(folder / "none" / "x.nrrd"), labels, meta),
        "no format": lambda: write_labels_layer(str(folder / "x.xyz"), labels, meta),
        "a volume as COCO": lambda: write_labels_layer(str(folder / "x.json"), labels, meta),
        "two series": lambda: write_labels_layer(
            str(folder / "x.nrrd"), np.zeros((2, 2, 2, 3, 4, 5), np.uint8), meta
        ),
        "over an input": lambda: check_apart(empty, empty),
    }
    for what, call in calls.items():
        with pytest.raises(IntSegError) as caught:
            call()
        yield what, caught.value


class TestErrorsOfFiles:
    """They reach the status line from the engine, and napari's own notices from its hooks."""

    @pytest.mark.usefixtures("qapp")
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_the_commonest_are_known(self, tmp_path, language):
        known = read_catalogue(FOLDER / f"{language}.ts")
        for what, error in errors_of_files(tmp_path):
            assert known.told(str(error)), (what, str(error))

    @pytest.mark.usefixtures("qapp")
    def test_napari_is_told_in_the_language_in_use(self, tmp_path):
        path = str(tmp_path / "none.tif")
        with pytest.raises(FileError, match="file is missing: expected an image"):
            read_layers(path)
        use_catalogue(read_catalogue(FOLDER / "de.ts"))
        try:
            with pytest.raises(
                FileError, match="Die Datei fehlt: erwartet wird ein Bild"
            ) as caught:
                read_layers(path)
            assert path in str(caught.value)
            assert isinstance(caught.value.__cause__, FileError), "logs have both"
            with pytest.raises(FileError, match="Der Ordner fehlt"):
                write_labels_layer(
                    str(tmp_path / "none" / "x.nrrd"), np.zeros((3, 4), np.uint8), {"name": "made"}
                )
        finally:
            use_catalogue(None)
        with pytest.raises(FileError, match="file is missing: expected an image"):
            read_layers(path)


class TestCatalogues:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_each_has_every_text_of_the_source_and_no_other(self, script, language):
        # otherwise: python docs/make_translations.py
        assert set(read_catalogue(FOLDER / f"{language}.ts").texts) == set(script.sources())

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_translations_have_the_placeholders_of_the_text_and_are_not_empty(self, language):
        for (_, source), text in read_catalogue(FOLDER / f"{language}.ts").texts.items():
            assert text.strip(), source
            assert placeholders(text) == placeholders(source), source
            marks = [sorted(re.findall(r"%[vmp]", one)) for one in (source, text)]
            assert marks[0] == marks[1], source

    def test_all_that_ship_are_tested(self):
        assert sorted(path.stem for path in FOLDER.glob("*.ts")) == LANGUAGES

    def test_writing_a_catalogue_anew_changes_nothing(self, script, tmp_path):
        path = tmp_path / "de.ts"
        assert script.write(path, "de", read_catalogue(FOLDER / "de.ts").texts) == 0
        assert path.read_text("utf-8") == (FOLDER / "de.ts").read_text("utf-8")

    def test_a_new_language_begins_unfinished_and_says_nothing_yet(self, script, tmp_path):
        path = tmp_path / "fr.ts"
        assert script.write(path, "fr", {}) == len(script.sources())
        assert read_catalogue(path).texts == {}


@pytest.fixture
def german():
    use_catalogue(read_catalogue(FOLDER / "de.ts"))
    yield
    use_catalogue(None)


@pytest.mark.usefixtures("qapp", "german")
class TestWhatTheEngineSays:
    def test_what_a_model_wants_is_told_whatever_it_takes(self):
        kinds = ("click", "box", "scribble")
        for count in (1, 2, 3):
            for prompts in combinations(kinds, count):
                traits = Traits("toy", prompts=frozenset({*prompts, "mask"}))
                if "click" in prompts or count > 1:
                    assert translated(explained(traits)) != explained(traits), prompts

    @pytest.mark.parametrize("needs", [{"box"}, {"box", "click"}, {"extreme_points"}, {"click"}])
    def test_what_it_needs_is_told(self, needs):
        kinds = frozenset(needs - {"extreme_points"} | {"click", "mask"})
        traits = Traits("toy", prompts=kinds | needs, needs=frozenset(needs))
        for words in (explained(traits), missing(Prompts(), traits)):
            assert translated(words) != words, words

    def test_why_a_propagation_ended_is_told(self):
        for reason in ("leaked", "grew", "jumped", "flooded", "contradicts"):
            (line,) = warnings([(3, Stop(Plane(0, 5), reason, 2.5))])
            assert translated(line).startswith("Objekt 3: "), line
            assert not re.search(r"\b(the|it|at|from)\b", translated(line)), line

    def test_a_note_that_was_made_a_sentence_is_found(self):
        note = "Half precision gave no numbers: computed in float32."
        assert translated(note) == "halbe Genauigkeit ergab keine Zahlen: in float32 gerechnet."

    def test_what_is_unknown_stays_as_it_is(self):
        assert translated("a sentence of no form that is known") == (
            "a sentence of no form that is known"
        )

    def test_titles_of_undo_are_told(self):
        assert (
            translated("Undo Positive click of object 4") == "positiver Klick bei Objekt 4 zurück"
        )


def test_the_language_of_a_form_wins_by_its_length():
    known = {(ENGINE, "it grew {amount}"): "kurz {amount}",
             (ENGINE, "it grew {amount} beyond"): "lang {amount}"}  # fmt: skip
    assert Catalogue("de", known).told("it grew twofold beyond") == "lang twofold"


@pytest.mark.gui
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_of_the_window_is_left_in_english(language, speaking, make_napari_viewer, tmp_path):
    speaking(language)
    rows, cols = np.indices((64, 64))
    disc = np.where(np.hypot(rows - 32, cols - 32) < 12, 200, 30).astype(np.uint8)
    volume = np.stack([np.full_like(disc, 30), disc, disc, np.full_like(disc, 30)])
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.stack([volume, volume]), name="Bright discs")
    window = Window(viewer)
    widget, controller = window.widget, window.controller
    seen = list(texts_of(widget))
    try:
        widget.image_panel.axes.setCurrentIndex(widget.image_panel.axes.findData("tzyx"))
        viewer.dims.set_current_step(1, 1)
        controller.loader.choose(Choice("region-growing"))
        window.settle()
        controller.new_object()
        controller.image_controller.points.add([0, 1, 32, 32])
        window.settle()
        seen += texts_of(widget)
        controller.propagate()
        window.settle()
        widget.review.next()
        seen += texts_of(widget)
        widget.compare_panel.model.setCurrentIndex(
            widget.compare_panel.model.findData("random-walker")
        )
        turn(lambda: widget.comparison.state is not None and window.is_idle)
        breathe(0.2)
        widget.model_panel.open_catalogue()
        seen += texts_of(widget.model_panel.catalogue)
        widget.model_panel.open_remote()
        for address in ("", "tcp://gpu:8786", "tls://gpu:8786"):
            widget.model_panel.remote.address.setText(address)
            widget.model_panel.remote.files["ca"].setText("file.pem")
            seen += texts_of(widget.model_panel.remote)
        widget.model_panel.remote.reject()
        seen += texts_of(widget.object_panel.table.menu(1))
        widget.do("learn_objects")
        seen += texts_of(widget.learn_panel.dialog)
        np.save(tmp_path / "zz1.npy", disc)
        for action in ("accept_object", "undo", "redo", "outlines", "suggest_click", "cancel"):
            widget.do(action)
            window.settle()
            seen += texts_of(widget)
        assert widget.queue_work.open(tmp_path)
        turn(lambda: widget.queue_panel.isVisible() and window.is_idle)
        menu = QMenu()
        widget.queue_panel.fill(menu)
        seen += [*texts_of(menu), *texts_of(widget)]
    finally:
        window.close()
    assert any(OPEN in text for _, text in seen)
    left = left_in_english(seen, data())
    assert not left, "\n".join(f"{where}: {text} ({rest})" for text, (where, rest) in left.items())


def show_all(widget):
    """Open every section, and show what is hidden below them for now."""
    inside = (QAbstractItemView, QAbstractScrollArea, QAbstractSpinBox, QComboBox, QStackedWidget)
    for section in widget.findChildren(Section):
        section.fold(False)
    for one in widget.findChildren(QWidget):
        # the parts of Qt's own widgets are theirs to show
        if one.isHidden() and not one.isWindow() and not isinstance(one.parent(), inside):
            one.show()


@pytest.mark.gui
@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_titles_are_whole_and_nothing_that_is_opened_narrows_the_canvas(
    language, monkeypatch, make_napari_viewer
):
    monkeypatch.setenv("NAPARI_INTSEG_LANGUAGE", language)
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    # its channels are the longest row of lists
    viewer.add_image(np.zeros((3, 12, 32, 32), np.uint8), axis_labels=("c", "z", "y", "x"))
    window = Window(viewer)
    window.controller.new_object()
    try:
        breathe(0.2)
        bar = window.widget.tabs.tabBar()
        assert bar.isTabVisible(1), "a volume has all four"
        for tab in range(bar.count()):
            place, text = bar.tabRect(tab), bar.tabText(tab)
            assert bar.rect().contains(place), f"{text} is out of sight"
            option = QStyleOptionTab()
            option.initFrom(bar)
            option.rect, option.text, option.shape = place, text, bar.shape()
            # the style's padding is no room for letters
            room = (
                bar.style().subElementRect(QStyle.SubElement.SE_TabBarTabText, option, bar).width()
            )
            needed = bar.fontMetrics().horizontalAdvance(text)
            assert needed <= room, f"{text} is cut off: {needed} px in {room}"
        labels = window.widget.parent().titleBarWidget().findChildren(QLabel)
        (title,) = (label for label in labels if label.text())
        assert title.sizeHint().width() <= title.width(), title.text()
        show_all(window.widget)
        breathe(0.2)
        canvas, whole = window.canvas.native.width(), viewer.window._qt_window.width()
        assert canvas >= 0.55 * whole, "whatever is opened"
    finally:
        window.close()
        use_catalogue(None)


@pytest.mark.usefixtures("qapp")
def test_steps_are_named_in_the_language_in_use(controller, settle, squares, said):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    labels = controller.image_controller.labels
    with labels.block_history():
        labels.paint((50, 10), 1)
    told = said.messages[-1]
    controller.undo()
    controller.undo()
    controller.redo()
    assert [told, *said.messages[-3:]] == [
        "Paint: done by hand.",
        "Undo: Paint.",
        "Undo: Positive click.",
        "Redo: Positive click.",
    ]
    use_catalogue(read_catalogue(FOLDER / "de.ts"))
    try:
        assert [translated(one) for one in (told, *said.messages[-3:])] == [
            "Malen: von Hand ausgeführt.",
            "Rückgängig: Malen.",
            "Rückgängig: positiver Klick.",
            "Wiederholt: positiver Klick.",
        ]
    finally:
        use_catalogue(None)


@pytest.mark.usefixtures("qapp")
def test_a_text_without_an_entry_is_found(speaking):
    speaking("de")
    use_catalogue(marked(FOLDER / "de.ts"))
    made = [("QLabel", tr("Accept")), ("QLabel", "Accept"), ("QLabel", f"{tr('Model')}: sam")]
    assert set(left_in_english(made, ["sam"])) == {"Accept"}


def test_a_catalogue_of_one_s_own_goes_before_those_that_ship(tmp_path, monkeypatch):
    own = tmp_path / "translations"
    own.mkdir()
    (own / "de.ts").write_text("<TS/>", "utf-8")
    (own / "fr.ts").write_text("<TS/>", "utf-8")
    monkeypatch.setattr(translation, "user_config_path", lambda _: tmp_path)
    assert catalogues() == {"de": own / "de.ts", "fr": own / "fr.ts", "zh_CN": FOLDER / "zh_CN.ts"}
