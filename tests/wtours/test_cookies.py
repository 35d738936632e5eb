"""Cookies for YouTube: which files are of use, and that a user's file is never written."""

import sqlite3
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.wtours.local_server import Silent, serving
from wtours.errors import WtoursError
from wtours.fetch.cookies import cookie_options, parse_browser, read_cookies
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube_session import downloader

NOW_S = 1_800_000_000
HEADER = "# Netscape HTTP Cookie File\n"


def line(name: str = "SID", *, domain: str = ".youtube.com", expires: str = "1900000000") -> str:
    return "\t".join((domain, "TRUE", "/", "TRUE", expires, name, "value"))


def write(folder: Path, text: str) -> Path:
    path = folder / "cookies.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        HEADER + line() + "\n",
        HEADER + "\n# a remark\n" + line() + "\n",
        "# HTTP Cookie File\n" + line(),
        line(),
        HEADER + "#HttpOnly_" + line() + "\n",
        HEADER + line(expires="0") + "\n",
        HEADER + line(expires="") + "\n",
        HEADER + line(expires="1900000000.5") + "\n",
        HEADER + line(domain="youtube.com") + "\n",
        HEADER + line(domain="www.youtube.com") + "\n",
        HEADER + line(expires="1700000000") + "\n" + line("HSID") + "\n",
        (HEADER + line() + "\n").replace("\n", "\r\n"),
    ],
)
def test_usable_files_are_understood_by_yt_dlp(tmp_path: Path, text: str) -> None:
    from yt_dlp.cookies import YoutubeDLCookieJar

    path = write(tmp_path, text)
    assert read_cookies(path, now_s=NOW_S).startswith("#")
    jar = YoutubeDLCookieJar(cookie_options(FetchSettings(cookies=path))["cookiefile"])
    jar.load()
    assert {cookie.name for cookie in jar} <= {"SID", "HSID"}
    assert len(jar) == text.count("value")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[{"domain": ".youtube.com", "name": "SID"}]', "it is JSON"),
        (HEADER, "no cookie of youtube.com"),
        ("", "no cookie of youtube.com"),
        (HEADER + line(domain=".example.org"), "no cookie of youtube.com"),
        (HEADER + line(domain="notyoutube.com"), "no cookie of youtube.com"),
        (HEADER + line().replace("\t", " "), "line 2 has 1 columns between tabs"),
        (HEADER + line() + "\textra", "line 2 has 8 columns between tabs"),
        ("<html><body>Sign in</body></html>", "line 1 has 1 columns"),
        (HEADER + line(expires="tomorrow"), "line 2 says 'tomorrow'"),
        (HEADER + line(expires="-1"), "line 2 says '-1'"),
        (
            HEADER + line(expires="1700000000") + "\n" + line("HSID", expires="1790000000"),
            "have expired, the last of them on 2026-09-21",
        ),
    ],
)
def test_file_of_no_use_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, fault: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(WtoursError) as caught:
        read_cookies(path, now_s=NOW_S)
    assert caught.value.message.startswith(f"--cookies {path}: ")
    assert fault in caught.value.message
    assert "export" in caught.value.remedy


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    for path, fault in ((tmp_path / "none.txt", "no such file"), (tmp_path, "cannot be read")):
        with pytest.raises(WtoursError, match=fault) as caught:
            read_cookies(path)
        assert str(path) in caught.value.message
    (tmp_path / "database").write_bytes(b"SQLite format 3\0\xff\xfe\x80")
    with pytest.raises(WtoursError, match="no text"):
        read_cookies(tmp_path / "database")


def test_browsers_are_known_by_yt_dlps_names() -> None:
    assert parse_browser("firefox") == ("firefox", None, None, None)
    assert parse_browser("Chrome:Profile 1") == ("chrome", "Profile 1", None, None)
    assert parse_browser("firefox:C:\\profiles\\a") == ("firefox", "C:\\profiles\\a", None, None)
    for text in ("netscape", "", ":Default"):
        with pytest.raises(WtoursError, match="names no browser") as caught:
            parse_browser(text)
        assert "chromium, edge, firefox" in caught.value.remedy


def test_no_cookies_are_no_options() -> None:
    assert cookie_options(FetchSettings()) == {}


def test_browser_without_cookies_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    """Also beside a good file: the fault of the browser is not hidden by the closing of yt-dlp."""
    good = write(tmp_path, HEADER + line(expires="4000000000"))
    for browser in ("chrome", "firefox"):
        for cookies in (None, good):
            settings = FetchSettings(
                cookies_from_browser=f"{browser}:{tmp_path / 'nowhere'}", cookies=cookies
            )
            with (
                pytest.raises(WtoursError, match="no cookies on this machine") as caught,
                downloader(settings, []),
            ):
                pass
            assert f"--cookies-from-browser {browser}" in caught.value.message


def test_cookies_of_a_browser_are_read_from_its_profile(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    with sqlite3.connect(profile / "cookies.sqlite") as database:
        database.execute(
            "CREATE TABLE moz_cookies "
            "(host TEXT, name TEXT, value TEXT, path TEXT, expiry INT, isSecure INT)"
        )
        database.execute(
            "INSERT INTO moz_cookies VALUES ('.youtube.com', 'SID', 'v', '/', 4000000000, 1)"
        )
    database.close()
    settings = FetchSettings(cookies_from_browser=f"firefox:{profile}")
    with downloader(settings, []) as ydl:
        assert [(cookie.domain, cookie.name) for cookie in ydl.cookiejar] == [
            (".youtube.com", "SID")
        ]


@pytest.fixture
def baker() -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives every visitor a cookie, and notes the ones it is shown."""
    shown: list[str | None] = []

    class Handler(Silent, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Cookie"))
            self.send_response(200)
            self.send_header("Set-Cookie", f"visit={len(shown)}; Max-Age=100000; Path=/")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/", shown


def test_users_file_is_shown_but_never_written(
    tmp_path: Path, baker: tuple[str, list[str | None]]
) -> None:
    """yt-dlp keeps the cookies that servers set; they stay with the one download they came to."""
    url, shown = baker
    ours = "\t".join(("127.0.0.1", "FALSE", "/", "FALSE", "4000000000", "mine", "1"))
    path = write(tmp_path, HEADER + line(expires="4000000000") + "\n" + ours + "\n")
    before, when = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o400)
    settings = FetchSettings(cookies=path)
    with downloader(settings, []) as first, downloader(settings, []) as second:
        for ydl in (first, first, second):
            ydl.urlopen(url).read()
    assert shown == ["mine=1", "mine=1; visit=1", "mine=1"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, when)
    assert list(tmp_path.iterdir()) == [path]
