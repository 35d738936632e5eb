"""`wtours shard`, `cuts`, `blur`, `audit` and `card`: from videos to shards, and what follows."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wtours.commands.places import SHARDS, VIDEOS
from wtours.progress import progress_bars, size_text

_FEW_VIDEOS = 20
"""So few are checked before anybody asks what is going on."""


def shard(
    videos: Annotated[list[Path], Parameter(consume_multiple=True)] = [VIDEOS],  # noqa: B006
    /,
    *,
    out: str = str(SHARDS),
    fps: str = "1",
    short_side: int = 512,
    jpeg_quality: int = 90,
    blur: Annotated[bool, Parameter(negative="--no-blur")] = True,
    blur_threshold: float = 0.2,
    blur_style: Literal["gauss", "mosaic", "solid"] = "gauss",
    blur_margin: float = 1.3,
    guard_s: float = 0.25,
    face_height: int | None = None,
    face_model: Path | None = None,
    plate_model: Path | None = None,
    cuts: Literal["content", "adaptive", "none"] = "content",
    sampling: Literal["nearest", "keyframes"] = "nearest",
    hours: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    ray: str | None = None,
    replace: bool = False,
    skip_bad: bool = False,
    keep_unblurred: str | None = None,
    dry_run: bool = False,
) -> None:
    """Pack kept frames of videos into WebDataset shards, faces blurred, cuts found.

    A video has a set of its own. Videos of a folder that are shorter than a minute share one, which
    is called like the folder.

    Args:
        videos: videos, or folders of them.
        out: folder for the shard sets, or an address such as s3://bucket/walks.
        fps: frames kept per second of video, such as 1, 30 or 30000/1001, or `native`.
        short_side: shorter side of the stored pictures in pixels; smaller videos are not enlarged.
        jpeg_quality: 1 to 95.
        blur: make faces unrecognisable before anything is written.
        blur_threshold: least score of a face, 0 to 1; lower covers more.
        blur_style: what a covered face looks like.
        blur_margin: how far the cover reaches over a face, 1 or more.
        guard_s: seconds before and after a face was seen in which it is covered, too; counts where
            kept frames lie as close as that.
        face_height: lines of the picture in which faces are looked for; without it, 720 for a
            shorter side of 512, and in proportion.
        face_model: TorchScript model that finds faces instead of CenterFace, with the interface of
            EgoBlur's.
        plate_model: the same for licence plates; without it they are left.
        cuts: PySceneDetect's detector of cuts.
        sampling: the frame nearest to each tick, or the keyframe nearest to it: a quick preview.
        hours: take only some of the videos, drawn at random, that last this long together.
        seed: of that draw.
        workers: processes that work at once; by default as many as cores and memory allow. What
            they write does not depend on it.
        ray: address of a Ray cluster that does the work instead, such as `auto`; `local` starts one
            on this machine. Its nodes see videos and output under the same paths.
        replace: make sets anew that were made with other settings.
        skip_bad: leave damaged videos out and say which; otherwise the first ends the work.
        keep_unblurred: folder, away from `out`, in which kept frames stay uncovered as well: given
            again, the same videos are blurred with other settings without decoding them. It shows
            faces; delete it when done.
        dry_run: say how many frames, bytes and minutes to expect. Frames are counted; bytes and
            minutes are judged by seconds of work, so that minutes are wrong by half or more where
            the machine has other work to do now, or later.
    """
    from wtours.shard import shard_videos
    from wtours.shard_inputs import Subset
    from wtours.shard_rounds import default_workers
    from wtours.shard_settings import ShardSettings, parse_fps
    from wtours.stages.blur import BlurSettings
    from wtours.stages.cuts import CutSettings
    from wtours.terminal import print_shard_set

    settings = ShardSettings(
        fps=parse_fps(fps),
        short_side_px=short_side,
        jpeg_quality=jpeg_quality,
        sampling=sampling,
        blur=BlurSettings(
            threshold=blur_threshold,
            style=blur_style,
            margin=blur_margin,
            detection_px=face_height,
            guard_s=guard_s,
            face_model=face_model,
            plate_model=plate_model,
        )
        if blur
        else None,
        cuts=None if cuts == "none" else CutSettings(detector=cuts),
    )
    subset = None if hours is None else Subset(hours=hours, seed=seed)
    if dry_run:
        from wtours.shard_estimate import estimate
        from wtours.terminal import print_estimate

        print_estimate(estimate(videos, settings=settings, subset=subset, workers=workers), out)
        return
    with progress_bars() as advance:
        written = shard_videos(
            videos,
            out=out,
            settings=settings,
            subset=subset,
            workers=workers if workers is not None else default_workers(),
            ray=ray,
            replace=replace,
            skip_bad=skip_bad,
            unblurred=keep_unblurred,
            told=lambda text: print(f"note: {text}", file=sys.stderr),
            progress=lambda name, done_s, total_s, speed: advance(
                f"sharding {name}", done_s, total_s, f"{speed:.1f} x real time"
            ),
            checking=lambda looked_at, number: (
                advance("checking videos", looked_at, number, f"{number}")
                if number > _FEW_VIDEOS
                else None
            ),
        )
    for one in written.sets:
        print_shard_set(one)
    for reason in written.left_out:
        print(f"left out: {reason}", file=sys.stderr)


def cuts(
    videos: Annotated[list[Path], Parameter(consume_multiple=True)] = [VIDEOS],  # noqa: B006
    /,
    *,
    out: Path | None = None,
    detector: Literal["content", "adaptive"] = "content",
    threshold: float | None = None,
    min_shot_s: float = 0.6,
) -> None:
    """Find the shots of videos, as sharding does, and print them as a table.

    Args:
        videos: videos, or folders of them.
        out: folder for NAME.cuts.csv and NAME.cuts.jpg, a sheet with the first and last picture of
            each shot; without it, nothing is written.
        detector: PySceneDetect's detector of cuts.
        threshold: least score of a cut; without it, 27 for content (levels of 255), and 3 for
            adaptive (times the mean score around it).
        min_shot_s: no shot is shorter, in seconds.
    """
    from wtours.scenes import find_shots, write_shots
    from wtours.stages.cuts import CutSettings
    from wtours.terminal import note, print_shots

    settings = CutSettings(detector=detector, threshold=threshold, min_shot_s=min_shot_s)
    with progress_bars() as advance:
        found = find_shots(
            videos,
            settings=settings,
            progress=lambda name, done_s, total_s: advance(f"reading {name}", done_s, total_s, ""),
        )
        for video in found:
            print(f"{video.name}: {len(video.shots)} shot{'s' if len(video.shots) > 1 else ''}")
            print_shots(video)
            for path in write_shots(video, out) if out is not None else ():
                print(path)
            for text in video.notes:
                note(video.name, text)


def blur(
    videos: Annotated[list[Path], Parameter(consume_multiple=True)] = [VIDEOS],  # noqa: B006
    /,
    *,
    out: Path = Path("data/blurred"),
    codec: Literal["h264", "av1"] = "h264",
    face_height: int = 720,
    face_model: Path | None = None,
    plate_model: Path | None = None,
    blur_threshold: float = 0.2,
    blur_style: Literal["gauss", "mosaic", "solid"] = "gauss",
    blur_margin: float = 1.3,
    guard_s: float = 0.25,
    replace: bool = False,
) -> None:
    """Write whole videos anew with the faces of every frame covered, without sound.

    Every frame is decoded, looked at and encoded, by one process: 0.7 s of processor time a frame
    of 2560 x 1920 (0.3 of it the encoder), so that an hour at 30 frames a second takes two cores
    half a day. Training needs no such video: `wtours shard` covers the frames that it keeps.

    Args:
        videos: videos, or folders of them.
        out: folder for NAME.mp4, NAME.boxes.parquet and NAME.blur.json.
        codec: of the videos that are written.
        face_height: lines of the picture in which faces are looked for; a face under about 10 px
            there is missed (30 px in 4K at 720). Twice the lines take four times as long.
        face_model: TorchScript model that finds faces instead of CenterFace.
        plate_model: TorchScript model that finds licence plates; without it they are left.
        blur_threshold: least score of a face, 0 to 1; lower covers more.
        blur_style: what a covered face looks like.
        blur_margin: how far the cover reaches over a face, 1 or more.
        guard_s: seconds before and after a face was seen in which it is covered, too.
        replace: make videos anew that were made with other settings.
    """
    from wtours.blurred_video import BlurredVideo, BlurredVideoSettings, blur_videos
    from wtours.stages.blur import BlurSettings
    from wtours.terminal import note

    settings = BlurredVideoSettings(
        blur=BlurSettings(
            threshold=blur_threshold,
            style=blur_style,
            margin=blur_margin,
            detection_px=face_height,
            guard_s=guard_s,
            face_model=face_model,
            plate_model=plate_model,
        ),
        codec=codec,
    )

    def finished(video: BlurredVideo) -> None:
        done = f"{video.path}: {video.frames} frames, {video.frames_with_boxes} with covered faces"
        print(
            f"{done}, there already" if video.skipped else f"{done}, {size_text(video.size_bytes)}"
        )
        for text in video.notes:
            note(video.name, text)

    with progress_bars() as advance:
        blur_videos(
            videos,
            out=out,
            settings=settings,
            replace=replace,
            progress=lambda name, done_s, total_s: advance(f"covering {name}", done_s, total_s, ""),
            finished=finished,
        )


def audit(
    shards: Annotated[list[Path], Parameter(consume_multiple=True)] = [SHARDS],  # noqa: B006
    /,
    *,
    out: Path = Path("data/audit"),
    boxes: int = 48,
    seen: int = 24,
    pictures: int = 200,
    threshold: float = 0.1,
    face_model: Path | None = None,
    plate_model: Path | None = None,
    seed: int = 0,
) -> None:
    """Draw sheets by which a person judges in a minute what blurring covered and what it missed.

    Args:
        shards: shard sets, or folders of them.
        out: folder for index.html and two sheets a set.
        boxes: covered boxes on a sheet, half of them those of the lowest scores.
        seen: places on a sheet that a second look saw and nothing covers.
        pictures: pictures that are looked at again.
        threshold: least score of that second look, lower than that of the shards.
        face_model: TorchScript model for the second look instead of CenterFace.
        plate_model: the same for licence plates.
        seed: of what is drawn at random.
    """
    from wtours.audit import AuditSettings, audit_shards
    from wtours.stages.blur import BlurSettings

    look = BlurSettings(threshold=threshold, face_model=face_model, plate_model=plate_model)
    settings = AuditSettings(boxes=boxes, seen=seen, pictures=pictures, look=look, seed=seed)
    with progress_bars() as advance:
        audited = audit_shards(
            shards,
            out=out,
            settings=settings,
            progress=lambda name, done, total: advance(f"looking at {name}", done, total, ""),
        )
    for one in audited:
        print(
            f"{one.name}: {one.boxes} boxes in {one.pictures} pictures; a second look at "
            f"{one.looked_at} pictures saw {one.seen} places that nothing covers"
        )
    print(out / "index.html")


def card(
    shards: Annotated[list[Path], Parameter(consume_multiple=True)] = [SHARDS],  # noqa: B006
    /,
    *,
    out: Path | None = None,
    name: str | None = None,
    url: str | None = None,
    replace: bool = False,
) -> None:
    """Write a dataset card (README.md) and Croissant metadata (croissant.json) for shard sets.

    Args:
        shards: shard sets, or folders of them.
        out: folder for both files; without it, the first folder of shards.
        name: what the dataset is called.
        url: where it will be published.
        replace: write over a card that is there.
    """
    from wtours.publishing.card import write_card

    written = write_card(shards, out or shards[0], name=name, url=url, replace=replace)
    for path in (written.readme, written.croissant, written.attribution):
        print(path)
    for text in written.notes:
        print(f"note: {text}", file=sys.stderr)
