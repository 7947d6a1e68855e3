"""Journals on disk: work that a crash interrupted is offered at the next start."""

import json
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image
from platformdirs import user_config_path

from napari_intseg.core.files import read_json
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.errors import IntSegError
from napari_intseg.io.output_files import METADATA
from napari_intseg.models.model_table import ModelIdentity, identity_of
from napari_intseg.models.registry import load_model
from napari_intseg.remote.remote_segmenter import Certificates
from napari_intseg.session.journal.file import (
    JournalFile,
    find_unfinished,
    image_signature,
    new_path,
    prune,
)
from napari_intseg.session.journal.recorder import Journal, Written, now
from napari_intseg.session.journal.replayer import Replayed, replay
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.review import bring
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, told

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
        return counted(
            self.written.count,
            "Work on this image was interrupted: {n} action, on {when}.",
            "Work on this image was interrupted: {n} actions, the last on {when}.",
            when=_here(str(self.written.actions[-1].get("t", ""))),
        )


def _here(stamp: str) -> str:
    """Return a time of a journal, which is in UTC, as clocks show it here."""
    try:
        return f"{datetime.fromisoformat(stamp).astimezone():%Y-%m-%d %H:%M}"
    # what journals say may be anything
    except (ValueError, OverflowError, OSError):
        return stamp[:16]


@dataclass(frozen=True, slots=True, eq=False)
class RecognisedImage:
    """An image as it was recognised: the layer, what its axes mean, and the array it held."""

    image: Image
    axes: str
    data: Any

    def __eq__(self, other: object) -> bool:
        """Compare the objects themselves; arrays are not gone through."""
        return isinstance(other, RecognisedImage) and (
            self.image is other.image and self.axes == other.axes and self.data is other.data
        )

    # it compares by identity of mutable things; nobody needs it as a key
    __hash__ = None  # type: ignore[assignment]


