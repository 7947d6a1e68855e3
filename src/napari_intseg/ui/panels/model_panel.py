"""Which model answers, on which device; and all models in a table.

The table says what models take, what binds their use, and what it costs to have them; where weights
are missing, the panel says what to do.
"""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStyle,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_intseg.core.workers import is_safe
from napari_intseg.errors import IntSegError
from napari_intseg.models.registry import ModelSpec, available_models, licence_lines
from napari_intseg.models.weights.catalogue import CATALOGUE, badge, find_entry
from napari_intseg.remote.remote_segmenter import Certificates
from napari_intseg.ui.controllers.model_loader import (
    Choice,
    devices,
    good_for,
    has_weights,
    keys_here,
    weights_key,
)
from napari_intseg.ui.controllers.view_settings import Refinement
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, to_translate
from napari_intseg.ui.panels.controls import Tick, combo, fill, form, name_controls
from napari_intseg.ui.qt.translation import tr, translated
from napari_intseg.ui.qt.worker_thread import Outcome, told
from napari_intseg.ui.storage.recovery import known_machine, remember_machine

_TITLES = (
    to_translate("Model"), to_translate("Prompts"), to_translate("Licence"),
    to_translate("Size"), to_translate("State"), to_translate("Good for"),
)  # fmt: skip
_PROMPTS = {
    "click": to_translate("clicks"),
    "box": to_translate("box"),
    "scribble": to_translate("scribbles"),
    "lasso": to_translate("lassos"),
    "extreme_points": to_translate("extreme points"),
}
_NAME = Qt.ItemDataRole.UserRole
# what the adapters load: PyTorch's two endings, safetensors, and exported models
_CHECKPOINTS = "*.pth *.pt *.safetensors *.onnx"


