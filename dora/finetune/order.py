"""Which pictures a step of a fine-tuning shows: a pure function of seed, epoch and step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dora.data.draws import permutation
from dora.errors import DoraError
from dora.finetune.recipe import REPEATED_MULTIPLE, Recipe

FINETUNE_ORDER = 1 << 41
"""Purpose of the draws that order the pictures of an epoch; far from those of other trainings."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures of a step that one process computes, and that share a draw of mixup or cutmix."""

    place: int
    """Number of the group in the run."""
    pictures: NDArray[np.int64]
    """(M,) numbers of training pictures; M is even."""
    places: NDArray[np.int64]
    """(M,) the turns' numbers in the run: what is drawn for a picture depends on its own."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Cuts epochs into steps, and steps into groups.

    As published, an epoch ends with its last whole step; with repeated augmentation every picture
    stands as often in a row, and the epoch ends where it has shown as many turns as there are
    pictures, cut off to a multiple of 256. A group has the turns that the published code gives one
    of as many processes as a step has groups.
    """

    pictures: int
    repeats: int
    step_pictures: int
    mixed_pictures: int
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, *, pictures: int) -> "Order":
        """Return the order of a recipe; fewer pictures than a step make a smaller step.

        Raises:
            DoraError: there are fewer than two pictures.
        """
        if pictures < 2:
            raise DoraError(
                f"there is {pictures} training picture, and pictures are mixed in pairs",
                remedy="give a data set with more training pictures",
            )
        turns = _turns(pictures, recipe.repeats)
        return cls(
            pictures=pictures,
            repeats=recipe.repeats,
            step_pictures=max(2, min(recipe.step_pictures, turns) // 2 * 2),
            mixed_pictures=recipe.mixed_pictures,
            seed=recipe.seed,
        )

    @property
    def turns(self) -> int:
        """Return the turns of an epoch, of which the last ones may belong to no whole step."""
        return _turns(self.pictures, self.repeats)

    @property
    def steps(self) -> int:
        """Return the steps of an epoch."""
        return self.turns // self.step_pictures

    @property
    def groups(self) -> int:
        """Return the groups of a step."""
        return -(-self.step_pictures // self.mixed_pictures)

    @property
    def group_pictures(self) -> int:
        """Return the pictures of the largest group of a step."""
        return 2 * -(-(self.step_pictures // 2) // self.groups)

    def shown(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of the pictures in the order of an epoch, (turns,)."""
        order = permutation(self.seed, number=epoch, size=self.pictures, purpose=FINETUNE_ORDER)
        return np.repeat(order, self.repeats)[: self.turns]

    def groups_of_epoch(self, epoch: int, *, first_step: int = 0) -> list[list[Group]]:
        """Return the groups of each step of an epoch from `first_step` on."""
        shown = self.shown(epoch)
        return [
            self._groups(shown, epoch=epoch, step=step) for step in range(first_step, self.steps)
        ]

    def _groups(self, shown: NDArray[np.int64], *, epoch: int, step: int) -> list[Group]:
        first = step * self.step_pictures
        owners = deal(self.step_pictures, self.groups)
        groups = []
        for number in range(self.groups):
            turns = first + np.flatnonzero(owners == number)
            groups.append(
                Group(
                    place=(epoch * self.steps + step) * self.groups + number,
                    pictures=shown[turns],
                    places=epoch * self.turns + turns,
                )
            )
        return groups


def deal(turns: int, groups: int) -> NDArray[np.int64]:
    """Return which group has each turn of a step, (turns,): one after another, to even numbers.

    So the turns of one picture, which are neighbours, come to different groups.
    """
    pairs = turns // 2
    sizes = 2 * (pairs // groups + (np.arange(groups) < pairs % groups))
    rounds, owners = np.nonzero(np.arange(sizes.max())[:, None] < sizes)
    return owners[np.lexsort((owners, rounds))]


def _turns(pictures: int, repeats: int) -> int:
    whole = repeats > 1 and pictures >= REPEATED_MULTIPLE
    return pictures // REPEATED_MULTIPLE * REPEATED_MULTIPLE if whole else pictures
