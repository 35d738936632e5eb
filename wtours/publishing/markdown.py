"""Texts that others wrote, such as titles, as Markdown that shows them and does nothing else."""

import re
import unicodedata
from urllib.parse import quote, urlsplit

_MARKUP = re.compile(r"([\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_MARK_AT_START = re.compile(r"^(\d*)([-+#.)=])")
_IS_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_TURNS_TEXT = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_KEPT_IN_ADDRESSES = "%/:=&?~#+!$,;'@()*[]-._"


def plain(text: object) -> str:
    r"""Return a text as Markdown that shows just its characters, in one line.

    >>> print(plain("A *walk* | [4K]"))
    A \*walk\* \| \[4K\]
    """
    escaped = _MARKUP.sub(r"\\\1", one_line(text))
    if _IS_NUMBER.fullmatch(escaped):
        return escaped
    return _MARK_AT_START.sub(r"\1\\\2", escaped)


def link(text: object, address: str | None) -> str:
    """Return a text as Markdown, linked where there is an address (see `web_address`)."""
    if address is None:
        return plain(text)
    return f"[{plain(text)}](<{quote(address, safe=_KEPT_IN_ADDRESSES)}>)"


def one_line(text: object) -> str:
    """Return a text without line breaks, control characters and marks that turn its direction."""
    kept = "".join(
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in str(text)
        if character not in _TURNS_TEXT
    )
    return " ".join(kept.encode("utf-8", "replace").decode().split())  # half a surrogate pair: ?


def web_address(text: str | None) -> str | None:
    """Return an address that a link may lead to: of the web, and of nothing that would run."""
    if text is None:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:  # such as "http://[": no address
        return None
    return text if parts.scheme in ("http", "https") and parts.netloc else None
