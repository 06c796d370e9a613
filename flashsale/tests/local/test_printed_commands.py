"""Printed commands work when they are pasted into another shell, also with blanks in a path.

`test_up` pastes the one of a running system.
"""

import re
import sys

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Product
from flashsale.local import env_file
from flashsale.tests.support.local_system import AWKWARD, paste


@pytest.mark.parametrize("given", [{}, {"STATE_DIR": AWKWARD}, {"STATE_DIR": AWKWARD, "ENV_FILE": "my env"}], ids=len)
def test_a_printed_command_names_the_variables_that_were_chosen(monkeypatch, tmp_path, given):
    monkeypatch.chdir(tmp_path)
    for name in ("STATE_DIR", "ENV_FILE"):
        monkeypatch.setenv(name, given.get(name, ""))
    show = tmp_path / "show"
    show.write_text('#!/bin/sh\necho "$STATE_DIR|$ENV_FILE|$2"\n')
    show.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(show))

    pasted = paste(env_file.command("simulate_sale"), folder="/")

    expected = [str(tmp_path / given[name]) if name in given else "" for name in ("STATE_DIR", "ENV_FILE")]
    assert pasted.stdout == "|".join([*expected, "simulate_sale\n"])


def test_without_a_server_the_command_says_how_to_start_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "a folder"))

    with pytest.raises(CommandError, match=re.escape(f"`make run STATE_DIR='{tmp_path}/a folder'`")):
        call_command("simulate_sale", url="http://127.0.0.1:9")


@pytest.mark.django_db
def test_a_simulated_crowd_needs_consent_outside_local_mode(settings):
    settings.LOCAL_MODE = False

    with pytest.raises(CommandError, match="--yes-really"):
        call_command("simulate_sale", url="http://127.0.0.1:9")
    with pytest.raises(CommandError, match="No server answers"):
        call_command("simulate_sale", "--yes-really", url="http://127.0.0.1:9")

    assert not Product.objects.exists()
