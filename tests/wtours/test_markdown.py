import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from wtours.publishing.markdown import link, one_line, plain, web_address

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKS = st.text(alphabet="aZ09 .)-+=#>|*_`~[]()<>&;!$\\\n\téß東/:@{}'\"", max_size=30)
TEXTS = st.one_of(MARKS, st.text(max_size=30))


def shown(markdown: str) -> str:
    """Return what a reader of Markdown shows of a paragraph; fail if it is anything but text."""
    tokens = READER.parse(markdown)
    if not tokens:
        return ""
    kinds = [token.type for token in tokens]
    assert kinds == ["paragraph_open", "inline", "paragraph_close"], markdown
    children = tokens[1].children or []
    assert {token.type for token in children} <= {"text", "text_special"}, markdown
    return "".join(token.content for token in children)


@given(TEXTS)
def test_any_text_is_shown_as_it_is_and_nothing_else(text: str) -> None:
    assert shown(plain(text)) == one_line(text)


@given(TEXTS)
def test_any_text_fits_a_cell_of_a_table(text: str) -> None:
    tokens = READER.parse(f"| a | b |\n| --- | --- |\n| {plain(text)} | end |")
    cells = [token.content for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert cells[3] == "end"
    assert shown(cells[2]) == one_line(text)


@given(TEXTS, TEXTS)
def test_a_link_leads_where_it_should_under_any_name(text: str, end: str) -> None:
    address = web_address("https://example.org/" + one_line(end))
    (paragraph,) = (token for token in READER.parse(link(text, address)) if token.children)
    first, *words, last = paragraph.children or []
    assert (first.type, last.type) == ("link_open", "link_close")
    assert str(first.attrs["href"]).startswith("https://example.org/")
    assert "".join(word.content for word in words) == one_line(text)


@pytest.mark.parametrize(
    "text",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "walk.mp4", "http://", "",
     "http://[", "//example.org/x", None],
)  # fmt: skip
def test_what_is_no_address_of_the_web_is_not_linked(text: str | None) -> None:
    assert web_address(text) is None


def test_line_breaks_control_characters_and_turning_marks_are_left_out() -> None:
    assert one_line(" a\r\nb\tc\x00d\x1b[31m \u2028e\u202ef\u2066g ") == "a b c d [31m efg"


def test_half_a_surrogate_pair_can_be_written() -> None:
    assert one_line("a\ud800b").encode() == b"a?b"
