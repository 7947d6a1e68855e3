"""Work is written down as it is done; what a crash interrupted is offered at the next start."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.errors import IntSegError
from napari_intseg.io.beside import METADATA
from napari_intseg.models.identity import ModelIdentity, identity_of
from napari_intseg.models.registry import load_model
from napari_intseg.session.journal.file import JournalFile, find_unfinished, new_path, prune
from napari_intseg.session.journal.image_signature import image_signature
from napari_intseg.session.journal.reader import Written
from napari_intseg.session.journal.recorder import Journal, now
from napari_intseg.session.journal.replay import Replayed, replay
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.loading import Choice
from napari_intseg.ui.voice import told
from napari_intseg.ui.workbench import Workbench
from napari_intseg.ui.worker import Outcome, ShouldStop

Signature = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Work on an image that a crash interrupted."""

    image: Image
    path: Path
    written: Written

    @property
    def text(self) -> str:
        """What a person reads."""
        count = self.written.count
        when = str(self.written.actions[-1].get("t", ""))[:16].replace("T", " at ")
        return (
            f"Work on this image was interrupted: {count} action{'s' * (count != 1)}, the last on "
            f"{when} UTC."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """An image as it was recognised: the layer, what its axes mean, and the array it held."""

    image: Image
    axes: str
    data: Any

    def __eq__(self, other: object) -> bool:
        """Compare the objects themselves; arrays are not gone through."""
        return isinstance(other, Looked) and (
            self.image is other.image and self.axes == other.axes and self.data is other.data
        )

    __hash__ = None  # type: ignore[assignment]


class Recovery:
    """Journals of a workbench on disk.

    Parameters
    ----------
    bench : Workbench
        Is watched; nothing in it needs to know.
    folder : path
        Where journals are.

    Attributes
    ----------
    offer : Offer or None
        What can be gone on with, on the image that is chosen.
    trouble : str or None
        Why work cannot be saved at present.
    """

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self._bench, self._folder = bench, folder
        self.offer: Offer | None = None
        self.trouble: str | None = None
        self.is_replaying = False
        self._looked_at: Looked | None = None
        self._signatures: list[tuple[Looked, Signature]] = []
        self._files: dict[Binder, JournalFile] = {}
        bench.voice.changed.connect(self._changed)

    def go_on(self) -> None:
        """Do again what was interrupted, in the worker's thread, and show it."""
        offer = self.offer
        if offer is None or self.is_replaying:
            return
        if self._has_begun(offer.image):
            self._bench.voice.failed.emit(
                "New work on this image has begun. Undo does not bring the earlier back; remove "
                "its Labels and Points layers first, then go on with the earlier work."
            )
            return
        if self._bench.binder is None:
            self._bench.new_object()
        binder = self._bench.binder
        if binder is None:
            return
        self.is_replaying = True
        self._bench.voice.message.emit("Bringing back what was interrupted …")
        in_use, frame, post = self._bench.loader.model, binder.frame, self._bench.post
        voice = self._bench.voice

        def progress(done: int, total: int) -> None:
            post(partial(voice.progressed.emit, done, total, "actions"))

        def work(should_stop: ShouldStop) -> Replayed:
            load = partial(_load, in_use)
            return replay(
                offer.written, frame.volume, load, on_progress=progress, should_stop=should_stop
            )

        self._bench.worker.submit(work, partial(self._replayed, offer, binder))
        voice.changed.emit()

    def discard(self) -> None:
        """Forget what was interrupted; its file goes."""
        offer, self.offer = self.offer, None
        if offer is not None:
            try:
                offer.path.unlink(missing_ok=True)
            except OSError as err:
                self._bench.voice.failed.emit(f"The file {offer.path} could not be removed: {err}.")
        self._bench.voice.changed.emit()

    def save_elsewhere(self, folder: Path) -> bool:
        """Go on saving in another folder, with everything that was done so far."""
        binder = self._bench.binder
        if binder is None:
            return False
        self._folder = folder
        old = self._files.pop(binder, None)
        if old is not None:
            old.close()
        self.trouble = None
        self._attach(binder)
        if self.trouble is None:
            self._bench.voice.message.emit(f"Work is saved in {folder} from now on.")
        self._bench.voice.changed.emit()
        return self.trouble is None

    def close(self) -> None:
        """Note that work ended in an orderly way, and let go of all files."""
        self._bench.voice.changed.disconnect(self._changed)
        for binder in list(self._files):
            self._end(binder)
        self.offer = None

    def _changed(self) -> None:
        image, binder = self._bench.image, self._bench.binder
        looked = None if image is None else Looked(image, self._bench.axes, image.data)
        if looked != self._looked_at:
            self._looked_at, self.offer = looked, None
            if looked is not None:
                self._look(looked)
        for other in [b for b in self._files if b.is_closed]:
            self._end(other)
        if binder is not None and binder not in self._files and not binder.is_closed:
            self._attach(binder)
        file = None if binder is None else self._files.get(binder)
        self.trouble = None if file is None else file.trouble

    def _look(self, looked: "Looked") -> None:
        """Have the image recognised, and interrupted work on it found, in the worker's thread."""
        try:
            volume = Frame(looked.image, looked.axes).volume(0)
        except (IntSegError, ValueError, IndexError):
            return  # it cannot be segmented as it is, and that is told elsewhere
        folder = self._folder

        def work(_: ShouldStop) -> tuple[Signature, list[tuple[Path, Written]]]:
            signature = image_signature(volume)
            prune(folder)
            return signature, find_unfinished(folder, signature)

        self._bench.worker.submit(work, partial(self._found, looked))

    def _found(
        self, looked: "Looked", outcome: Outcome[tuple[Signature, list[tuple[Path, Written]]]]
    ) -> None:
        if outcome.value is None:
            return
        (signature, unfinished), image = outcome.value, looked.image
        self._signatures = [known for known in self._signatures if known[0].image is not image]
        self._signatures.append((looked, signature))
        held = {file.path for file in self._files.values()}
        unfinished = [one for one in unfinished if one[0] not in held]
        if unfinished and looked == self._looked_at and not self._has_begun(image):
            self.offer = Offer(image, *unfinished[0])
        self._bench.voice.changed.emit()

    def _attach(self, binder: Binder) -> None:
        image = binder.frame.image
        looked = Looked(image, binder.frame.axes, image.data)
        signature = next((s for known, s in self._signatures if known == looked), None)
        if signature is None:
            return  # `_found` comes back here
        journal = binder.drawer.journal
        spacing = [float(mm) for mm in binder.frame.volume(0).spacing]
        signature = {**signature, "spacing": spacing}
        journal.describe(image=signature)
        binder.labels.metadata[METADATA] = journal.lines
        post = self._bench.post
        file = JournalFile(
            new_path(self._folder, signature), lambda text: post(partial(self._failed, file, text))
        )
        self._files[binder] = file
        journal.attach(file)
        self.trouble = file.trouble

    def _failed(self, file: JournalFile, text: str) -> None:
        if file in self._files.values():
            self.trouble = text
            self._bench.voice.failed.emit(text)

    def _end(self, binder: Binder) -> None:
        """Let go of a file; work whose layers were removed by hand stays on offer."""
        file = self._files.pop(binder)
        binder.drawer.journal.attach(None)
        has_ended = not binder.is_closed or binder.labels in self._bench.viewer.layers
        looked = self._looked_at
        if not has_ended and looked is not None and looked.image is binder.frame.image:
            self._looked_at = None
        file.close({"t": now(), "do": "close"} if has_ended else None)

    def _has_begun(self, image: Image) -> bool:
        binder = self._bench.binder
        if binder is None or binder.frame.image is not image:
            return False
        return any(line.get("do", "begin") != "begin" for line in binder.drawer.journal.lines[1:])

    def _replayed(self, offer: Offer, binder: Binder, outcome: Outcome[Replayed]) -> None:
        self.is_replaying = False
        voice = self._bench.voice
        voice.progressed.emit(0, 0, "")
        if outcome.value is None:
            voice.failed.emit(told(outcome.error))
        elif binder.is_closed or self._has_begun(offer.image):
            voice.failed.emit("New work has begun meanwhile; the earlier work stays saved.")
        else:
            self._take(offer, binder, outcome.value)
        voice.changed.emit()

    def _take(self, offer: Offer, binder: Binder, replayed: Replayed) -> None:
        journal = Journal()
        journal.lines = [*offer.written.lines, {"t": now(), "do": "go on"}]
        old = self._files.pop(binder, None)
        binder.drawer.take(replayed.sessions, journal)
        self._attach(binder)
        if old is not None:
            old.close()
        if self.trouble is None and binder in self._files:
            offer.path.unlink(missing_ok=True)
        self.offer = None
        self._show_model(binder)
        binder.show_all()
        binder.select_object(binder.drawer.object)
        lost = f" {len(replayed.differences)} differences." if replayed.differences else ""
        self._bench.voice.message.emit(f"Brought back {offer.written.count} actions.{lost}")

    def _show_model(self, binder: Binder) -> None:
        model, loader = binder.drawer.model, self._bench.loader
        if model is not None and model is not loader.model:
            who = identity_of(model)
            loader.adopt(model, Choice(who.name, who.device, who.precision))


def _load(in_use: Segmenter | None, wanted: ModelIdentity) -> Segmenter:
    """Return the model of a journal: the one in use, if that is it."""
    if in_use is not None:
        found = identity_of(in_use)
        if (found.name, found.sha256) == (wanted.name, wanted.sha256):
            return in_use
    return load_model(
        wanted.name, device=wanted.device, precision=wanted.precision, **dict(wanted.options)
    )
