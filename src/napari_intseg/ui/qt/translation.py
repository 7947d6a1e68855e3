"""The language of the window: Qt's translations, read from Qt Linguist's `.ts` files as they are.

`tr` is for what the window says itself, `translated` for messages that come from elsewhere. What a
catalogue lacks is said in English.
"""

import logging
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from qtpy.QtCore import QCoreApplication, QLocale, QTranslator

from napari_intseg.errors import DataError
from napari_intseg.io.hooks import say_errors_by
from napari_intseg.ui.messages import Message

CONTEXT = "napari-intseg"
"""Context, in Qt's sense, of everything that the window says."""

ENGINE = "napari-intseg engine"
"""Context of what the engine says: sentences that it made in English, recognised by their form. The
engine itself knows nothing of languages, so that its errors read the same in scripts and logs."""

QT = "QPlatformTheme"
"""Context of the standard buttons of Qt's dialogs, the name that Qt itself uses; Qt's own
catalogues are not always installed."""

QT_TEXTS = ("&Yes", "&No", "OK", "Cancel", "Open", "Save")
"""The standard buttons that dialogs of the window have, as Qt writes them."""

AUTOMATIC = "auto"
"""The preference for napari's own language, or that of the system."""

VARIABLE = "NAPARI_INTSEG_LANGUAGE"
"""Environment variable that goes before the preference."""

SUFFIX = ".ts"
_MOST_BYTES = 4 << 20
"""Over twenty times the largest of ours, 152 kB: what is larger is not read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The translations of one `.ts` file.

    Parameters
    ----------
    language : str
        As the file says, "de" or "zh_CN".
    texts : mapping of (str, str) to str
        Translations by context and English text; what is unfinished is not among them.
    """

    language: str
    texts: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @cached_property
    def _forms(self) -> list[tuple[re.Pattern[str], str]]:
        """What the engine's sentences look like, the most definite first, and their translation."""
        known = [one for one in self.texts.items() if one[0][0] == ENGINE]
        # by the letters outside placeholders: "{a}: {b}" fits
        # almost any sentence, so it is tried last
        known.sort(key=lambda one: -len(re.sub(r"\{\w*\}", "", one[0][1])))
        return [(_pattern(source), text) for (_, source), text in known]

    def told(self, sentence: str) -> str | None:
        """Return a sentence of the engine in this language; None if none of its form is known."""
        for pattern, text in self._forms:
            found = pattern.fullmatch(sentence)
            if found is not None:
                # what was put into a sentence may be a sentence of the engine itself
                parts = {k: self.told(v) or v for k, v in found.groupdict().items()}
                return text.format(**parts)
        return None


def _pattern(template: str) -> re.Pattern[str]:
    """Return what matches a template with whatever values, each by its name."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in seen:
            # a placeholder that comes again has to match the same text
            return f"(?P={name})"
        seen.add(name)
        # as little as possible: what follows in the template says where it ends
        return f"(?P<{name}>.+?)"

    parts = re.split(r"(\{\w+\})", template)
    return re.compile(
        "".join(
            re.sub(r"\{(\w+)\}", group, one) if one.startswith("{") else re.escape(one)
            for one in parts
        ),
        # values such as the text of an error may have several lines
        re.DOTALL,
    )


class Translator(QTranslator):  # type: ignore[misc, unused-ignore]
    """Has Qt say what a catalogue says."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self.catalogue = catalogue

    def isEmpty(self) -> bool:
        """Return that there is something to say; called by Qt."""
        return False

    def translate(
        self, context: str, text: str, _disambiguation: str | None = None, _n: int = -1
    ) -> Any:
        """Return a translation; nothing where there is none, as of others' texts. Called by Qt."""
        # None has Qt ask the next translator, for all translators are asked for all texts
        return self.catalogue.texts.get((context, text))


_installed: Translator | None = None


def read_catalogue(path: Path) -> Catalogue:
    """Read a Qt Linguist file.

    Parameters
    ----------
    path : Path
        A `.ts` file; it need not be compiled.

    Returns
    -------
    Catalogue
        What is translated and finished in it.

    Raises
    ------
    DataError
        If it is no such file, larger than a catalogue ever is, or declares XML entities.
    """
    rule = "a Qt Linguist file"
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            rule = f"at most {_MOST_BYTES} bytes"
            raise ValueError(f"{size} bytes")
        text = path.read_text("utf-8")
        # they can grow without limit, or name other files
        if "<!ENTITY" in text:
            rule = "no entity declarations"
            raise ValueError("some")
        root = ET.fromstring(text)
        if root.tag != "TS":
            raise ValueError(f"the element {root.tag!r}")
    except (OSError, ValueError, ET.ParseError) as err:
        raise DataError(
            f"catalogue cannot be read: expected {rule}, got {err} in {path.name!r}. "
            "Write it anew, see the guide on languages."
        ) from err
    return Catalogue(root.get("language") or path.stem, dict(_texts(root)))


