"""A step in parts, with less memory, compiled, or read late is the same step."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dora.config import RunConfig
from dora.config_text import with_settings
from dora.data.views import Views
from dora.errors import ConfigError, DoraError
from dora.presets import PRESETS
from dora.train.schedule import Schedules
from dora.train.trainer import StepRecord, Trainer, run_steps
from tests.dora.train.test_presets import ONE, SMALL, TWO

CPU = torch.device("cpu")
RUNS = {
    "dora": ["dora", ONE],
    "released": ["released", ONE],
    "paper": ["paper", TWO],
    "DINO": ["paper", TWO, "method=dino"],
}
HALFWAY = 4
"""A step in which the last layer is no longer frozen."""


def config_of(name: str, *settings: str) -> RunConfig:
    preset, *own = RUNS[name]
    return with_settings(
        PRESETS[preset](),
        [*SMALL, *own, "model.drop_path=0.3", "optim.lr=0.01", "epochs=9", *settings],
    )


def batch(config: RunConfig, step: int = 0) -> Views:
    random = torch.Generator().manual_seed(step)
    clips, frames = config.data.batch_clips, config.clip.frames
    shape = (clips, frames, 3)
    return Views(
        global_views=torch.randn(
            len(config.augment.global_views), *shape, 32, 32, generator=random
        ),
        local_crops=torch.randn(config.augment.local_crops, *shape, 16, 16, generator=random),
        positions=torch.arange(step * clips, (step + 1) * clips),
    )


def trainer_of(config: RunConfig, *, step: int = 0) -> Trainer:
    schedules = Schedules.build(
        config.optim, steps_per_epoch=1, epochs=config.epochs, batch_clips=config.data.batch_clips
    )
    trainer = Trainer(config, schedules=schedules, device=CPU, data="")
    trainer.step = step
    return trainer


def stepped(config: RunConfig) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Figures, gradients before clipping or after it, and the next centre, of one step."""
    trainer = trainer_of(config, step=HALFWAY)
    figures = trainer.train_step(batch(config))
    gradients = {
        name: parameter.grad
        for name, parameter in trainer.pair.student.named_parameters()
        if parameter.grad is not None
    }
    return figures, gradients, trainer.method.centre


def assert_gradients_close(ours: dict[str, Tensor], whole: dict[str, Tensor]) -> None:
    assert ours.keys() == whole.keys()
    for name, gradient in whole.items():
        size = float(gradient.norm())
        assert float((ours[name] - gradient).norm()) <= 2e-5 * size + 1e-7, name


@pytest.mark.parametrize(
    ("name", "parts"), [("dora", 2), ("released", 2), ("released", 4), ("paper", 4), ("DINO", 3)]
)
def test_gradients_of_parts_add_up_to_those_of_the_whole_batch(name: str, parts: int) -> None:
    """Masks, thresholds, heads and stochastic depth are the whole batch's, however it is split."""
    figures, gradients, centre = stepped(config_of(name, "optim.clip_norm=0"))
    in_parts = stepped(config_of(name, "optim.clip_norm=0", f"compute.accumulate={parts}"))
    assert torch.equal(in_parts[2], centre)
    for figure, value in figures.items():
        if figure in ("loss", "grad_norm"):
            torch.testing.assert_close(in_parts[0][figure], value, rtol=1e-5, atol=0)
        else:
            assert torch.equal(in_parts[0][figure], value), figure
    assert_gradients_close(in_parts[1], gradients)


@pytest.mark.parametrize("name", ["released", "paper"])
def test_blocks_computed_again_give_the_same_gradients_bit_for_bit(name: str) -> None:
    figures, gradients, _ = stepped(config_of(name))
    again = stepped(config_of(name, "compute.checkpoint=true"))
    assert again[0].keys() == figures.keys()
    assert all(torch.equal(again[0][figure], value) for figure, value in figures.items())
    assert gradients.keys() == again[1].keys()
    assert all(torch.equal(again[1][name], value) for name, value in gradients.items())


