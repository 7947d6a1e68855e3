"""What the pages say exists: files that are linked, commands, options, extras, names."""

import argparse
import ast
import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from PIL import Image

from napari_intseg.cli.main import COMMANDS, _joined, _parser

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [CHECKOUT / "README.md", CHECKOUT / "weights" / "MODEL_CARD.md"]
    + [p for folder in ("docs", "changes") for p in (CHECKOUT / folder).rglob("*.md")]
)
EXTRAS = set(
    tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(CHECKOUT)))


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M)


def command_lines(page: Path) -> list[list[str]]:
    """Return the words of each line that begins with the program's name, without that name."""
    text = "".join(fenced(page, "(?:console|sh|bash)?")).replace("\\\n", " ")
    told = [line for line in text.splitlines() if line.startswith("napari-intseg ")]
    return [shlex.split(line, comments=True)[1:] for line in told]


@every_page
def test_what_is_linked_is_there(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    inside = [link.partition("#")[0] for link in links if "://" not in link]
    missing = [link for link in inside if link and not (page.parent / link).exists()]
    assert missing == []
    for link in inside:
        if link.endswith(".png"):
            Image.open(page.parent / link).verify()


@every_page
def test_shell_lines_are_understood(page, capsys):
    for words in command_lines(page):
        try:
            _parser().parse_args(_joined(words))
        except SystemExit:
            pytest.fail(f"{' '.join(words)}: {capsys.readouterr().err}")


@every_page
def test_commands_in_the_text_exist(page):
    for words in re.findall(r"`napari-intseg ([a-z][^`]*)`", page.read_text("utf-8")):
        for name in words.split()[0].split("|"):
            assert name in COMMANDS
            assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= options_of(name), words


def options_of(command: str) -> set[str]:
    parser = argparse.ArgumentParser()
    import_module(f"napari_intseg.cli.{command}").add_arguments(parser)
    actions = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            actions += [one for below in action.choices.values() for one in below._actions]
    return {option for action in actions for option in action.option_strings}


@every_page
def test_extras_that_are_to_be_installed_exist(page):
    found = re.findall(r"(?:napari-intseg|\.)\[([a-z0-9,]+)\]", page.read_text("utf-8"))
    assert {name for group in found for name in group.split(",")} <= EXTRAS


@every_page
def test_scripts_that_are_to_be_run_exist(page):
    for path in re.findall(r"python ((?:benchmarks|docs)/\S+\.py)", page.read_text("utf-8")):
        assert (CHECKOUT / path).is_file(), path


@every_page
def test_names_that_are_imported_exist(page):
    for block in fenced(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("napari_intseg"):
                module = import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}: {alias.name}"


def test_every_page_of_the_site_is_in_its_contents():
    # `make docs` is strict, and refuses a page that is in neither
    site = yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text("utf-8"))
    listed = re.findall(r"[\w/.-]+\.md", str(site["nav"]))
    aside = [line.strip().lstrip("/") for line in site["not_in_nav"].splitlines()]
    docs = CHECKOUT / "docs"
    pages = {p.relative_to(docs).as_posix() for p in docs.rglob("*.md")}
    assert pages == {*listed, *aside}
