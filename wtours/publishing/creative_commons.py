"""Creative Commons licences by their names: which one it is, its deed, and what the hub calls it.

Names come as platforms and manifests write them. One that is not understood wholly is not guessed
at: it has no deed here, and stands for itself.
"""

import re
from dataclasses import dataclass

_YOUTUBES = "creative commons attribution license (reuse allowed)"
"""What YouTube shows, without a version. The help page that it links to
(support.google.com/youtube/answer/2797468) led to CC BY 3.0, and to CC BY 4.0 since August 2025;
Wikimedia Commons goes by the day of upload (toolforge/video2commons, issue 276), and so do we."""
_YOUTUBES_FOURTH = "2025-08-01"
_ADDRESS = re.compile(
    r"https?://creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)"
    r"(?:/(?:(?:deed|legalcode)(?:\.[a-z_-]+)?)?)?",
    re.I,
)
_IN_WORDS = (  # spelt-out names to short ones
    (r"\blicen[sc]e\b|\bpublic\b|\bv(?=\d)", " "),
    (r"\b(?:international|unported|generic|universal)\b", " "),
    (r"\bcreative[ -]?commons\b", "cc"),
    (r"\b(?:cc[ -]?)+(?=0|zero\b)", "cc "),
    (r"\battribution\b", "by"),
    (r"\bnon[ -]?commercial\b", "nc"),
    (r"\bshare[ -]?alike\b", "sa"),
    (r"\bno[ -]?deriv(?:ative)?s?(?: works)?\b", "nd"),
    (r"[ -]+", "-"),
)
_SHORT = re.compile(r"cc-(?:(0|zero)|(by(?:-nc)?(?:-sa|-nd)?))(?:-(\d\.\d))?")
_VERSIONS = {
    "zero": ("1.0",),
    "mark": ("1.0",),
    **dict.fromkeys(
        ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd"),
        ("1.0", "2.0", "2.5", "3.0", "4.0"),
    ),
}
_HUB_IDS = frozenset(
    {"cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"}
    | {"cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"}
    | {"cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"}
    | {"cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"}
)
"""Those that https://huggingface.co/docs/hub/repositories-licenses lists."""


@dataclass(frozen=True, kw_only=True)
class CreativeCommons:
    """One licence or dedication of Creative Commons."""

    code: str
    """by, by-sa, by-nd, by-nc, by-nc-sa, by-nc-nd, zero or mark."""
    version: str | None
    """Such as 4.0; None where the name does not say."""

    @property
    def name(self) -> str:
        """Its short name, such as CC BY-SA 4.0."""
        start = {"zero": "CC0", "mark": "Public Domain Mark"}.get(
            self.code, f"CC {self.code.upper()}"
        )
        return f"{start} {self.version}" if self.version else start

    @property
    def deed(self) -> str | None:
        """Address of its deed; None where the version is not known."""
        if self.version is None:
            return None
        room = "publicdomain" if self.code in ("zero", "mark") else "licenses"
        return f"https://creativecommons.org/{room}/{self.code}/{self.version}/"

    @property
    def hub_id(self) -> str:
        """What the Hugging Face hub calls it; `cc`, the family, where it has no name for it."""
        start = "cc0" if self.code == "zero" else f"cc-{self.code}"
        found = f"{start}-{self.version}"
        return found if found in _HUB_IDS else "cc"

    @property
    def forbids_changes(self) -> bool:
        """Whether changed versions may not be shared."""
        return "nd" in self.code.split("-")

    @property
    def forbids_commerce(self) -> bool:
        """Whether commercial use is excluded."""
        return "nc" in self.code.split("-")


def find_creative_commons(
    name: str | None, *, uploaded: str | None = None
) -> CreativeCommons | None:
    """Return the licence that a name means, or None where it is no or no known one.

    Args:
        name: as a platform shows it or a manifest states it.
        uploaded: day on which the video was, such as 2024-01-31; YouTube's version follows from it.

    >>> find_creative_commons("Creative Commons Attribution 4.0 International").name
    'CC BY 4.0'
    >>> find_creative_commons("CC-BY").deed is None
    True
    >>> find_creative_commons("Standard YouTube License") is None
    True
    """
    if name is None:
        return None
    text = " ".join(name.split()).casefold()
    if text.replace("licence", "license") == _YOUTUBES:  # as spelt where one lives
        return CreativeCommons(code="by", version=_youtubes_version(uploaded))
    if address := _ADDRESS.fullmatch(text):
        return _known(address[1], address[2])
    if twice := re.fullmatch(r"(.+) \((cc.+)\)", text):
        in_words, in_short = map(find_creative_commons, twice.groups())
        return in_words if in_words == in_short else None
    for pattern, short in _IN_WORDS:
        text = re.sub(pattern, short, text)
    found = _SHORT.fullmatch(text.strip(" -"))
    if found is None:
        return None
    zero, code, version = found.groups()
    return _known("zero" if zero else code, version or ("1.0" if zero else None))


def _youtubes_version(uploaded: str | None) -> str | None:
    if uploaded is None or not re.fullmatch(r"\d{4}-\d\d-\d\d", uploaded):
        return None
    return "3.0" if uploaded < _YOUTUBES_FOURTH else "4.0"


def _known(code: str, version: str | None) -> CreativeCommons | None:
    if code not in _VERSIONS or (version is not None and version not in _VERSIONS[code]):
        return None
    return CreativeCommons(code=code, version=version)
