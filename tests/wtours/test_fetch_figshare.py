"""A video is found in an article of figshare by its name, and comes whole from where that says."""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.web_server import Site, serve
from wtours.errors import WtoursError
from wtours.fetch import figshare
from wtours.fetch.figshare import ask_figshare, bring_figshare
from wtours.fetch.landing import Landing, UnreachableError
from wtours.fetch.offer import Offer
from wtours.fetch.settings import FetchSettings
from wtours.manifest import Source

QUICK = FetchSettings(retries=2, first_wait_s=0.01, timeout_s=5)
CONTENT = b"\0\0\0\x20ftypisom" + random.Random(0).randbytes(100_000)
OTHER = b"\0\0\0\x20ftypisom" + random.Random(1).randbytes(100_000)
JSON = {"Content-Type": "application/json"}
CHALLENGE = (202, {"Content-Type": "text/html", "x-amzn-waf-action": "challenge"}, b"")


class Figshare:
    """One article of figshare on a local server: what its interface answers, and its files."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.article: dict[str, Any] = {
            "id": 7,
            "title": "Walks",
            "authors": [{"full_name": "A. Walker"}, {"full_name": "B. Runner"}],
            "doi": "10.6084/m9.figshare.7.v2",
            "published_date": "2024-02-09T10:11:12Z",
            "url_public_html": "https://figshare.com/articles/dataset/Walks/7",
            "license": {"value": 1, "name": "CC BY 4.0", "url": "https://example.org/by"},
        }
        self.files = [self.file("Walk 1.mp4")]
        self.publish()

    def file(self, name: str, **changes: Any) -> dict[str, Any]:
        """An entry as the interface lists it; the first one's content is what is served."""
        number = 40 + len(getattr(self, "files", ()))
        return {
            "id": number,
            "name": name,
            "size": len(self.site.content),
            "is_link_only": False,
            "download_url": f"{self.site.base}/files/{number}",
            "supplied_md5": "",
            "computed_md5": hashlib.md5(self.site.content).hexdigest(),
            "mimetype": "video/mp4",
        } | changes

    def publish(self, signature: str = "first") -> None:
        """Let the server answer as `article` and `files` now stand."""
        self.site.pages = {"/v2/articles/7": (200, JSON, json.dumps(self.article).encode())}
        for page in range(len(self.files) // 100 + 2):
            listed = json.dumps(self.files[100 * page : 100 * page + 100]).encode()
            self.site.pages[self.list_path(page + 1)] = (200, JSON, listed)
        addresses = ("/files/40", "/v2/file/download/40")
        self.site.redirects = dict.fromkeys(addresses, f"/videos/40?signature={signature}")

    def list_path(self, page: int = 1) -> str:
        return f"/v2/articles/7/files?page={page}&page_size=100"


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Figshare]:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve(Site(CONTENT)) as site:
        monkeypatch.setattr(figshare, "API", f"{site.base}/v2")
        yield Figshare(site)


def ask(name: str = "walk_1", *, file: str | None = None, article: int = 7) -> Offer:
    return ask_figshare(Source(kind="figshare", article=article, file=file), name, QUICK)


def bring(folder: Path, offer: Offer) -> bytes:
    landing = Landing(folder=folder, name="walk_1")
    arrival = bring_figshare(offer, landing, settings=QUICK, progress=lambda *_: None)
    assert arrival.said == offer.said
    return arrival.part.read_bytes()


def refusal(name: str = "walk_1", **where: Any) -> WtoursError:
    with pytest.raises(WtoursError, match="figshare article 7") as caught:
        ask(name, **where)
    assert caught.value.remedy
    return caught.value


def test_offer_says_what_figshare_says(shared: Figshare) -> None:
    offer = ask()
    assert offer.said == {
        "title": "Walks",
        "channel": "A. Walker, B. Runner",
        "doi": "10.6084/m9.figshare.7.v2",
        "upload_date": "20240209",
        "article_url": "https://figshare.com/articles/dataset/Walks/7",
        "license": "CC BY 4.0",
        "license_url": "https://example.org/by",
        "file": "Walk 1.mp4",
        "file_id": 40,
        "size_bytes": len(CONTENT),
        "md5": hashlib.md5(CONTENT).hexdigest(),
    }
    assert (offer.licence, offer.shows_licence) == ("CC BY 4.0", True)
    assert (offer.size_bytes, offer.extension) == (len(CONTENT), "mp4")
    assert shared.site.asked == []  # nothing was fetched


