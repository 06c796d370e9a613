"""What the project's own files promise each other."""

import re
import shlex
import tomllib

import yaml

from flashsale.tests.support.processes import PROJECT


def linters_of_make() -> list[str]:
    """Return the commands of `make lint`, as a shell sees them."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text(), re.MULTILINE)[1]
    commands = [line.strip().removeprefix("@") for line in recipe.splitlines()]
    return [command.replace("$(VENV)", ".venv").replace("$$", "$") for command in commands]


def test_the_hooks_before_a_commit_are_the_linters_of_make():
    [repository] = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]

    commands = [shlex.split(hook["entry"]) for hook in repository["hooks"]]

    assert [words[2] if words[:2] == ["sh", "-c"] else shlex.join(words) for words in commands] == linters_of_make()
    assert repository["repo"] == "local"
    assert {(hook["language"], hook["pass_filenames"]) for hook in repository["hooks"]} == {("system", False)}


def test_the_changelog_begins_with_the_present_version():
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]

    newest = re.search(r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]

    assert newest in ("Unreleased", version)
