"""What YouTube would answer, for videos whose files a server of this machine has."""

from typing import Any

CC = "Creative Commons Attribution license (reuse allowed)"


def answer(
    video_id: str,
    url: str,
    *,
    size_bytes: int | None = None,
    codecs: tuple[str, ...] = ("h264",),
    lines: int = 96,
    fps: float = 30,
    duration_s: float = 40 * 1001 / 30000,
    licence: str | None = CC,
    ext: str = "mp4",
) -> dict[str, Any]:
    """Return an info dictionary as yt-dlp would: one picture track a codec, and a sound track."""
    names = {"vp9": "vp9", "av1": "av01.0.01M.08", "h264": "avc1.4d400b"}
    info: dict[str, Any] = {
        "id": video_id,
        "title": f"A walk ({video_id})",
        "channel": "Walks",
        "channel_url": "https://www.youtube.com/channel/UCwalks",
        "upload_date": "20240102",
        "duration": round(duration_s),
        "webpage_url": f"https://www.youtube.com/watch?v={video_id}",
        "formats": [
            {"format_id": "251", "vcodec": "none", "acodec": "opus", "protocol": "https"},
            *(
                {
                    "format_id": str(300 + number),
                    "ext": ext,
                    "vcodec": names[codec],
                    "acodec": "none",
                    "width": 160 * lines // 96,
                    "height": lines,
                    "fps": fps,
                    "dynamic_range": "SDR",
                    "protocol": "https",
                    "tbr": 1000.0,
                    "filesize": size_bytes,
                    "url": f"{url}?lmt=1700000000000000",
                }
                for number, codec in enumerate(codecs)
            ),
        ],
    }
    return info | ({"license": licence} if licence else {})
