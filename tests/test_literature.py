"""What the page of the literature names is there, and its commands are understood."""

import re
import shlex
from pathlib import Path

import pytest

from napari_intseg.cli.main import _joined, _parser
from napari_intseg.models.automatic.hub_models import FAMILIES
from napari_intseg.models.networks import NETWORKS, UNPROVEN
from napari_intseg.models.networks import SEMANTIC_NETWORKS as SEMANTIC
from napari_intseg.models.registry import MODELS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "literature.md").read_text("utf-8")
COMMANDS = re.findall(r"`(napari-intseg [^`]+)`", PAGE)


def interactive() -> list[list[str]]:
    _, section = PAGE.split("\n## Interactive\n")
    lines = section.split("\n## ")[0].splitlines()
    rows = [line.strip("|").split(" | ") for line in lines if line.startswith("| ")]
    return rows[1:]


def test_every_row_says_all_six_things() -> None:
    rows = interactive()
    assert len(rows) >= 24
    for row in rows:
        assert len(row) == 6, row
        assert all(cell.strip() for cell in row), row


def test_the_years_go_up() -> None:
    years = [int(row[0].split(",")[0]) for row in interactive()]
    assert years == sorted(years)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line)[1:]
    try:
        _parser().parse_args(_joined(words))
    except SystemExit:
        pytest.fail(f"{line}: {capsys.readouterr().err}")


def test_models_and_networks_that_are_named_exist() -> None:
    for line in COMMANDS:
        words = shlex.split(line)
        networks = SEMANTIC if "semantic" in words else NETWORKS
        if "convert" in words:  # takes both
            networks = {**NETWORKS, **SEMANTIC}
        options = {"--model": MODELS, "--network": networks, "--automatic": FAMILIES}
        # there a model is a file, and a network one that was trained
        options.pop(
            {"start": "--model", "guide": "--network", "cloud": "--network"}.get(words[1], ""), None
        )
        for option, known in options.items():
            if option in words:
                assert words[words.index(option) + 1] in known, line
    for row in interactive():
        for kind, known in (("model", MODELS), ("network", NETWORKS)):
            for told in re.findall(rf"{kind}s? ((?:`[a-z0-9.-]+`(?:, | and )?)+)", row[3]):
                for name in re.findall(r"`([^`]+)`", told):
                    assert name in known, (row[1], name)


def test_every_network_of_a_paper_stands_in_it() -> None:
    missing = [name for name in NETWORKS if name != "click-pyramid" and f"`{name}`" not in PAGE]
    assert missing == []


def test_what_is_built_from_a_paper_alone_says_so_in_its_row() -> None:
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| 20")]
    unproven = [n for n, spec in {**NETWORKS, **SEMANTIC}.items() if spec.title.endswith(UNPROVEN)]
    assert {"delse", "segnet"} <= set(unproven)
    for name in unproven:
        told = [row[4] for row in rows if re.search(rf"[` ]{name}`", row[3])]
        assert told, name
        assert all("unproven" in proof for proof in told), name
