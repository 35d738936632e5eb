"""What yt-dlp's errors mean and what to do about them: a table from its wording to ours.

The wordings are YouTube's and yt-dlp's own, as users report them; the tests hold real ones. The
order counts: the first row that fits is taken. One file, so that it can be read as one table.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wtours.errors import WtoursError
from wtours.fetch.landing import DiskFullError, UnreachableError

UPGRADE = "pip install --upgrade 'wtours[youtube]' yt-dlp"
OTHER_SOURCE = "take another source (--source figshare, or one that you add to the manifest)"
_COOKIES = "--cookies-from-browser NAME, or --cookies FILE"
_EXPORT = (
    "sign in to YouTube in a private window, export its cookies to a file, close the window, and "
    "use --cookies FILE"
)
_SIGN_IN = r"sign in|log in|not a bot|private|members|join this channel|registered users"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row of the table."""

    name: str
    wording: str
    """Regular expression, found anywhere in the error, whatever the case."""
    heard: str | None = None
    """Regular expression that one of the warnings before the error must also hold."""
    meaning: str
    remedy: str
    kind: type[WtoursError] = WtoursError
    """UnreachableError where YouTube would answer the same for every other video."""

    def fits(self, text: str, heard: Sequence[str]) -> bool:
        """Whether this is what an error with these warnings before it means."""
        if not re.search(self.wording, text, re.I):
            return False
        return self.heard is None or any(re.search(self.heard, line, re.I) for line in heard)


