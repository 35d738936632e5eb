"""The sources of one run: each kind is asked what it has, and brings it.

Platforms are asked one after the other, with the pause that the user chose, and once for each
video: the answer of the survey before a run serves the download too, while its addresses are good.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, TypeVar

from wtours.errors import WtoursError
from wtours.fetch.cookies import cookie_options
from wtours.fetch.figshare import ask_figshare, bring_figshare
from wtours.fetch.formats import CODECS, settle_codec
from wtours.fetch.http import ask_http, bring_http
from wtours.fetch.landing import Arrival, Landing, UnreachableError
from wtours.fetch.local import ask_file, bring_file
from wtours.fetch.offer import Offer
from wtours.fetch.rendered import bring_rendered
from wtours.fetch.settings import Codec, FetchSettings, StepProgress
from wtours.fetch.youtube import ask_youtube, bring_youtube, offer_youtube
from wtours.manifest import Source, Video

Answer = TypeVar("Answer")

_ANSWER_LASTS_S = 3600.0
"""YouTube's addresses are good for about six hours; an hour leaves time to download."""


class Sources:
    """Asks the sources of a run, and lets them bring what they have.

    Args:
        settings: choices of the run.

    Raises:
        WtoursError: the cookies that were asked for cannot be had. A copy elsewhere is no remedy
            for a name that was mistyped.
    """

    def __init__(self, settings: FetchSettings) -> None:
        cookie_options(settings)
        self.settings = settings
        self._settled_codec: Codec | None = None
        self._asking = Lock()
        self._asked_at_s: float | None = None
        self._answers: dict[str, tuple[float, dict[str, Any] | WtoursError]] = {}
        self._unreachable: dict[str, UnreachableError] = {}

    @property
    def settled_codec(self) -> Codec | None:
        """The codec that all videos of the run come in, where they can; None: not settled."""
        return self._settled_codec

    def of(self, video: Video) -> tuple[Source, ...]:
        """Return the sources to try for a video, in order.

        Raises:
            WtoursError: it has none of the kinds that were asked for.
        """
        wanted = self.settings.sources
        if not wanted:
            return video.sources
        kept = [source for source in video.sources if source.kind in wanted]
        if not kept:
            kinds = dict.fromkeys(source.kind for source in video.sources)
            raise WtoursError(
                f"{video.name} has no source of kind {' or '.join(wanted)}, "
                f"only {', '.join(kinds)}",
                remedy="leave --source out, or add such a source to the manifest",
            )
        return tuple(sorted(kept, key=lambda source: wanted.index(source.kind)))

    def ask(self, source: Source, video: Video, *, remotely: bool = True) -> Offer:
        """Return what a source says that it has.

        Args:
            source: one of the video's.
            video: for its name.
            remotely: also ask plain servers, which say no more than a size and a date.

        Raises:
            WtoursError: it has nothing, refuses, or cannot be reached.
        """
        match source.kind:
            case "youtube":
                answer = self._answer_of_youtube(source)
                return offer_youtube(source, answer, self.settings, settled=self._settled_codec)
            case "figshare":
                return self._politely(
                    source, lambda: ask_figshare(source, video.name, self.settings)
                )
            case "http":
                return ask_http(source, self.settings) if remotely else Offer(source=source)
            case "file":
                return ask_file(source)
            case "rendered":
                return Offer(source=source, extension="mp4")

    def bring(self, offer: Offer, landing: Landing, *, progress: StepProgress) -> Arrival:
        """Let a source bring what it offered, under a partial name."""
        match offer.source.kind:
            case "youtube":
                return bring_youtube(offer, landing, settings=self.settings, progress=progress)
            case "figshare":
                return bring_figshare(offer, landing, settings=self.settings, progress=progress)
            case "http":
                return bring_http(offer, landing, settings=self.settings, progress=progress)
            case "file":
                return bring_file(offer.source, landing, progress=progress)
            case "rendered":
                return bring_rendered(landing, progress=progress)

    def settle(
        self,
        videos: Iterable[Video],
        *,
        there: Iterable[Codec] = (),
        asking: Callable[[str], None] | None = None,
    ) -> None:
        """Choose one codec for all videos that come from YouTube, where the user left it open.

        A video that YouTube does not hand out is left to its turn, which tells the reason.

        Args:
            videos: that are to be fetched.
            there: what earlier runs settled on for videos that stand beside them; if there is
                anything, it is kept to.
            asking: told whose turn it is.
        """
        settled = Counter(there)
        if self.settings.codec == "auto" and settled:
            self._settled_codec = sorted(CODECS, key=lambda codec: -settled[codec])[0]
            return
        names = {source: video.name for video in videos for source in self._first(video)}
        sources = [source for source in names if source.kind == "youtube"]
        if self.settings.codec != "auto" or len(sources) < 2:
            return
        answers = []
        for source in sources:
            if asking is not None:
                asking(names[source])
            try:
                answers.append(self._answer_of_youtube(source))
            except WtoursError:
                continue  # kept, and told in its turn
        if answers:
            self._settled_codec = settle_codec(
                answers, resolution=self.settings.resolution, fps=self.settings.fps
            )

    def _first(self, video: Video) -> tuple[Source, ...]:
        wanted = [s for s in video.sources if s.kind in (self.settings.sources or (s.kind,))]
        return self.of(video)[:1] if wanted else ()

    def _answer_of_youtube(self, source: Source) -> dict[str, Any]:
        """Return what YouTube says, or raise again what kept it from saying anything."""
        key = str(source.id)
        asked_at_s, answer = self._answers.get(key, (-_ANSWER_LASTS_S, None))
        if answer is None or time.monotonic() - asked_at_s > _ANSWER_LASTS_S:
            try:
                answer = self._politely(source, lambda: ask_youtube(source, self.settings))
            except WtoursError as error:
                answer = error
            self._answers[key] = (time.monotonic(), answer)
        if isinstance(answer, WtoursError):
            raise answer
        return answer

    def _politely(self, source: Source, ask: Callable[[], Answer]) -> Answer:
        """Ask a platform: one question at a time, after a pause; none where it is out of reach."""
        with self._asking:
            if source.kind in self._unreachable:
                raise self._unreachable[source.kind]
            if self._asked_at_s is not None:
                time.sleep(max(0.0, self._asked_at_s + self.settings.sleep_s - time.monotonic()))
            try:
                return ask()
            except UnreachableError as error:
                self._unreachable[source.kind] = error
                raise
            finally:
                self._asked_at_s = time.monotonic()
