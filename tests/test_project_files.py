"""Files of the project that no code imports agree with the package."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import napari_intseg

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch", "simpleitk": "simpleitk"}
YAML = sorted((CHECKOUT / ".github").rglob("*.yml"))


def needs(lines: list[str]) -> dict[str, str]:
    """Return the least version of each package, by its lower-case name."""
    pairs = (re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(.*)", line).groups() for line in lines)
    return {name.lower(): version.replace(" ", "") for name, version in pairs}


def test_the_conda_recipe_needs_what_the_package_needs():
    recipe = yaml.safe_load((CHECKOUT / "recipe" / "recipe.yaml").read_text("utf-8"))
    lines = recipe["requirements"]["run"]
    for name, value in recipe["context"].items():
        lines = [line.replace(f"${{{{ {name} }}}}", value) for line in lines]
    told = needs(lines)
    assert len(told) == len(lines), "a need is named twice"
    wanted = {
        CONDA_NAMES.get(name, name): version
        for name, version in needs(PROJECT["dependencies"]).items()
    }
    assert told == {**wanted, "python": PROJECT["requires-python"]}
    assert recipe["context"]["version"] == napari_intseg.__version__


def test_citation_and_changelog_name_this_version():
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == napari_intseg.__version__
    assert citation["license"] == PROJECT["license"]
    changelog = (CHECKOUT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## {napari_intseg.__version__}" in changelog


@pytest.mark.skipif(sys.platform == "win32", reason="releases are made on Linux")
def test_a_release_is_published_for_the_tag_of_its_version_alone():
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/release.yml").read_text("utf-8"))
    (check,) = (
        step["run"] for step in workflow["jobs"]["build"]["steps"] if "GITHUB_REF_NAME" in str(step)
    )
    ended = {}
    for tag in (f"v{napari_intseg.__version__}", "v9.9.9", "v"):
        # as GitHub runs it: a shell that stops at the first line that fails
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", check],
            cwd=CHECKOUT, env={**os.environ, "GITHUB_REF_NAME": tag}, check=False,
        )  # fmt: skip
        ended[tag] = done.returncode == 0
    assert list(ended.values()) == [True, False, False]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_forms_and_workflows_are_yaml(path):
    held = yaml.safe_load(path.read_text("utf-8"))
    if path.parent.name == "workflows":
        # YAML 1.1 takes the key `on` for the word yes
        assert {"name", True, "jobs"} <= set(held)
        for job in held["jobs"].values():
            assert job["runs-on"]
            assert job["steps"]


def test_scripts_that_the_workflows_run_exist():
    text = "".join(path.read_text("utf-8") for path in YAML)
    makefile = (CHECKOUT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert f"\n{target}:" in makefile, target
    assert "bash .ci/run" in text
    assert (CHECKOUT / ".ci" / "run").is_file()


def test_paths_can_live_on_windows():
    """No name that Windows refuses, and none that differs from another by its case alone."""
    paths = [
        path.relative_to(CHECKOUT)
        for folder in ("src", "tests", "docs", "examples", "benchmarks", "weights", "changes")
        for path in (CHECKOUT / folder).rglob("*")
        if "__pycache__" not in path.parts
    ]
    assert paths
    reserved = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10))}
    for path in paths:
        assert not re.search(r'[<>:"|?*\\]|[. ]$', path.name), path
        assert path.name.split(".")[0].lower() not in reserved, path
        assert len(path.as_posix()) < 160, path
    assert len({path.as_posix().lower() for path in paths}) == len(paths)


def test_text_has_one_kind_of_line_ending_on_every_system():
    """Checksums and texts that tests compare are the same in a clone on Windows."""
    lines = (CHECKOUT / ".gitattributes").read_text("utf-8").splitlines()
    assert "* text=auto eol=lf" in lines
    folders = ("src", "tests", "docs", "examples", "benchmarks", "weights", "changes", "recipe")
    paths = [p for name in folders for p in (CHECKOUT / name).rglob("*") if p.is_file()]
    contents = {path: path.read_bytes() for path in paths if "__pycache__" not in path.parts}
    # git's own rule of what is no text
    texts = {path for path, content in contents.items() if b"\0" not in content[:8000]}
    assert texts < contents.keys()
    assert not [path for path in texts if b"\r\n" in contents[path]]
    # what is known by its bytes must not be taken for text
    assert not [path for path in texts if path.suffix in (".onnx", ".safetensors", ".png")]