def _texts(root: ET.Element) -> Iterator[tuple[tuple[str, str], str]]:
    for context in root.iter("context"):
        name = context.findtext("name", "")
        for message in context.iter("message"):
            made = message.find("translation")
            # a type is "unfinished", "vanished" or "obsolete": a
            # machine's guess or a text that has gone
            text = "" if made is None or made.get("type") else made.text or ""
            if text:
                yield (name, message.findtext("source", "")), text


def catalogues() -> dict[str, Path]:
    """Return the catalogues there are by language; a person's own go before those shipped."""
    shipped = Path(__file__).parent.parent / "translations"
    found = {}
    for folder in (shipped, user_config_path("napari-intseg") / "translations"):
        if folder.is_dir():
            # the later folder wins: a person can correct a translation without a new release
            found.update({path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))})
    return found


def preferred_language(choice: str = AUTOMATIC) -> str:
    """Return which language is meant by a preference: "en", or one that there is a catalogue of.

    Parameters
    ----------
    choice : str, default "auto"
        A language; "auto" for napari's own, where that is not English, and else the system's. The
        environment variable `VARIABLE` goes before it.
    """
    wanted = [os.environ.get(VARIABLE) or choice.strip()]
    if wanted[0] in ("", AUTOMATIC):
        wanted = [_napari_language(), _system_language()]
        # English is what napari starts with: most people have
        # not chosen it, so the system is asked
        wanted = wanted[1:] if wanted[0].startswith("en") else wanted
    known = catalogues()
    for one in wanted:
        # "de-AT" in napari and in browsers, "de_AT" in Qt
        name = one.replace("-", "_")
        if name.split("_")[0] == "en":
            return "en"
        # for "de_AT": that itself, then "de", then any other German
        likely = [name, name.split("_")[0]]
        likely += [other for other in known if other.split("_")[0] == likely[1]]
        for likely_name in likely:
            if likely_name in known:
                return likely_name
    return "en"


def _napari_language() -> str:
    from napari.settings import get_settings

    return str(getattr(get_settings().application, "language", "") or "en")


def _system_language() -> str:
    return str(QLocale.system().name())


def use_language(language: str) -> None:
    """Say everything that is made from now on in a language; "en" for English.

    A catalogue that cannot be read is logged, and English stays.
    """
    catalogue = None
    path = catalogues().get(language)
    if path is not None:
        try:
            catalogue = read_catalogue(path)
        except DataError as err:
            _log.warning("%s", err)
    use_catalogue(catalogue)


def use_catalogue(catalogue: Catalogue | None) -> None:
    """Say everything that is made from now on as a catalogue says it; None for English."""
    global _installed  # noqa: PLW0603 - Qt keeps one list of translators for the application
    if _installed is not None:
        # a translator that stays installed would still answer for what the next one lacks
        QCoreApplication.removeTranslator(_installed)
        _installed = None
    if catalogue is not None and QCoreApplication.instance() is not None:
        _installed = Translator(catalogue)
        QCoreApplication.installTranslator(_installed)
    # napari shows these errors itself
    say_errors_by(translated)


def tr(template: str, /, **values: Any) -> str:
    """Return a text of the window in the language in use, with values put in.

    Parameters
    ----------
    template : str
        As of `str.format`; a literal, so that it is found when catalogues are made.
    **values : object
        What is put in. Messages among them are translated.
    """
    # where no translator knows a text, Qt returns it as it is; an empty translation counts as none
    text = QCoreApplication.translate(CONTEXT, template) or template
    if not values:
        return text
    known = {k: translated(v) if isinstance(v, Message) else v for k, v in values.items()}
    try:
        return text.format(**known)
    except (KeyError, ValueError, IndexError):
        # a translation with other placeholders
        return template.format(**known)


def translated(message: str) -> str:
    """Return a message in the language in use; one whose form is unknown as it is."""
    if isinstance(message, Message):
        if message.parts:
            return str(message.values["by"]).join(translated(part) for part in message.parts)
        return tr(message.template, **message.values) if message.template else ""
    if _installed is None or not message:
        return message
    own = _installed.catalogue.texts.get((CONTEXT, message))
    if own is not None:
        return own
    told = _installed.catalogue.told
    found = told(message)
    # a note that was made a sentence
    if found is None and message.endswith("."):
        found = told(message[:1].lower() + message[1:-1])
        found = None if found is None else f"{found}."
    return message if found is None else found