class CatalogueDialog(QDialog):  # type: ignore[misc, unused-ignore]
    """A window of its own, so that work can go on beside it.

    Parameters
    ----------
    controller : ViewerController
        Whose models.
    parent : QWidget, optional
        Closed with it.
    """

    chosen = Signal(str)
    """A model is to be used, by its name."""

    added = Signal()
    """A weight file has come by hand."""

    def __init__(self, controller: ViewerController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self.setWindowTitle(tr("Models"))
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Find: a name, a prompt, a licence"))
        self.search.setClearButtonEnabled(True)
        self.table = QTableWidget(0, len(_TITLES))
        self.table.setHorizontalHeaderLabels([tr(title) for title in _TITLES])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.use, self.fetch = QPushButton(tr("Use")), QPushButton(tr("Fetch"))
        self.add = QPushButton(tr("Add file…"))
        self.add.setToolTip(tr("Take a weight file that you have; it is told by its content."))
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self._lay_out()
        self.search.textChanged.connect(self._filter)
        self.table.currentCellChanged.connect(lambda *_: self._show_row())
        self.table.cellDoubleClicked.connect(lambda *_: self._use())
        self.use.clicked.connect(lambda _: self._use())
        self.fetch.clicked.connect(lambda _: self._fetch())
        self.add.clicked.connect(lambda _: self._add())
        self._was_fetching = False
        controller.signals.progressed.connect(self._progressed)
        controller.signals.changed.connect(self._changed)
        self.refresh()

    @property
    def name(self) -> str | None:
        """The model in the chosen row; None if there is none."""
        item = self.table.item(self.table.currentRow(), 0)
        return None if item is None else str(item.data(_NAME))

    def select(self, name: str) -> None:
        """Choose a row by the name of its model."""
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if item is not None and item.data(_NAME) == name:
                self.table.setCurrentCell(row, 0)

    def refresh(self) -> None:
        """Fill the table anew: weights may have come, or gone."""
        chosen = self.name or self._controller.loader.choice.name
        models, here = available_models(), keys_here()
        # `sorted` is stable: among the ready and among the others the order of the registry stays
        order = sorted(models, key=lambda name: not is_ready(name, models[name], here))
        self.table.setRowCount(len(order))
        for row, name in enumerate(order):
            for column, text in enumerate(_row(name, models[name], here)):
                item = QTableWidgetItem(text)
                # a cell may be narrower than its text
                item.setToolTip(text)
                # on every cell of the row, for the current cell may be in any column
                item.setData(_NAME, name)
                self.table.setItem(row, column, item)
        self.select(chosen)
        self._filter()
        self._show_row()

    def _lay_out(self) -> None:
        side, head = self.table.verticalHeader(), self.table.horizontalHeader()
        assert side is not None
        assert head is not None
        side.setVisible(False)
        # pixels in which most entries fit; not tuned, since columns
        # can be dragged, and the last one takes what is left
        for column, width in enumerate((230, 105, 110, 60, 95)):
            self.table.setColumnWidth(column, width)
        head.setSectionResizeMode(len(_TITLES) - 1, QHeaderView.ResizeMode.Stretch)
        layout = QGridLayout(self)
        layout.addWidget(self.search, 0, 0, 1, 4)
        layout.addWidget(self.table, 1, 0, 1, 4)
        layout.addWidget(self.about, 2, 0, 1, 4)
        layout.addWidget(self.bar, 3, 0)
        for column, button in enumerate((self.use, self.fetch, self.add), start=1):
            layout.addWidget(button, 3, column)
        layout.setColumnStretch(0, 1)
        # as wide as the columns with 260 pixels for the last, and small enough for 1366 × 768
        self.resize(900, 520)

    def _filter(self, _text: str = "") -> None:
        wanted = self.search.text().lower().split()
        for row in range(self.table.rowCount()):
            cells = [self.table.item(row, column) for column in range(len(_TITLES))]
            told = " ".join(cell.text().lower() for cell in cells if cell is not None)
            # every word has to be found somewhere, in any order:
            # "box mit" finds models that take boxes
            self.table.setRowHidden(row, not all(word in told for word in wanted))

    def _show_row(self) -> None:
        name = self.name
        spec = None if name is None else available_models().get(name)
        # another machine may have all
        is_there = self._controller.loader.choice.is_remote
        self.use.setEnabled(
            spec is not None and (is_there or is_ready(str(name), spec, keys_here()))
        )
        key = None if name is None else _missing(name)
        entry = None if key is None else find_entry(key)
        # one file is fetched at a time
        is_busy = self._controller.loader.is_fetching
        self.fetch.setEnabled(entry is not None and entry.address is not None and not is_busy)
        lines = [] if spec is None else [translated(good_for(str(name), spec))]
        self.about.setText("\n".join(lines + ([] if key is None else [*licence_lines(key)])))
        if spec is not None and not spec.is_installed:
            self.about.setText(
                tr("Install it with: pip install 'napari-intseg[{extra}]'", extra=spec.extra)
            )

    def _use(self) -> None:
        if self.use.isEnabled() and self.name is not None:
            self.chosen.emit(self.name)

    def _fetch(self) -> None:
        name = self.name
        key = None if name is None else _missing(name)
        if name is not None and key is not None:
            loader = self._controller.loader
            # chosen without being loaded: it is loaded once its weights have come
            loader.choice = replace(loader.choice, name=name, weights=None)
            loader.fetch(key)

    def _add(self) -> None:
        from napari_intseg.models.weights.locate import add

        chosen, _ = QFileDialog.getOpenFileName(
            self,
            tr("Add a weight file"),
            "",
            tr("Weight files ({endings})", endings=_CHECKPOINTS) + ";;" + tr("All files (*)"),
        )
        if not chosen:
            return
        key = None if self.name is None else _missing(self.name)
        try:
            add(Path(chosen), key)
        except (IntSegError, OSError) as err:
            # said twice, for the status line may be hidden behind this window
            self._controller.signals.failed.emit(told(err))
            self.about.setText(translated(told(err)))
            return
        self._controller.signals.message.emit(Message("Added {name}.", name=Path(chosen).name))
        self.refresh()
        self.added.emit()

    def _progressed(self, done: int, total: int, of: str) -> None:
        # other work counts planes or objects, and has its bar in the dock
        self.bar.setVisible(of == "bytes")
        self.bar.setRange(0, max(0, total))
        self.bar.setValue(min(done, total) if total else done)

    def _changed(self) -> None:
        was, self._was_fetching = self._was_fetching, self._controller.loader.is_fetching
        # looking for weights on disk takes a while, so only when a fetch has begun or ended
        if self.isVisible() and was != self._was_fetching:
            self.refresh()


def is_ready(name: str, spec: ModelSpec, here: frozenset[str]) -> bool:
    """Whether a model answers as soon as it is chosen: its packages and weights are there."""
    key = weights_key(name) if spec.is_installed else None
    # a key that is not in the catalogue is a file of one's own training, which was found on disk
    return spec.is_installed and (key is None or key in here or key not in CATALOGUE)


def listed(name: str, spec: ModelSpec, here: frozenset[str]) -> str:
    """Return how a model is listed: its title, and what it takes to use it."""
    if is_ready(name, spec, here):
        return spec.title
    if not spec.is_installed:
        return tr("{title} – needs the extra {extra!r}", title=spec.title, extra=spec.extra)
    size = _size(name)
    if not size:
        return tr("{title} – weights to fetch or add", title=spec.title)
    return tr("{title} – {size} to fetch or add", title=spec.title, size=size)


def _missing(name: str) -> str | None:
    """Return the catalogue's key of weights that a model lacks; None if it lacks none."""
    key = weights_key(name)
    return None if key is None or key not in CATALOGUE or key in keys_here() else key


def _size(name: str) -> str:
    key = weights_key(name)
    size = None if key is None or key not in CATALOGUE else find_entry(key).size_mb
    return f"{size:g} MB" if size else ""


def _row(name: str, spec: ModelSpec, here: frozenset[str]) -> tuple[Any, ...]:
    how = badge(spec.licence, spec.note)
    state = tr("ready")
    if not spec.is_installed:
        state = tr("needs the extra {extra!r}", extra=spec.extra)
    elif not is_ready(name, spec, here):
        key = weights_key(name)
        state = tr("to add by hand")
        if key and find_entry(key).address:
            state = tr("to fetch")
    # not "mask": an earlier mask is given by the program, not by a person
    prompts = ", ".join(tr(_PROMPTS.get(kind, kind)) for kind in sorted(spec.prompts - {"mask"}))
    licence = f"{spec.licence} [{how}]" if how else spec.licence
    return spec.title, prompts, licence, _size(name), state, translated(good_for(name, spec))


_PRECISIONS = (
    (to_translate("automatic"), "auto"),
    (to_translate("float32, exact"), "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
)


_CATALOGUE = "all models"
"""The entry of the list that opens the catalogue; no model is called so."""

_REMOTE = "remote"
"""The entry of the list of devices that asks for an address; no device is called so."""

_LOOK_MS = 2000
"""How often an idle connection is looked at: dask itself tells the machine of a client's life every
5 s, and looking at what it knows takes no time."""

_FILES = (
    ("ca", to_translate("Authority"), to_translate("Certificate of who signed the others.")),
    ("cert", to_translate("Certificate"), to_translate("Certificate of this machine.")),
    ("key", to_translate("Private key"), to_translate("The key that belongs to the certificate.")),
)
"""Fields of `Certificates`, with their labels and what they are."""


class RemoteDialog(QDialog):  # type: ignore[misc, unused-ignore]
    """Asks for the address of another machine, and how it is reached.

    What was given last is there again; of the key only the name of its file is kept.

    Parameters
    ----------
    parent : QWidget, optional
        Closed with it.
    """

    chosen = Signal(object)
    """*Connect* is pressed: the fields of a `Choice` that say where."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Another machine"))
        address, certificates, insecure = known_machine()
        self.address = QLineEdit(address)
        self.address.setPlaceholderText("tls://host:8786")
        self.address.setToolTip(tr("Where `napari-intseg serve` runs; it prints the address."))
        self.files = {name: QLineEdit() for name, _, _ in _FILES}
        self.insist = QCheckBox(tr("Connect without encryption all the same"))
        self.insist.setChecked(insecure)
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.connect_button = QPushButton(tr("Connect"))
        self.buttons.addButton(self.connect_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self._layout = layout = form(self)
        layout.setContentsMargins(9, 9, 9, 9)
        layout.addRow(tr("Address"), self.address)
        for name, label, tip in _FILES:
            line = self.files[name]
            line.setToolTip(tr(tip))
            line.setText(str(getattr(certificates, name, "")))
            layout.addRow(tr(label), line)
            self._let_pick(line, tr(label))
            line.textChanged.connect(self._show)
        for row in (self.insist, self.why, self.buttons):
            layout.addRow(row)
        self.resize(480, self.sizeHint().height())
        # who insists does so for one address
        self.address.textChanged.connect(lambda _: self.insist.setChecked(False))
        self.address.textChanged.connect(self._show)
        self.insist.toggled.connect(self._show)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        name_controls(self)
        self._show()

    @property
    def certificates(self) -> Certificates | None:
        """Those that are given; None unless all are, and the address needs them."""
        texts = [line.text().strip() for line in self.files.values()]
        is_tls = self.address.text().strip().startswith("tls:")
        return Certificates(*map(Path, texts)) if is_tls and all(texts) else None

    def accept(self) -> None:
        """Remember what is given, and tell; called by *Connect* and Enter."""
        where = self.address.text().strip()
        insecure = self.insist.isChecked() and not self.insist.isHidden()
        remember_machine(where, self.certificates, insecure=insecure)
        super().accept()
        self.chosen.emit({"device": where, "certificates": self.certificates, "insecure": insecure})

    def _let_pick(self, line: QLineEdit, title: str) -> None:
        def pick() -> None:
            name, _ = QFileDialog.getOpenFileName(self, title, line.text(), tr("All files (*)"))
            line.setText(name or line.text())

        icon = self.style().standardIcon(QStyle.StandardPixmap.SP_DirOpenIcon)  # type: ignore[union-attr]
        action = line.addAction(icon, QLineEdit.ActionPosition.TrailingPosition)
        action.setToolTip(tr("Choose the file."))  # type: ignore[union-attr]
        action.triggered.connect(lambda _: pick())  # type: ignore[union-attr]

    def _show(self) -> None:
        where = self.address.text().strip()
        self.insist.setVisible(not is_safe(where) and is_safe(where, insecure=True))
        for line in self.files.values():
            line.setEnabled(where.startswith("tls:"))
        why, is_refused = self._problem(where)
        self.why.setText(why)
        # Qt would cut a long text off
        self.setMinimumHeight(self._layout.totalHeightForWidth(self.width()))
        self.connect_button.setEnabled(not is_refused)

    def _problem(self, where: str) -> tuple[str, bool]:
        """Return what there is to know, and whether it hinders connecting."""
        if find_spec("distributed") is None:
            how = tr("Install it with: pip install 'napari-intseg[{extra}]'", extra="cluster")
            return how, True
        if not is_safe(where, insecure=True):
            how = tr("tls://HOST:PORT with certificates, or tcp://127.0.0.1:PORT through a tunnel.")
            return how, True
        if not is_safe(where):
            why = tr(
                "Refused, since tcp:// to another machine is not encrypted: whoever is on the way "
                "reads the images, and can run programs on both machines. Use certificates and "
                "tls://, or an SSH tunnel: ssh -L 8786:127.0.0.1:8786 HOST, then "
                "tcp://127.0.0.1:8786."
            )
            return why, not self.insist.isChecked()
        given = sum(bool(line.text().strip()) for line in self.files.values())
        if where.startswith("tls:") and 0 < given < len(_FILES):
            return tr("Give all three files, or none if dask's configuration has them."), True
        return "", False


class ModelPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Lists all models, those that are ready first; those that cannot be used here are grey.

    Attributes
    ----------
    options : QWidget
        Device, precision and refinement; the dock folds them away.
    catalogue : CatalogueDialog or None
        Opened by the last entry of the list.
    remote : RemoteDialog or None
        Opened by the last entry of the devices.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self._loader = controller.loader
        self._picked: dict[str, Path] = {}
        self._was_fetching = False
        # what the panel last looked on disk for, and whether weights were being fetched
        self._looked: tuple[Choice, bool] | None = None
        self._devices: tuple[str, ...] = ("auto",)
        # the last on another machine
        self._remote: Choice | None = None
        self.remote: RemoteDialog | None = None
        self.catalogue: CatalogueDialog | None = None
        self.model = combo(tr("The model that answers clicks."))
        self.device = combo(tr("Where it runs; automatic takes a GPU if there is one."))
        self.precision = combo(
            tr("Number format; automatic takes half precision where that is fast.")
        )
        self.refine = Tick(tr("Refine by graph cut"))
        self.refine.setToolTip(
            tr("Move the contour of every answer onto edges of the image nearby.")
        )
        self.missing = QWidget()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.fetch = QPushButton(tr("Fetch"))
        self.pick = QPushButton(tr("Choose file …"))
        self.pick.setToolTip(tr("Use a weight file that you have already."))
        self._build()
        self._fill_models()
        # finding out which devices there are imports PyTorch, which takes seconds: that is done
        # below in the worker's thread, and the others are listed when it ends
        self._fill_devices()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._loader.look_after)
        fill(self.precision, [(tr(words), value) for words, value in _PRECISIONS], "auto")
        self.model.currentIndexChanged.connect(self._chosen)
        self.device.currentIndexChanged.connect(self._chosen)
        self.precision.currentIndexChanged.connect(self._chosen)
        self.fetch.clicked.connect(self._fetch)
        self.pick.clicked.connect(self._pick)
        self._refinement = Refinement(controller)
        self.refine.toggled.connect(self._refinement.choose)
        controller.signals.changed.connect(self._show_missing)
        self._chosen()
        controller.worker.submit(lambda _: devices(), self._devices_known)

    def _build(self) -> None:
        self.options = QWidget()
        rare = form(self.options)
        for box in (self.device, self.precision):
            # letters: two headings leave less room than elsewhere
            box.setMinimumContentsLength(6)
        rare.addRow(tr("Device"), self.device)
        rare.addRow(tr("Precision"), self.precision)
        rare.addRow(self.refine)
        layout = form(self)
        label = QLabel(tr("Model"))
        label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Contrast"))  # below Image
        layout.addRow(label, self.model)
        layout.addRow(self.missing)
        lines = QVBoxLayout(self.missing)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.text)
        buttons = QHBoxLayout()
        buttons.addWidget(self.fetch)
        buttons.addWidget(self.pick)
        lines.addLayout(buttons)
        self.missing.setVisible(False)

    def _fill_models(self) -> None:
        models, here = available_models(), keys_here()
        there = self._remote is not None and self._loader.choice.is_remote
        ready = {n: spec for n, spec in models.items() if there or is_ready(n, spec, here)}
        rest = {n: spec for n, spec in models.items() if n not in ready}
        entries: list[tuple[str, str | None]] = []
        for some in (ready, rest):
            for name, spec in some.items():
                entries.append((spec.title if there else listed(name, spec, here), name))
            # a line below each group
            entries += [("", None)] * bool(some)
        entries.append((tr("All models …"), _CATALOGUE))
        fill(self.model, entries, self._loader.choice.name)
        # only the items of the model behind the list can be made grey
        items: Any = self.model.model()
        for row, (_, key) in enumerate(entries):
            if key in models:
                items.item(row).setToolTip(_tip(key, models[key]))
                items.item(row).setEnabled(there or models[key].is_installed)

    def choose(self, name: str) -> None:
        """Choose a model as if in the list."""
        self.model.setCurrentIndex(self.model.findData(name))
        self._chosen()

    def _added(self) -> None:
        """List models whose weights have come as ready; load the chosen one if it waited."""
        self._fill_models()
        self._looked = None
        if self._loader.model is None or not self.missing.isHidden():
            self._chosen()

    def open_catalogue(self) -> None:
        """Show all models with what they take, what they cost, and what they are good for."""
        if self.catalogue is None:
            self.catalogue = CatalogueDialog(self._controller, self)
            self.catalogue.chosen.connect(self.choose)
            self.catalogue.added.connect(self._added)
        self.catalogue.refresh()
        self.catalogue.show()
        self.catalogue.raise_()

    def _devices_known(self, outcome: Outcome[tuple[str, ...]]) -> None:
        # where looking for devices fails, "automatic" alone stays
        self._devices = outcome.value or ("auto",)
        self._fill_devices()

    def _fill_devices(self) -> None:
        there = () if self._remote is None else (self._remote.device,)
        names = (*self._devices, *there)
        entries = [(tr("automatic") if name == "auto" else name, name) for name in names]
        entries.append((tr("remote …"), _REMOTE))
        fill(self.device, entries, self._loader.choice.device)

    def open_remote(self) -> None:
        """Ask for another machine to run the model on."""
        if self.remote is not None:
            self.remote.deleteLater()
        self.remote = RemoteDialog(self)
        loader = self._loader
        self.remote.chosen.connect(lambda to: loader.choose(replace(loader.choice, **to)))
        self.remote.open()

    def _chosen(self, _index: int = 0) -> None:
        if self.model.currentData() == _CATALOGUE:
            # the entry that opens the catalogue is no model: the list goes back to what is in use
            _show(self.model, self._loader.choice.name)
            self.open_catalogue()
            return
        if self.device.currentData() == _REMOTE:
            _show(self.device, self._loader.choice.device)
            self.open_remote()
            return
        self._looked = None
        weights, before = self._picked.get(self.model.currentData()), self._loader.choice
        if weights is None and before.name == self.model.currentData():
            weights = before.weights  # those of a project stay when a device is chosen
        choice = Choice(
            self.model.currentData(),
            self.device.currentData() or "auto",
            self.precision.currentData() or "auto",
            weights,
        )
        if choice.is_remote and self._remote is not None:
            choice = replace(self._remote, name=choice.name, precision=choice.precision)
        # loading would fail; the panel offers to fetch the weights instead
        if weights is None and not choice.is_remote and not has_weights(choice.name):
            self._loader.choice = choice
            self._show_missing()
            return
        self._loader.choose(choice)
        self._show_missing()

    def _show_missing(self) -> None:
        choice = self._loader.choice
        self._follow_remote(choice)
        # two models may have changed places, or undo has brought one back
        _show(self.model, choice.name)
        _show(self.device, choice.device)
        _show(self.precision, choice.precision)
        if self._was_fetching and not self._loader.is_fetching:
            # what has arrived is no longer marked as missing
            self._fill_models()
        self._was_fetching = self._loader.is_fetching
        looked = choice, self._was_fetching
        # the disk need not be looked at for every click
        if looked == self._looked:
            return
        self._looked = looked
        key = weights_key(choice.name)
        is_missing = (
            key is not None
            and choice.weights is None
            and not choice.is_remote
            and not has_weights(choice.name)
        )
        self.missing.setVisible(is_missing)
        if not is_missing or key is None:
            return
        entry = find_entry(key)
        size = f" ({entry.size_mb:g} MB)" if entry.size_mb else ""
        # they are notes in small letters, and stand here as sentences
        told = "\n".join(line[0].upper() + line[1:] for line in licence_lines(key))
        self.text.setText(f"{tr('The weights {file} are not here yet.', file=entry.file)}\n{told}")
        self.fetch.setText(tr("Fetch") + size)
        self.fetch.setToolTip(entry.address or tr("It cannot be fetched; choose a file."))
        self.fetch.setEnabled(entry.address is not None and not self._loader.is_fetching)

    def _follow_remote(self, choice: Choice) -> None:
        """List the machine that is in use, and the models that may be there."""
        before = self._remote if self._timer.isActive() else None
        if choice.is_remote:
            self._remote = replace(choice, weights=None)
            self._timer.start(_LOOK_MS)
        else:
            self._timer.stop()
        if choice.is_remote != (before is not None) or (before and before.device != choice.device):
            self._fill_devices()
            self._fill_models()

    def _fetch(self) -> None:
        key = weights_key(self._loader.choice.name)
        if key is not None:
            self._loader.fetch(key)

    def _pick(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self,
            tr("Choose a weight file"),
            "",
            tr("Weight files ({endings})", endings="*.pth *.pt *.safetensors")
            + ";;"
            + tr("All files (*)"),
        )
        if name:
            # by model, so that the file is still chosen after a look at another model
            self._picked[self._loader.choice.name] = Path(name)
            self._chosen()


def _show(box: QComboBox, value: str) -> None:
    """Show a value, if it is one of those listed, without choosing it anew."""
    row = box.findData(value)
    if row >= 0:
        with QSignalBlocker(box):
            box.setCurrentIndex(row)


def _tip(name: str, spec: ModelSpec) -> str:
    if not spec.is_installed:
        needs = tr(
            "{name} needs {needs}, which is not installed.", name=name, needs=", ".join(spec.needs)
        )
        how = tr("Install it with: pip install 'napari-intseg[{extra}]'", extra=spec.extra)
        return f"{needs}\n{how}"
    how = badge(spec.licence, spec.note)
    lines = [name, tr("Licence: {licence}", licence=spec.licence) + (f" [{how}]" if how else "")]
    entry = CATALOGUE.get(spec.weights or "")
    if entry is not None and entry.size_mb:
        lines.append(
            tr("Weights: {size:g} MB, licence {licence}", size=entry.size_mb, licence=entry.licence)
        )
    lines += [tr("Paper: {paper}", paper=spec.paper)] * bool(spec.paper)
    return "\n".join([*lines, translated(good_for(name, spec))])