FAULTS = (
    Fault(
        name="disk full",
        wording=r"no space left on device|disk quota exceeded",
        meaning="no room is left on the disk",
        remedy="free some room or name another folder with --out; what is there will be continued",
        kind=DiskFullError,
    ),
    Fault(
        name="cookies no longer valid",
        wording=_SIGN_IN,
        heard=r"cookies are no longer valid",
        meaning="the cookies are no longer valid: the browser has exchanged them since",
        remedy=_EXPORT,
    ),
    Fault(
        name="cookies not readable",
        wording=_SIGN_IN,
        heard=r"cannot decrypt v1\d cookies|failed to decrypt cookie|secretstorage not available",
        meaning="YouTube wants a signed-in account, and the browser's cookies cannot be decrypted",
        remedy=f"{_EXPORT}; or use --cookies-from-browser firefox, which does not encrypt them",
    ),
    Fault(
        name="browser's cookies encrypted",
        wording=r"failed to decrypt with dpapi|secretstorage not available",
        meaning="the browser has encrypted its cookies so that no other program can read them",
        remedy=f"{_EXPORT}; or use --cookies-from-browser firefox, which does not encrypt them",
    ),
    Fault(
        name="browser's cookies locked",
        wording=r"could not copy .{0,20}cookie database|database is locked",
        meaning="the browser is open and keeps its cookies locked",
        remedy=f"close it and run the same command again; or {_EXPORT}",
    ),
    Fault(
        name="browser's cookies not found",
        wording=r"could not find .{0,60}(cookies database|containers\.json)"
        r"|could not read containers\.json|unsupported (browser|platform)",
        meaning="that browser has no cookies on this machine",
        remedy="name one that you use here, as --cookies-from-browser NAME or NAME:PROFILE, or "
        "export its cookies and use --cookies FILE",
    ),
    Fault(
        name="bot check",
        wording=r"confirm (that )?you.{1,8}re not a (ro)?bot|captcha challenge"
        r"|unusual traffic from your",
        meaning="YouTube takes this machine for a bot and asks it to sign in",
        remedy=f"show it a signed-in account with {_COOKIES}; or fetch from a network at home, "
        f"since data centres are refused often; or {OTHER_SOURCE}",
        kind=UnreachableError,
    ),
    Fault(
        name="age gate",
        wording=r"confirm your age|age.restricted|inappropriate for some users|verify your age",
        meaning="YouTube shows the video only to a signed-in account of sufficient age",
        remedy=f"show it such an account with {_COOKIES}; or {OTHER_SOURCE}",
    ),
    Fault(
        name="members only",
        wording=r"members.only|join this channel|available to this channel.s members",
        meaning="only members of the channel may see the video",
        remedy=f"show a member's account with {_COOKIES}; or {OTHER_SOURCE}",
    ),
    Fault(
        name="paid for",
        wording=r"requires payment|premium members|paid content|purchase|this video is a rental",
        meaning="the video is shown to those alone who paid for it",
        remedy=f"show an account that did with {_COOKIES}; or {OTHER_SOURCE}",
    ),
    Fault(
        name="private",
        wording=r"private video|this video is private",
        meaning="the video is private",
        remedy=f"show an account that may see it with {_COOKIES}; or {OTHER_SOURCE}",
    ),
    Fault(
        name="region block",
        wording=r"not (made this video )?available in your (country|region)"
        r"|blocked (it )?in your country|blocked it on copyright grounds in"
        r"|not available from your location|geo.?restrict",
        meaning="the video is not shown in this country",
        remedy=f"fetch it from another country; or {OTHER_SOURCE}",
    ),
    Fault(
        name="account terminated",
        wording=r"account .{0,80}(terminated|closed)|terminated (account|because)",
        meaning="YouTube has closed the account of the video's owner, and the video is gone",
        remedy=OTHER_SOURCE,
    ),
    Fault(
        name="not shown yet",
        wording=r"premieres? (in|will begin)|live event will begin|live stream is offline"
        r"|this live event has not|video will be available|live event starts",
        meaning="the video has not been shown yet",
        remedy=f"wait until it has been; or {OTHER_SOURCE}",
    ),
    Fault(
        name="live recording missing",
        wording=r"live stream recording is not available|this live event has ended",
        meaning="the live event is over and YouTube has no recording of it (yet)",
        remedy=f"run the same command again in some hours; or {OTHER_SOURCE}",
    ),
    Fault(
        name="DRM",
        wording=r"drm.protected|protected by drm",
        meaning="the video is protected against copying (DRM) and is not fetched",
        remedy=OTHER_SOURCE,
    ),
    Fault(
        name="rate limit",
        wording=r"rate.limited|too many requests|http error 429|try again later",
        meaning="YouTube refuses because too much was asked for in a short time",
        remedy="wait an hour and run the same command again with --sleep 10 and --jobs 1: it goes "
        "on where it stopped",
        kind=UnreachableError,
    ),
    Fault(
        name="address blocked",
        wording=r"your ip is likely being blocked",
        meaning="YouTube gives this machine's network false answers: it is blocked",
        remedy=f"fetch from another network; or {OTHER_SOURCE}",
        kind=UnreachableError,
    ),
    Fault(
        name="removed",
        wording=r"(has been|was) (removed|deleted)|no longer available|copyright (claim|grounds)"
        r"|isn.{1,8}t available any ?more",
        meaning="the video was removed from YouTube",
        remedy=OTHER_SOURCE,
    ),
    Fault(
        name="proxy",
        wording=r"proxy|tunnel connection failed|socks",
        meaning="the proxy that this machine is told to use refuses or cannot be reached",
        remedy="correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY in the environment",
        kind=UnreachableError,
    ),
    Fault(
        name="name resolution",
        wording=r"name resolution|name or service not known|nodename nor servname"
        r"|failed to resolve|getaddrinfo failed|no address associated|could not resolve host",
        meaning="the name of YouTube's server is not found",
        remedy="check this machine's connection to the internet (and its proxy settings), then run "
        "the same command again",
        kind=UnreachableError,
    ),
    Fault(
        name="TLS",
        wording=r"certificate_verify_failed|certificate verify failed|\[ssl|ssl:|tlsv1_alert"
        r"|eof occurred in violation of protocol|handshake failure",
        meaning="the encrypted connection to YouTube cannot be trusted, or is not made",
        remedy="check the clock of this machine and its certificates (pip install --upgrade "
        "certifi), and whether its network opens encrypted connections",
        kind=UnreachableError,
    ),
    Fault(
        name="unreachable",
        wording=r"network is unreachable|connection refused|connection reset|timed out|time-out"
        r"|no route to host|remote end closed connection|connection aborted|bytes read"
        r"|connection was forcibly closed|incompleteread|host is down",
        meaning="YouTube cannot be reached, or the connection breaks off",
        remedy="check this machine's connection and run the same command again, with more "
        "--retries if need be: it goes on from there",
        kind=UnreachableError,
    ),
    Fault(
        name="refused (403)",
        wording=r"http error 403",
        meaning="YouTube refuses to hand out the file (403)",
        remedy=f"run the same command again with --sleep 10; if it stays so: {UPGRADE}",
    ),
    Fault(
        name="server error",
        wording=r"http error 5\d\d",
        meaning="YouTube's server fails",
        remedy="run the same command again later: it goes on from there",
    ),
    Fault(
        name="file changed",
        wording=r"file on the server is|bytes came of a file of",
        meaning="YouTube made the file anew while it was fetched, again and again",
        remedy="run the same command again later; nothing of the two files was joined",
    ),
    Fault(
        name="outdated",
        wording=r"page needs to be reloaded|failed to extract any player response"
        r"|unable to extract|please report this issue|latest version of youtube"
        r"|precondition check failed|http error 400",
        meaning="YouTube has changed and yt-dlp does not understand its answer",
        remedy=f"{UPGRADE}; then run the same command again",
    ),
    Fault(
        name="sign-in",
        wording=r"sign in|log in|login required|registered users|please sign",
        meaning="YouTube shows the video only to a signed-in account",
        remedy=f"show it one with {_COOKIES}; or {OTHER_SOURCE}",
    ),
    Fault(
        name="unavailable",
        wording=r"video unavailable|video is unavailable|video is not available"
        r"|video isn.{1,8}t available|incomplete youtube id|does not exist",
        meaning="YouTube does not have this video, or does not show it here",
        remedy=f"check its id in the manifest; or {OTHER_SOURCE}",
    ),
)
_NO_FORMAT = r"requested format is not available|no video formats found"
NO_FORMATS = (
    Fault(
        name="no JavaScript runtime",
        wording=_NO_FORMAT,
        heard=r"no supported javascript runtime|without a js runtime",
        meaning="YouTube shows its formats only to programs that run its JavaScript, and no "
        "runtime for it was found",
        remedy=f"{UPGRADE}; then see what `wtours doctor` says",
    ),
    Fault(
        name="challenge not solved",
        wording=_NO_FORMAT,
        heard=r"challenge solving failed|signature solving failed|challenge solver",
        meaning="YouTube hides its formats behind a challenge in JavaScript that was not solved",
        remedy=f"{UPGRADE}; then see what `wtours doctor` says",
    ),
    Fault(
        name="streams only",
        wording=_NO_FORMAT,
        heard=r"sabr|po token|missing a url",
        meaning="YouTube shows its formats as streams alone here, not as files (SABR, PO tokens)",
        remedy=f"run without --cookies or with other ones; then {UPGRADE}; or {OTHER_SOURCE}",
    ),
    Fault(
        name="DRM formats",
        wording=_NO_FORMAT,
        heard=r"drm.protected",
        meaning="all that YouTube shows of the video is protected against copying (DRM)",
        remedy=f"run without --cookies; or {OTHER_SOURCE}",
    ),
    Fault(
        name="format missing",
        wording=_NO_FORMAT,
        meaning="YouTube has no picture track of it that is a file of its own",
        remedy=f"allow more with --resolution 4320, --fps 120 and --codec auto; or {OTHER_SOURCE}",
    ),
)
"""Why formats are missing: told by the warnings before the error."""