class Recovery:
    """Journals of a viewer controller on disk.

    Parameters
    ----------
    controller : ViewerController
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

    def __init__(self, controller: ViewerController, folder: Path) -> None:
        self._controller, self._folder = controller, folder
        self.offer: Offer | None = None
        self.trouble: str | None = None
        self.is_replaying = False
        self._looked_at: RecognisedImage | None = None
        self._signatures: list[tuple[RecognisedImage, Signature]] = []
        self._files: dict[ImageController, JournalFile] = {}
        controller.signals.changed.connect(self._changed)

    def go_on(self) -> None:
        """Replay the interrupted work in the worker's thread, and show it."""
        self._withdraw()
        offer = self.offer
        if offer is None or self.is_replaying:
            return
        if self._controller.image_controller is None:
            self._controller.new_object()
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        self.is_replaying = True
        self._controller.signals.message.emit(Message("Bringing back what was interrupted …"))
        # taken now: the thread must not read what the window may change meanwhile
        in_use, image_axes, post = (
            self._controller.loader.model,
            image_controller.image_axes,
            self._controller.post,
        )
        signals = self._controller.signals

        def progress(done: int, total: int) -> None:
            post(partial(signals.progressed.emit, done, total, "actions"))

        def work(should_stop: ShouldStop) -> Replayed:
            load = partial(_load, in_use)
            return replay(
                offer.written,
                image_axes.volume,
                load,
                on_progress=progress,
                should_stop=should_stop,
            )

        self._controller.worker.submit(work, partial(self._replayed, offer, image_controller))
        signals.changed.emit()

    def discard(self) -> None:
        """Delete the journal of the interrupted work."""
        offer, self.offer = self.offer, None
        if offer is not None:
            try:
                offer.path.unlink(missing_ok=True)
            except OSError as err:
                self._controller.signals.failed.emit(
                    Message(
                        "The file {path} could not be removed: {err}.", path=offer.path, err=err
                    )
                )
        self._controller.signals.changed.emit()

    def save_elsewhere(self, folder: Path) -> bool:
        """Go on saving in another folder, with everything that was done so far."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return False
        self._folder = folder
        old = self._files.pop(image_controller, None)
        if old is not None:
            old.close()
        self.trouble = None
        self._attach(image_controller)
        if self.trouble is None:
            self._controller.signals.message.emit(
                Message("Work is saved in {folder} from now on.", folder=folder)
            )
        self._controller.signals.changed.emit()
        return self.trouble is None

    def close(self) -> None:
        """Note that work ended in an orderly way, and let go of all files."""
        self._controller.signals.changed.disconnect(self._changed)
        for image_controller in list(self._files):
            self._end(image_controller)
        self.offer = None

    def _changed(self) -> None:
        image, image_controller = self._controller.image, self._controller.image_controller
        looked = (
            None if image is None else RecognisedImage(image, self._controller.axes, image.data)
        )
        # `changed` comes with every answer; an image is
        # recognised once, since its pixels are hashed
        if looked != self._looked_at:
            self._looked_at, self.offer = looked, None
            if looked is not None:
                self._look(looked)
        self._withdraw()
        # a list, since `_end` changes the dictionary
        for other in [b for b in self._files if b.is_closed]:
            self._end(other)
        if (
            image_controller is not None
            and image_controller not in self._files
            and not image_controller.is_closed
        ):
            self._attach(image_controller)
        file = None if image_controller is None else self._files.get(image_controller)
        self.trouble = None if file is None else file.trouble

    def _withdraw(self) -> None:
        """Offer nothing once new work has begun; nothing would bring that back."""
        if self.offer is None or self.is_replaying or not self._has_begun(self.offer.image):
            return
        # its journal stays for another time
        self.offer = None
        self._controller.signals.message.emit(
            Message(
                "The interrupted work is kept: it is offered again when the image is opened anew."
            )
        )

    def _look(self, looked: "RecognisedImage") -> None:
        """Have the image recognised, and interrupted work on it found, in the worker's thread."""
        try:
            volume = ImageAxes(looked.image, looked.axes).volume(0)
        except (IntSegError, ValueError, IndexError):
            # it cannot be segmented as it is, and that is told elsewhere
            return
        folder = self._folder

        def work(_: ShouldStop) -> tuple[Signature, list[tuple[Path, Written]]]:
            signature = image_signature(volume)
            # here, for it reads old journals, which may be large or on a slow disk
            prune(folder)
            return signature, find_unfinished(folder, signature)

        self._controller.worker.submit(work, partial(self._found, looked))

    def _found(
        self,
        looked: "RecognisedImage",
        outcome: Outcome[tuple[Signature, list[tuple[Path, Written]]]],
    ) -> None:
        if outcome.value is None:
            return
        (signature, unfinished), image = outcome.value, looked.image
        self._signatures = [known for known in self._signatures if known[0].image is not image]
        self._signatures.append((looked, signature))
        # journals that this very window writes are unfinished
        # as well, but are nothing to go on with
        held = {file.path for file in self._files.values()}
        unfinished = [one for one in unfinished if one[0] not in held]
        # another image may have been chosen while this one was being recognised
        if unfinished and looked == self._looked_at and not self._has_begun(image):
            self.offer = Offer(image, *unfinished[0])
        self._controller.signals.changed.emit()

    def _attach(self, image_controller: ImageController) -> None:
        image = image_controller.image_axes.image
        looked = RecognisedImage(image, image_controller.image_axes.axes, image.data)
        signature = next((s for known, s in self._signatures if known == looked), None)
        if signature is None:
            # `_found` comes back here
            return
        journal = image_controller.session_store.journal
        # as a person may have set it: the file of the image may lack it
        spacing = [float(mm) for mm in image_controller.image_axes.volume(0).spacing]
        signature = {**signature, "spacing": spacing}
        journal.describe(image=signature)
        # the same list, not a copy: what is saved with the
        # labels later is the journal as it is then
        image_controller.labels.metadata[METADATA] = journal.lines
        post = self._controller.post
        file = JournalFile(
            new_path(self._folder, signature), lambda text: post(partial(self._failed, file, text))
        )
        self._files[image_controller] = file
        journal.attach(file)
        self.trouble = file.trouble

    def _failed(self, file: JournalFile, text: str) -> None:
        if file in self._files.values():
            self.trouble = text
            self._controller.signals.failed.emit(text)

    def _end(self, image_controller: ImageController) -> None:
        """Let go of a file; work whose layers were removed by hand stays on offer."""
        file = self._files.pop(image_controller)
        image_controller.session_store.journal.attach(None)
        has_ended = (
            not image_controller.is_closed
            or image_controller.labels in self._controller.viewer.layers
        )
        looked = self._looked_at
        if (
            not has_ended
            and looked is not None
            and looked.image is image_controller.image_axes.image
        ):
            # it is looked at anew, and so offered at once
            self._looked_at = None
        # without that last line the journal counts as unfinished
        file.close({"t": now(), "do": "close"} if has_ended else None)

    def _has_begun(self, image: Image) -> bool:
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.image_axes.image is not image:
            return False
        return any(
            line.get("do", "begin") != "begin"
            for line in image_controller.session_store.journal.lines[1:]
        )

    def _replayed(
        self, offer: Offer, image_controller: ImageController, outcome: Outcome[Replayed]
    ) -> None:
        self.is_replaying = False
        signals = self._controller.signals
        signals.progressed.emit(0, 0, "")
        if outcome.value is None:
            signals.failed.emit(told(outcome.error))
        elif image_controller.is_closed or self._has_begun(offer.image):
            signals.failed.emit(
                Message("New work has begun meanwhile; the earlier work stays saved.")
            )
        else:
            self._take(offer, image_controller, outcome.value)
        signals.changed.emit()

    def _take(self, offer: Offer, image_controller: ImageController, replayed: Replayed) -> None:
        # the new file holds the earlier work too, so that it alone is needed after another crash
        journal = Journal()
        journal.lines = [*offer.written.lines, {"t": now(), "do": "go on"}]
        old = self._files.pop(image_controller, None)
        image_controller.session_store.take(replayed.sessions, journal)
        self._attach(image_controller)
        if old is not None:
            old.close()
        # removed only after the new journal has been written: until then it is the only copy
        if self.trouble is None and image_controller in self._files:
            offer.path.unlink(missing_ok=True)
        self.offer = None
        self._show_model(image_controller)
        image_controller.show_all()
        image_controller.select_object(image_controller.session_store.object)
        self._show_place(image_controller, offer.written)
        words = [
            counted(offer.written.count, "Brought back {n} action.", "Brought back {n} actions.")
        ]
        if replayed.differences:
            words.append(counted(len(replayed.differences), "{n} difference.", "{n} differences."))
        self._controller.signals.message.emit(joined(words))

    def _show_place(self, image_controller: ImageController, written: Written) -> None:
        """Show the plane and time point worked on last: the image was opened on another."""
        sessions = image_controller.session_store.sessions
        # only time points other than the first are written
        times = [line.get("time", 0) for line in written.actions]
        session = sessions.get(times[-1] if times else image_controller.time)
        if session is None:
            return
        # without an answer, the last that a person gave a mask
        given = [session.predictor.last_plane, *reversed(session.clicked_planes())]
        plane = next((one for one in given if one is not None), None)
        if plane is not None:
            bring(image_controller, plane, times[-1] if times else None)

    def _show_model(self, image_controller: ImageController) -> None:
        model, loader = image_controller.session_store.model, self._controller.loader
        if model is not None and model is not loader.model:
            who = identity_of(model)
            loader.adopt(model, Choice(who.name, who.device, who.precision))


