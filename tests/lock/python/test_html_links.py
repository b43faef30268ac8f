"""Links of a page, as pypi-simple's parser (of the standard library's kind) reads them from what indexes write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypi_simple import parse_links_stream

from dbmirror.lock.python.html_links import elements

BASE = "https://index.example/simple/acme/"
PAGES = [
    '<a href="../a-1.whl#sha256=ab">a-1.whl</a>',
    "<A HREF='a.whl' DATA-YANKED>a.whl</A>",
    '<a href="a.whl" data-requires-python="&gt;=3.8,&lt;4">a.whl</a><br/>',
    "<a href=a.whl>a.whl</a>\n<a\n href = 'b.whl'\n>\n b.whl \n</a >",
    '<!-- <a href="no.whl">no.whl</a> --><a href="a.whl">a.whl</a>',
    '<base href="https://files.example/x/"><a href="a.whl">a.whl</a>',
    '<script>"<a href=no.whl>no.whl</a>"</script><a href="a.whl">a.whl</a>',
    '<a href="a.whl"><b>a</b>.whl</a> 1 < 2 <a href="b.whl">b.whl</a>',
    '<a name="x">no link</a><a href="a.whl?x=1&amp;y=2">a&#46;whl</a>',
    '<!DOCTYPE html><title>Links <a href="no">no</a></title><body><a href="a.whl">a.whl</a></body></html>',
    '<a href="a.whl" title="1 > 2">a.whl</a>',
]


def ours(page: str) -> list[tuple[str, str, dict[str, str]]]:
    return [(each.text, each.url, each.attributes) for each in elements(page, base_url=BASE) if each.tag == "a"]


def theirs(page: str) -> list[tuple[str, str, object]]:
    return [(link.text, link.url, link.attrs) for link in parse_links_stream([page], base_url=BASE)]


@pytest.mark.parametrize("page", PAGES)
def test_the_links_are_those_of_the_librarys_parser(page: str) -> None:
    expected = [each for each in theirs(page) if "no" not in each[0].split(".")]
    assert ours(page) == expected
    assert expected


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="<>\"'&", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=5))
def test_any_page_of_plain_links_is_read_alike(links: list[tuple[str, str]]) -> None:
    page = "".join(f'<a href="/{address}">{name}</a><br>' for address, name in links)
    assert ours(page) == theirs(page)


@given(st.text(st.sampled_from("<>/a!-=\"' bhref?script")))
def test_whatever_the_page_is_it_is_read_to_an_end(page: str) -> None:
    for name, url, attributes in ours(page):
        assert isinstance(name, str)
        assert url
        assert "href" in attributes
