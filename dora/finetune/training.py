"""The training of a fine-tuning: steps, scoring after epochs, and a state to go on from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.optim import Optimizer

from dora.errors import DoraError
from dora.eval.computing import Computing
from dora.eval.kept_training import Clock, StateFile
from dora.eval.networks import Frozen
from dora.eval.sharing import sum_over_ranks
from dora.finetune.averaging import average_gradients, average_statistics
from dora.finetune.crops import Share, TrainingCrops, read_groups
from dora.finetune.datasets import ClassificationData
from dora.finetune.groups import build_optimizer, set_learning_rate
from dora.finetune.mixing import Mixing, soft_cross_entropy
from dora.finetune.network import Classifier, trainable
from dora.finetune.order import Group, Order
from dora.finetune.recipe import Recipe
from dora.finetune.schedule import learning_rates
from dora.finetune.scoring import score
from dora.finetune.state import (
    Progress,
    load_state,
    require_same_progress,
    require_scored,
    save_state,
)
from dora.finetune.telling import Told
from dora.train.distributed import rank, world_size

Groups = Iterator[tuple[Group, Tensor]]


def train(
    frozen: Frozen,
    data: ClassificationData,
    *,
    recipe: Recipe,
    computing: Computing,
    readers: int,
    state: StateFile | None,
) -> Progress:
    """Fine-tune a copy of a network to the end of the recipe; return what it came to.

    Args:
        frozen: the network, on the device; it stays as it is.
        data: what it is shown and scored on.
        recipe: how.
        computing: where.
        readers: processes that read pictures; 0: this one does.
        state: where it is kept; None: it is not.

    Raises:
        DoraError: a corrupt picture, a loss that is no number, too many processes.
    """
    order = Order.of(recipe, pictures=len(data.train))
    network = trainable(frozen, classes=data.classes, recipe=recipe).train()
    optimizer = build_optimizer(network, recipe)
    found = None if state is None else load_state(state, network, optimizer)
    progress = found or Progress()
    require_same_progress(progress, device=computing.device)
    if state is not None:
        require_scored(progress, recipe, kept_in=state.path)
    if progress.epoch == recipe.epochs:
        return progress
    share = Share(
        order=order,
        first_epoch=progress.epoch,
        first_step=progress.step,
        epochs=recipe.epochs,
        rank=rank(),
        world=world_size(),
    )
    traits = frozen.traits
    crops = TrainingCrops(recipe, mean=traits.mean, deviation=traits.deviation)
    stepper = Stepper(
        network=network,
        optimizer=optimizer,
        mixing=Mixing(recipe, classes=data.classes),
        labels=torch.tensor(data.train.labels),
        share=share,
        computing=computing,
    )
    groups = read_groups(crops, share, data.train, workers=readers)
    _go_on(stepper, groups, progress, frozen=frozen, data=data, recipe=recipe, state=state)
    return progress


def _go_on(
    stepper: "Stepper",
    groups: Groups,
    progress: Progress,
    *,
    frozen: Frozen,
    data: ClassificationData,
    recipe: Recipe,
    state: StateFile | None,
) -> None:
    """Take all steps that are left, and score after epochs; `progress` tells what came of it."""
    order, computing, network = stepper.share.order, stepper.computing, stepper.network
    lrs = learning_rates(recipe, steps_per_epoch=order.steps, step_pictures=order.step_pictures)
    told = Told.start(computing, order=order, recipe=recipe, progress=progress)
    clock = Clock(before=progress.seconds)
    for epoch in range(progress.epoch, recipe.epochs):
        for step in range(progress.step, order.steps):
            lr = float(lrs[epoch * order.steps + step])
            progress.loss_sum += stepper.step(groups, lr=lr, where=f"epoch {epoch + 1}")
            progress.step += 1
            told.advance(order.step_pictures)
            if state is not None and clock.due():
                progress.seconds = clock.spent()
                save_state(state, progress, network, stepper.optimizer)
        progress.losses.append(progress.loss_sum / order.steps)
        if recipe.scored_after(epoch + 1):
            top1, top5 = score(
                network, data.test, frozen=frozen, recipe=recipe, computing=computing
            )
            progress.scored.append((epoch + 1, top1, top5))
        progress.epoch, progress.step, progress.loss_sum = epoch + 1, 0, 0.0
        progress.seconds = clock.spent()
        told.epoch_done(progress)
    if state is not None:
        save_state(state, progress, network, None)


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """One step of all processes: groups one after another, gradients added up, one update."""

    network: Classifier
    optimizer: Optimizer
    mixing: Mixing
    labels: Tensor
    """(N,) int64 of all training pictures."""
    share: Share
    computing: Computing

    def step(self, groups: Groups, *, lr: float, where: str) -> float:
        """Take the next step; return its mean loss over the pictures of all processes.

        Args:
            groups: those of this process, of which this takes as many as it has in a step.
            lr: of the classifier.
            where: for a message.

        Raises:
            DoraError: the loss is no number.
        """
        self.optimizer.zero_grad(set_to_none=True)
        order, world = self.share.order, self.share.world
        own = len(range(self.share.rank, order.groups, world))
        total = torch.zeros((), dtype=torch.float64, device=self.computing.device)
        for group, crops in islice(groups, own):
            total += self._add_gradients(group, crops)
        loss = float(sum_over_ranks(total)) / order.step_pictures
        if not math.isfinite(loss):
            raise DoraError(
                f"the loss is {loss} in {where}", remedy="give a smaller --lr, or float32"
            )
        average_gradients(self.network)
        set_learning_rate(self.optimizer, lr)
        self.optimizer.step()
        average_statistics(self.network)
        return loss

    def _add_gradients(self, group: Group, crops: Tensor) -> Tensor:
        """Add the gradients of a group, some pictures at a time; return the sum of its losses."""
        device = self.computing.device
        labels = self.labels[torch.from_numpy(group.pictures)].to(device)
        images, targets = self.mixing(crops.to(device), labels, place=group.place)
        places: list[int] = group.places.tolist()
        total = torch.zeros((), dtype=torch.float64, device=device)
        for start in range(0, len(places), self.computing.batch):
            part = slice(start, start + self.computing.batch)
            with self.computing.autocast():
                logits = self.network(images[part], places[part])
            loss = soft_cross_entropy(logits, targets[part]).sum()
            # Gradients are averaged over the processes, of which each has a part of the step.
            scaled = loss * (self.share.world / self.share.order.step_pictures)
            torch.autograd.backward(scaled)
            total += loss.detach()
        return total
