"""The sample walk: rendered here, so that nothing has to be downloaded to try everything."""

import shutil

from wtours.fetch.landing import Arrival, Landing, room_on_disk
from wtours.fetch.settings import StepProgress

_THOUSANDTHS = 1000


def bring_rendered(landing: Landing, *, progress: StepProgress) -> Arrival:
    """Render the sample walk under a partial name; its truth comes along as a companion.

    It is rendered anew each time: the same arguments give the same pictures.
    """
    from wtours.sample_walk import render_sample_walk, truth_path  # needs OpenCV, others do not

    folder = landing.folder / f"{landing.name}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    video = folder / f"{landing.name}.mp4"
    with room_on_disk(video):
        render_sample_walk(
            video, progress=lambda share: progress(round(share * _THOUSANDTHS), _THOUSANDTHS)
        )
    return Arrival(part=video, extension="mp4", said={}, companions=(truth_path(video),))
