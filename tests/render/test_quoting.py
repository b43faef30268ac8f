"""Each filter makes a value safe for one place."""

from __future__ import annotations

import shlex

import pytest

from dbmirror.render.dockerfile_templates import environment
from dbmirror.render.errors import RenderError
from dbmirror.render.quoting import label, reference, shell, word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", '"plain"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("$HOME ${A}", '"\\$HOME \\${A}"'),
        ("end\\", '"end\\\\"'),
        ("`id`", '"`id`"'),
        ("", '""'),
    ],
)
def test_a_label_is_one_double_quoted_word(text, expected):
    assert label(text) == expected


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "a\u2029b", "a\ud800b"])
@pytest.mark.parametrize("quote", [label, shell, word, reference])
def test_what_ends_a_line_is_refused_everywhere(quote, text):
    with pytest.raises(RenderError):
        quote(text)


@pytest.mark.parametrize("text", ["a b", "$(id)", "'", "--x", "#"])
def test_a_shell_argument_stays_one_argument(text):
    assert shlex.split(shell(text)) == [text]


@pytest.mark.parametrize("text", ["", "-a", "a b", "a/b", "a,b", "a=b", "é"])
def test_a_word_has_no_meaning_to_anybody(text):
    with pytest.raises(RenderError):
        word(text)


@pytest.mark.parametrize("text", ["debian:bookworm", "databricksruntime/python:15.4-LTS", "a.example:5000/b@sha256:0a"])
def test_the_reference_of_an_image_stays_as_it_is(text):
    assert reference(text) == text


@pytest.mark.parametrize("text", ["--platform=x", "a AS b", "$BASE", ""])
def test_anything_else_is_no_reference(text):
    with pytest.raises(RenderError):
        reference(text)


def test_a_template_cannot_print_a_value_without_saying_how_it_is_quoted(tmp_path):
    (tmp_path / "t.j2").write_text("RUN {{ value }}")
    with pytest.raises(RenderError, match="without saying how it is quoted"):
        environment(tmp_path).get_template("t.j2").render(value="id")


def test_a_template_cannot_print_what_it_was_not_given(tmp_path):
    (tmp_path / "t.j2").write_text("RUN {{ value | shell }}")
    with pytest.raises(Exception, match="'value' is undefined"):
        environment(tmp_path).get_template("t.j2").render()