def test_blocks_computed_again_keep_less_for_the_backward_pass() -> None:
    def kept_bytes(config: RunConfig) -> int:
        trainer = trainer_of(config)
        kept = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal kept
            kept += tensor.numel() * tensor.element_size()
            return tensor

        images = torch.randn(2, 3, 32, 32)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            trainer.pair.student([images])
        return kept

    deep = config_of("dora", "model.depth=6", "head.outputs=16")
    assert kept_bytes(with_settings(deep, ["compute.checkpoint=true"])) < 0.5 * kept_bytes(deep)


def test_more_parts_than_clips_are_refused() -> None:
    with pytest.raises(DoraError, match=r"compute\.accumulate is 5, but a process has 4 clips"):
        trainer_of(config_of("dora", "compute.accumulate=5"))


def test_parts_are_refused_where_the_head_takes_statistics_of_the_batch() -> None:
    with pytest.raises(ConfigError, match=r"head\.batch_norm"):
        config_of("dora", "compute.accumulate=2", "head.batch_norm=true")


class NoReading(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU: values read, and shapes that depend on them."""

    READS = ("_local_scalar_dense", "nonzero", "masked_select", "item", "unique", "is_nonzero")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::").partition(".")[0]
        assert name not in self.READS, f"a step reads by {name}"
        if name.startswith("index"):  # by booleans, the host must count them
            indices = [i for i in args[1] if i is not None] if isinstance(args[1], list) else []
            assert all(index.dtype != torch.bool for index in indices), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", RUNS)
def test_no_step_reads_a_value_on_the_host(name: str) -> None:
    config = config_of(name, "compute.accumulate=2")
    trainer = trainer_of(config)
    for step in range(2):
        views = batch(config, step)
        with NoReading():
            trainer.train_step(views)


def test_reading_a_value_would_be_noticed() -> None:
    values = torch.arange(3.0)
    for read in (lambda: float(values.sum()), lambda: values[values > 1]):
        with pytest.raises(AssertionError, match=r"index|reads by"), NoReading():
            read()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["released", "DINO"])
def test_no_step_on_a_gpu_waits_for_it(name: str, precision: str) -> None:
    config = config_of(name, f"precision={precision}", "optim.name=adamw")
    device = torch.device("cuda")
    schedules = Schedules.build(config.optim, steps_per_epoch=1, epochs=9, batch_clips=4)
    trainer = Trainer(config, schedules=schedules, device=device, data="")
    prepared = [batch(config, step).to(device) for step in range(3)]
    trainer.train_step(prepared[0])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for views in prepared[1:]:
            trainer.train_step(views)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def run(
    behind: int, *, steps: int = 4, stop_after: int | None = None, every: int = 100
) -> tuple[list[StepRecord], list[int], Trainer]:
    """Records, the steps at which nothing was left to read, and the trainer in the end."""
    config = config_of("dora")
    trainer = trainer_of(config)
    records: list[StepRecord] = []
    drained: list[int] = []
    for record in run_steps(
        trainer,
        (batch(config, step) for step in range(steps)),
        asked=lambda: len(records) == stop_after,
        due=lambda done: done % every == 0,
        behind=behind,
    ):
        records.append(record)
        if record.step + 1 == trainer.step:
            drained.append(trainer.step)
    return records, drained, trainer


def figures_of(records: list[StepRecord]) -> list[dict[str, float]]:
    clocks = ("data_wait_s", "step_s")
    return [
        {name: value for name, value in record.figures.items() if name not in clocks}
        for record in records
    ]


@pytest.mark.parametrize("behind", [1, 2])
def test_figures_read_late_are_those_read_at_once_complete_and_in_order(behind: int) -> None:
    at_once, _, trainer = run(0)
    late, drained, late_trainer = run(behind)
    assert [record.step for record in late] == list(range(4))
    assert figures_of(late) == figures_of(at_once)
    assert drained == [4]
    assert late_trainer.step == trainer.step == 4
    for ours, other in zip(late_trainer.pair.parameters(), trainer.pair.parameters(), strict=True):
        assert torch.equal(ours, other)


@pytest.mark.parametrize("behind", [0, 1])
def test_a_step_that_is_due_leaves_nothing_to_read(behind: int) -> None:
    records, drained, _ = run(behind, every=2)
    assert [record.step for record in records] == list(range(4))
    assert {2, 4} <= set(drained)
    assert behind == 0 or 3 not in drained


@pytest.mark.parametrize("behind", [0, 1])
def test_asked_to_stop_it_reads_the_step_in_hand_and_begins_no_other(behind: int) -> None:
    records, drained, trainer = run(behind, stop_after=2)
    assert trainer.step == 2 + behind  # which had begun when the figures of step 2 were read
    assert [record.step for record in records] == list(range(2 + behind))
    assert drained[-1] == trainer.step


@pytest.mark.parametrize("behind", [0, 1])
def test_a_loss_that_is_no_number_is_known_before_a_step_that_is_due(behind: int) -> None:
    config = config_of("dora")
    trainer = trainer_of(config)
    views = [batch(config, step) for step in range(4)]
    views[2].global_views[:, 1] = torch.nan
    done = []

    def go_on() -> None:
        for record in run_steps(trainer, views, due=lambda steps: steps == 3, behind=behind):
            done.append(record.step)

    with pytest.raises(DoraError, match="the loss of step 2 is nan"):
        go_on()
    assert done == [0, 1]
    assert trainer.step == 3


def test_a_loss_scale_that_sinks_without_end_ends_the_run() -> None:
    """Every step overflows, and is left out; the loss itself stays a number."""
    config = config_of("dora")
    trainer = trainer_of(config)
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**-8)
    next(trainer.pair.student.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    views = [batch(config, step) for step in range(4)]
    done = []

    def go_on() -> None:
        for record in run_steps(trainer, views):
            done.append(record.figures["loss_scale"])

    with pytest.raises(DoraError, match=r"loss scale of step 2 has sunk to 0\.00049.*bf16"):
        go_on()
    assert done == [2.0**-9, 2.0**-10]


@pytest.mark.parametrize("tokens", ["all", "visible"])
def test_visible_tokens_are_all_tokens_where_masks_hide_nothing(tokens: str) -> None:
    """Soft masks are above 0 everywhere."""
    config = config_of("paper", f"compute.student_tokens={tokens}")
    reference = stepped(config_of("paper"))
    figures, gradients, _ = stepped(config)
    torch.testing.assert_close(figures["loss"], reference[0]["loss"], rtol=1e-5, atol=0)
    assert_gradients_close(gradients, reference[1])


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_backbone_compiles_to_one_graph(checkpoint: bool) -> None:
    """The teacher's, which returns a dataclass, and the student's."""
    pair = trainer_of(config_of("dora", f"compute.checkpoint={checkpoint}".lower())).pair
    images = torch.randn(6, 3, 32, 32)
    with torch.no_grad():
        teacher = torch._dynamo.explain(pair.teacher.backbone)(images, want_tokens=True, frames=3)
    torch._dynamo.reset()
    student = torch._dynamo.explain(pair.student.backbone)(images)
    torch._dynamo.reset()
    for found in (teacher, student):
        assert (found.graph_count, found.break_reasons) == (1, [])


@pytest.mark.slow
def test_a_compiled_step_equals_one_that_is_not() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        pytest.skip("no C++ compiler")
    figures, gradients, _ = stepped(config_of("dora"))
    compiled = stepped(config_of("dora", "compute.compile=true"))
    torch.testing.assert_close(compiled[0]["loss"], figures["loss"], rtol=1e-5, atol=0)
    assert_gradients_close(compiled[1], gradients)
