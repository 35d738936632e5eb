from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from dora.eval.training_crops import Shown, draw_crop, order_of_epoch, read_training_crop
from tests.dora.eval.tiny_networks import write_noise


def test_crop_is_torchvisions_of_the_same_box(tmp_path: Path) -> None:
    (path,) = write_noise(tmp_path, pictures=1, side=(60, 90))
    seen_mirrored = set()
    for place in range(12):
        (top, left, height, width), mirrored = draw_crop(7, place=place, height=60, width=90)
        with Image.open(path) as picture:
            expected = functional.resized_crop(
                picture, int(top), int(left), int(height), int(width), [32, 32]
            )
        if mirrored:
            expected = functional.horizontal_flip(expected)
        found = read_training_crop(Shown(path=path, place=place), seed=7, image_px=32)
        assert torch.equal(found, functional.pil_to_tensor(expected))
        seen_mirrored.add(mirrored)
    assert seen_mirrored == {False, True}


def test_boxes_are_spread_as_those_of_random_resized_crop() -> None:
    ours = np.stack([draw_crop(1, place=p, height=100, width=150)[0] for p in range(1500)])
    torch.manual_seed(0)
    picture = torch.zeros(3, 100, 150)
    params = [v2.RandomResizedCrop(224).make_params([picture]) for _ in range(1500)]
    theirs = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in params])
    shares = [np.sort(boxes[:, 2] * boxes[:, 3] / 15_000) for boxes in (ours, theirs)]
    assert np.abs(shares[0] - shares[1]).max() < 0.07
    assert np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).max() < 4
    assert (
        abs(np.mean([draw_crop(1, place=p, height=9, width=9)[1] for p in range(1500)]) - 0.5)
        < 0.05
    )


def test_epoch_shows_every_picture_once_and_each_in_another_order() -> None:
    orders = [order_of_epoch(0, epoch=epoch, pictures=50).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert order_of_epoch(1, epoch=0, pictures=50).tolist() != orders[0]
    assert order_of_epoch(0, epoch=2, pictures=50).tolist() == orders[2]
