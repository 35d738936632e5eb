import torch

from dora.config import HeadConfig, ModelConfig
from dora.model.pair import Pair

MODEL = ModelConfig(width=24, depth=2, heads=6, patch_px=8, image_px=32)
HEAD = HeadConfig(outputs=20, hidden=16, bottleneck=8)


def test_teacher_begins_as_a_copy_without_gradient() -> None:
    pair = Pair(MODEL, HEAD)
    for name, parameter in pair.teacher.named_parameters():
        assert not parameter.requires_grad
        assert torch.equal(parameter, pair.student.get_parameter(name))


def test_teacher_follows_with_every_parameter() -> None:
    pair = Pair(MODEL, HEAD)
    before = {name: value.clone() for name, value in pair.teacher.named_parameters()}
    with torch.no_grad():
        for parameter in pair.student.parameters():
            parameter.add_(torch.randn_like(parameter))
    pair.update_teacher(0.9)
    for name, parameter in pair.teacher.named_parameters():
        expected = 0.9 * before[name] + (1 - 0.9) * pair.student.get_parameter(name)
        torch.testing.assert_close(parameter, expected.detach())
    pair.update_teacher(1.0)


def test_stacks_of_other_sizes_give_what_each_gives_alone() -> None:
    network = Pair(MODEL, HEAD).teacher
    crops = [torch.randn(4, 3, 32, 32), torch.randn(6, 3, 16, 16)]
    together = torch.split(network(crops), [4, 6])
    for stack, logits in zip(crops, together, strict=True):
        torch.testing.assert_close(logits, network([stack]))
        torch.testing.assert_close(logits, network.logits_and_tokens(stack)[0])
