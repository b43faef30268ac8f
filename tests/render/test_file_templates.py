"""Values are written so that no file says more than its template."""

from __future__ import annotations

import json

import hcl2
import pytest
import yaml as yaml_reader

from dbmirror.render.errors import RenderError
from dbmirror.render.file_templates import argv, code, hcl, path, yaml

HOSTILE = ['a"b', "a\\b", 'a\\"', "${var.x}", "$${x}", "%{if true}", "#", "'", "a: b", "- a", "{{x}}", "<<EOT", ""]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_string_in_hcl_is_read_as_what_it_was(value: str):
    read = hcl2.loads(f"x = {hcl(value)}\n")["x"]
    assert json.loads(read).replace("$${", "${").replace("%%{", "%{") == value


@pytest.mark.parametrize("value", [value for value in HOSTILE if "$" not in value])
def test_a_string_in_yaml_is_read_as_what_it_was(value: str):
    assert yaml_reader.safe_load(f"x: {yaml(value)}") == {"x": value}


@pytest.mark.parametrize("value", ["${var.x}", "${{ secrets.X }}", "$(rm)", "$HOME"])
def test_what_a_pipeline_would_expand_is_refused_in_yaml(value: str):
    with pytest.raises(RenderError, match="would expand"):
        yaml(value)


@pytest.mark.parametrize("quote", [hcl, yaml])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\tb", "a\x00b", "a\u2028b", "ä"])
def test_what_does_not_fit_on_a_line_of_ascii_is_refused(quote, value: str):
    with pytest.raises(RenderError, match="not printable ASCII"):
        quote(value)


@pytest.mark.parametrize(
    ("value", "span"),
    [
        ("demo", "`demo`"),
        ("a`b", "``a`b``"),
        ("`a``b", "``` `a``b ```"),
        ("a\nb", "`a\\nb`"),
        ("", "`  `"),
    ],
)
def test_a_code_span_holds_any_backtick(value: str, span: str):
    assert code(value) == span


def test_words_become_one_command_of_a_shell():
    assert argv(("dbmirror", "build", "a b", "$(x)")) == "dbmirror build 'a b' '$(x)'"


@pytest.mark.parametrize("value", ["/etc", "a//b", "a b", "-a", "a/-b", "a\nb", "a;b", "$a", "a*", ""])
def test_only_a_plain_relative_path_is_a_path(value: str):
    with pytest.raises(RenderError, match="plain relative path"):
        path(value)