def test_article_that_says_little_is_taken_as_it_is(shared: Figshare) -> None:
    shared.article = {"id": 7, "authors": None, "license": None, "published_date": "in May"}
    shared.files = [shared.file("walk1.mp4", computed_md5=None, supplied_md5="AB" * 16)]
    shared.publish()
    offer = ask()
    assert set(offer.said) == {"file", "file_id", "size_bytes", "md5"}
    assert offer.said["md5"] == "ab" * 16
    assert (offer.licence, offer.shows_licence) == (None, True)


@pytest.mark.parametrize(
    ("listed", "name", "file"),
    [
        ("Walk 1.mp4", "walk_1", None),
        ("WALK-1.MKV", "walk_1", None),
        ("videos/walk_1.MOV", "walk_1", None),
        ("walk1.webm", "walk-1", None),
        ("Anything.mp4", "walk_1", "Anything.mp4"),
        ("Anything.mp4", "walk_1", "anything"),
        ("Tour of Zürich (4K).mp4", "walk_1", "tour_of_zürich_4k"),
        ("v1.2.mp4", "walk_1", "V1.2"),
    ],
)
def test_file_is_found_by_letters_and_digits_alone(
    shared: Figshare, listed: str, name: str, file: str | None
) -> None:
    shared.files = [shared.file(other) for other in ("walk_10.mp4", "README.txt", "walk_1.zip")]
    shared.files.append(shared.file(listed, id=99))
    shared.publish()
    assert ask(name, file=file).said["file_id"] == 99


def test_exact_name_comes_before_a_similar_one(shared: Figshare) -> None:
    shared.files = [shared.file("walk-1.mp4", id=1), shared.file("walk1.mp4", id=2)]
    shared.publish()
    assert ask(file="walk1.mp4").said["file_id"] == 2
    fault = refusal()
    assert "has 2 videos called 'walk_1'; there are 'walk-1.mp4', 'walk1.mp4'" in fault.message
    assert 'file = "..."' in fault.remedy


def test_missing_file_is_answered_with_the_names_there(shared: Figshare) -> None:
    fault = refusal("venice")
    assert "has no video called 'venice'; there are 'Walk 1.mp4'" in fault.message


def test_files_of_all_pages_are_seen(shared: Figshare) -> None:
    shared.files = [shared.file(f"clip{number}.mp4", id=number) for number in range(250)]
    shared.publish()
    for number in (0, 99, 100, 199, 200, 249):
        assert ask(f"clip_{number}").said["file_id"] == number
    shared.files = shared.files[:200]  # whole pages only: an empty one follows
    shared.publish()
    assert "'clip199.mp4'" in refusal("venice").message


def test_list_without_an_end_is_noticed(shared: Figshare) -> None:
    shared.files = [shared.file(f"clip{number}.mp4", id=number) for number in range(100)]
    shared.publish()
    shared.site.pages[shared.list_path(2)] = shared.site.pages[shared.list_path(1)]
    assert "the same files on two pages" in refusal().message


def test_file_that_is_only_linked_to_is_told(shared: Figshare) -> None:
    link = "https://example.org/w"
    shared.files = [shared.file("walk_1", is_link_only=True, download_url=link, size=0)]
    shared.publish()
    fault = refusal()
    assert f"which only links to {link}" in fault.message
    assert 'kind "http"' in fault.remedy


def test_article_without_files_is_told(shared: Figshare) -> None:
    shared.files = []
    shared.publish()
    assert refusal().message == "figshare article 7 has no files"
    shared.article |= {"is_embargoed": True, "embargo_date": "2030-01-01"}
    shared.publish()
    assert "(under embargo until 2030-01-01) has no files" in refusal().message


def test_article_that_is_not_there_is_told(shared: Figshare) -> None:
    shared.site.pages["/v2/articles/7"] = (404, JSON, b'{"message": "Entity not found: article"}')
    fault = refusal()
    assert fault.message == "figshare article 7: there is no public article of that number"
    assert not isinstance(fault, UnreachableError)


@pytest.mark.parametrize(
    "page",
    [
        CHALLENGE,
        (200, {"Content-Type": "text/html"}, b"<html>Are you human?</html>"),
        (403, {"Content-Type": "text/html"}, b"<html>Forbidden</html>"),
        (451, {}, b""),
    ],
)
@pytest.mark.parametrize("where", ["article", "files"])
def test_platform_that_lets_no_program_in_is_told(
    shared: Figshare, page: tuple[int, dict[str, str], bytes], where: str
) -> None:
    shared.site.pages["/v2/articles/7" if where == "article" else shared.list_path()] = page
    fault = refusal()
    assert isinstance(fault, UnreachableError)
    assert "with a browser" in fault.remedy


def test_platform_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figshare, "API", "http://no-such-host.invalid/v2")
    fault = refusal()
    assert isinstance(fault, UnreachableError)
    assert "the name no-such-host.invalid cannot be resolved" in fault.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'["x"]'])