def _load(in_use: Segmenter | None, wanted: ModelIdentity) -> Segmenter:
    """Return the model of a journal: the one in use, if that is it."""
    if in_use is not None:
        found = identity_of(in_use)
        # the same weights; device and precision may differ. Loading them again would take seconds.
        if (found.name, found.sha256) == (wanted.name, wanted.sha256):
            return in_use
    options = dict(wanted.options)
    address, certificates, insecure = known_machine()
    if wanted.device == address:
        options.update(certificates=certificates, insecure=insecure)
    return load_model(wanted.name, device=wanted.device, precision=wanted.precision, **options)


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
        found = read_json(path, ours=True)
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


def known_machine() -> tuple[str, Certificates | None, bool]:
    """Return the address, certificates and insistence that were given last for another machine."""
    known = remembered().get("remote")
    if not isinstance(known, dict) or not isinstance(known.get("address"), str):
        return "", None, False
    files = [known.get(name) for name in ("ca", "cert", "key")]
    paths = [Path(one) for one in files if isinstance(one, str) and one]
    certificates = Certificates(*paths) if len(paths) == len(files) else None
    return known["address"], certificates, known.get("insecure") is True


def remember_machine(address: str, certificates: Certificates | None, *, insecure: bool) -> None:
    """Remember another machine; of certificates where they are, and nothing of what they say."""
    files = {} if certificates is None else {
        name: str(getattr(certificates, name)) for name in ("ca", "cert", "key")
    }  # fmt: skip
    remember(remote={"address": address, "insecure": insecure, **files})


def _replace(path: Path, text: str) -> None:
    # in the same folder, for only within one file system is a file replaced in one step
    number, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # on the disk before it takes the old one's place: a
            # loss of power leaves the one or the other
            os.fsync(file.fileno())
        Path(name).replace(path)
    # an interruption by key as well: no half-written file stays behind
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
