"""Write what the window says into catalogues: ``python docs/make_translations.py [language …]``.

Without a language all catalogues that ship are brought up to date: texts that are new come in
unfinished, those that are gone go, translations stay. With one, `zh_TW` or `fr`, a new catalogue is
begun, to be filled in with Qt Linguist or any editor.
"""

import ast
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from napari_intseg.ui.messages import ENGINE_MESSAGES
from napari_intseg.ui.qt.translation import CONTEXT, ENGINE, QT, QT_TEXTS, read_catalogue

UI = Path(__file__).parent.parent / "src" / "napari_intseg" / "ui"
FOLDER = UI / "translations"
_TEXTS = {"tr": (0,), "to_translate": (0,), "Message": (0,), "counted": (1, 2)}
"""Which arguments of which functions are texts."""


def sources() -> dict[tuple[str, str], str]:
    """Return every text by context and words, and the file that says it first."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(UI.rglob("*.py")):
        if path.name == "messages.py":
            continue  # it puts templates together, and says nothing
        for text in _texts_of(ast.parse(path.read_text("utf-8"))):
            found.setdefault((CONTEXT, text), path.relative_to(UI).as_posix())
    for text in ENGINE_MESSAGES:
        found[ENGINE, text] = "messages.py"
    for text in QT_TEXTS:
        found[QT, text] = "qt/translation.py"
    return found


def _texts_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        for number in _TEXTS.get(node.func.id, ()):
            given = node.args[number] if number < len(node.args) else None
            if isinstance(given, ast.Constant) and isinstance(given.value, str) and given.value:
                yield given.value


def write(path: Path, language: str, texts: dict[tuple[str, str], str]) -> int:
    """Write a catalogue with the translations given; return how many texts have none."""
    root = ET.Element("TS", version="2.1", language=language, sourcelanguage="en")
    missing = 0
    known = sources()
    for context in (CONTEXT, ENGINE, QT):
        group = ET.SubElement(root, "context")
        ET.SubElement(group, "name").text = context
        for source in sorted(text for name, text in known if name == context):
            message = ET.SubElement(group, "message")
            ET.SubElement(message, "location", filename=f"../{known[context, source]}")
            ET.SubElement(message, "source").text = source
            made = ET.SubElement(message, "translation")
            made.text = texts.get((context, source))
            if not made.text:
                made.set("type", "unfinished")
                missing += 1
    ET.indent(root, "  ")
    text = ET.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{text}\n', "utf-8")
    return missing


def main(languages: list[str]) -> int:
    """Bring catalogues up to date, or begin those of other languages; return 0, or 2."""
    wrong = [one for one in languages if not re.fullmatch(r"[a-z]{2,3}(_[A-Za-z]+)?", one)]
    if wrong:
        sys.stderr.write(f"{wrong[0]!r} is no language: expected one such as de or zh_CN\n")
        return 2
    for language in languages or sorted(path.stem for path in FOLDER.glob("*.ts")):
        path = FOLDER / f"{language}.ts"
        texts = dict(read_catalogue(path).texts) if path.exists() else {}
        missing = write(path, language, texts)
        sys.stdout.write(f"{path.name}: {missing} texts to translate\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