@pytest.mark.parametrize("where", ["article", "files"])
def test_changed_answers_are_not_understood(shared: Figshare, body: bytes, where: str) -> None:
    path = "/v2/articles/7" if where == "article" else shared.list_path()
    shared.site.pages[path] = (200, JSON, body)
    message = refusal().message
    assert "not understood" in message or (where == "files" and message.endswith("has no files"))


@pytest.mark.parametrize("key", ["id", "name", "size", "download_url"])
@pytest.mark.parametrize("value", ["absent", None, [], {}])
def test_changed_entry_of_a_file_is_named(shared: Figshare, key: str, value: Any) -> None:
    shared.files[0][key] = value
    if value == "absent":
        del shared.files[0][key]
    shared.publish()
    assert f"not understood: a file without a usable {key!r}" in refusal().message


@pytest.mark.parametrize("address", ["ftp://example.org/1", "file:///etc/passwd", "files/40", ""])
def test_address_of_a_file_has_to_be_one_of_the_web(shared: Figshare, address: str) -> None:
    shared.files[0]["download_url"] = address
    shared.publish()
    assert "not understood" in refusal().message


def test_empty_file_is_not_offered(shared: Figshare) -> None:
    shared.files[0]["size"] = 0
    shared.publish()
    assert refusal().message.endswith("Walk 1.mp4 is empty")


def test_answer_that_breaks_off_is_asked_for_again(shared: Figshare) -> None:
    status, headers, body = shared.site.pages["/v2/articles/7"]
    short = {**headers, "Content-Length": str(len(body) + 5)}
    shared.site.pages["/v2/articles/7"] = (status, short, body)
    assert "the answer ended early" in refusal().message
    assert shared.site.paths.count("/v2/articles/7") == QUICK.retries + 1


def test_file_comes_whole(shared: Figshare, tmp_path: Path) -> None:
    assert bring(tmp_path, ask()) == CONTENT
    assert shared.site.paths[-2:] == ["/files/40", "/videos/40?signature=first"]


@pytest.mark.parametrize("etag", ['"first"', None])
def test_part_goes_on_although_its_address_is_signed_anew(
    shared: Figshare, tmp_path: Path, etag: str | None
) -> None:
    """The MD5 names the content, so that not even a validator is needed."""
    shared.site.etag, shared.site.cuts = etag, [60_000, 0, 0]
    with pytest.raises(WtoursError, match="60000 bytes are there"):
        bring(tmp_path, ask())
    shared.publish("second")
    assert bring(tmp_path, ask()) == CONTENT
    assert shared.site.asked[-1] == ("bytes=60000-", etag)
    assert shared.site.sent_bytes == len(CONTENT)


@pytest.mark.parametrize("changed", ["id", "size", "computed_md5", "etag"])
def test_part_of_another_file_is_not_continued(
    shared: Figshare, tmp_path: Path, changed: str
) -> None:
    shared.site.cuts = [60_000, 0, 0]
    with pytest.raises(WtoursError):
        bring(tmp_path, ask())
    shared.site.content = OTHER + b"x" * (changed == "size")
    shared.site.etag = '"second"' if changed == "etag" else shared.site.etag
    values = {"id": 41, "size": len(OTHER) + 1, "computed_md5": hashlib.md5(OTHER).hexdigest()}
    shared.files[0] |= {key: value for key, value in values.items() if key == changed}
    shared.publish()
    assert bring(tmp_path, ask()) == shared.site.content
    assert shared.site.asked[-1][0] == ("bytes=60000-" if changed == "etag" else None)


def test_other_size_than_stated_is_refused(shared: Figshare, tmp_path: Path) -> None:
    shared.files[0]["size"] -= 1
    shared.publish()
    with pytest.raises(WtoursError, match=r"the server has 100012 bytes, stated are 100011"):
        bring(tmp_path, ask())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("page", [CHALLENGE, (403, {}, b""), (200, {}, b"<html>no</html>")])
def test_closed_address_is_gone_round_by_the_interface(
    shared: Figshare, tmp_path: Path, page: tuple[int, dict[str, str], bytes]
) -> None:
    shared.site.pages["/files/40"] = page
    shared.site.cuts = [60_000]
    assert bring(tmp_path, ask()) == CONTENT
    assert shared.site.asked[-1][0] == "bytes=60000-"
    assert "/v2/file/download/40" in shared.site.paths
    shared.site.pages["/v2/file/download/40"] = page
    (tmp_path / "other").mkdir()
    with pytest.raises(WtoursError, match=r"files/40: .*; .*file/download/40: ") as caught:
        bring(tmp_path / "other", ask())
    assert "with a browser" in caught.value.remedy
