"""A GPU that is not there: its tensors have shapes, types and a device, and no values.

Tensors of the CPU stay real, so that the host can read what is its own. Those on `cuda` are torch's
fake tensors, which raise where a value is asked for. On top of that every operation is looked at:
operands on two devices are refused and, where the host is not to wait, so are copies between the
two that make it wait: all but those without blocking from or to page-locked memory.

Not shown: what the numbers are, and whether a kernel waits inside of itself. Autograd's own engine
wants a driver; in its place the nodes of the graph are called one after another.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

GPU = torch.device("cuda", 0)
ARRIVED = 1.0
"""What the host finds where a copy from the GPU has arrived; before, it finds NaN."""


class HostWaitsError(AssertionError):
    """The host would wait for the GPU."""


class MixedDevicesError(AssertionError):
    """An operation has operands on two devices."""


WAITS = (HostWaitsError, DataDependentOutputException, DynamicOutputShapeException)
"""The last two are what fake tensors raise where a value, or a shape that depends on one, is read.
"""


class PretendedGpu(TorchDispatchMode):
    """Looks at every operation; fake tensors are on below it."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode()
        self.host_waits = True
        """Whether copies may make the host wait."""
        self.operations: dict[str, int] = {}
        """Done on the GPU, by name."""
        self._sent: list[Tensor] = []
        self._pinned: list[StorageWeakRef] = []

    @contextmanager
    def never_waited_for(self) -> Iterator[None]:
        """Raise, in the block, one of `WAITS` where the host would wait."""
        self.host_waits = False
        try:
            yield
        finally:
            self.host_waits = True

    def arrive(self, sent: list[Tensor]) -> None:
        """Let copies to the host arrive; what was sent later stays under way."""
        with unset_fake_temporarily():
            for host in sent:
                host.fill_(ARRIVED)

    def sent(self) -> list[Tensor]:
        """Return the host's tensors to which copies were sent so far."""
        return list(self._sent)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func.name().partition(".")[0].partition("::")[2]
        operands = [each for each in tree_iter((args, kwargs)) if isinstance(each, Tensor)]
        there = [isinstance(each, FakeTensor) for each in operands]
        wanted = kwargs.get("device")
        if not any(there) and (wanted is None or torch.device(wanted).type != "cuda"):
            return self._on_cpu(func, name, args, kwargs)
        self.operations[name] = self.operations.get(name, 0) + 1
        if name == "_to_copy":
            return self._copied(func, args[0], kwargs)
        if name == "copy_" and len(set(there)) > 1:
            return self._copy_into(args[0], args[1], waits=not (len(args) > 2 and args[2]))
        if len(set(there)) > 1:
            places = ", ".join(f"{tuple(each.shape)} on {each.device}" for each in operands)
            raise MixedDevicesError(f"{name} of {places}")
        return func(*args, **kwargs)

    def _on_cpu(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Do it really; there is no page-locked memory without a driver, and other is noted."""
        if name == "is_pinned":
            return self._is_pinned(args[0])
        with unset_fake_temporarily():
            if name == "_pin_memory":
                return self._note_pinned(args[0].clone())
            if kwargs.get("pin_memory"):
                return self._note_pinned(func(*args, **(kwargs | {"pin_memory": False})))
            return func(*args, **kwargs)

    def _copied(self, func: Any, source: Tensor, kwargs: Any) -> Tensor:
        """Return a copy with another type, or on the other device."""
        device = kwargs.get("device") or source.device
        if isinstance(source, FakeTensor) and device.type == "cuda":
            copied: Tensor = func(source, **kwargs)
            return copied
        if isinstance(source, FakeTensor):
            if not self.host_waits:
                raise HostWaitsError("a copy to the host, into memory that is not page-locked")
            with unset_fake_temporarily():
                return torch.full(source.shape, ARRIVED, dtype=kwargs.get("dtype", source.dtype))
        self._require_no_wait(source, waits=not kwargs.get("non_blocking"))
        dtype = kwargs.get("dtype") or source.dtype
        return torch.empty_strided(source.shape, source.stride(), dtype=dtype, device=device)

    def _copy_into(self, target: Tensor, source: Tensor, *, waits: bool) -> Tensor:
        """Copy between the devices."""
        if isinstance(target, FakeTensor):
            self._require_no_wait(source, waits=waits)
            return target
        self._require_no_wait(target, waits=waits)
        with unset_fake_temporarily():
            target.fill_(ARRIVED if waits else torch.nan)
        self._sent.append(target)
        return target

    def _require_no_wait(self, host: Tensor, *, waits: bool) -> None:
        if not self.host_waits and (waits or not self._is_pinned(host)):
            how = "that blocks" if waits else "of memory that is not page-locked"
            raise HostWaitsError(f"a copy {how}, {tuple(host.shape)}")

    def _note_pinned(self, host: Tensor) -> Tensor:
        self._pinned.append(StorageWeakRef(host.untyped_storage()))
        return host

    def _is_pinned(self, host: Tensor) -> bool:
        return StorageWeakRef(host.untyped_storage()) in self._pinned


@contextmanager
def pretended_gpu(gpu: PretendedGpu | None = None) -> Iterator[PretendedGpu]:
    """Give the block a GPU, as far as this file goes, also for autocast, events and gradients.

    Args:
        gpu: one that was used before, with the tensors that are on it; None: a new one.
    """
    gpu = gpu or PretendedGpu()

    class Event:
        """Of the one stream that there is, which goes by its GPU's name."""

        def record(self, stream: object) -> None:
            assert stream == GPU, "not that of the GPU in use, but the current one's"
            self._before = gpu.sent()

        def synchronize(self) -> None:
            gpu.arrive(self._before)

    with ExitStack() as stack:
        for owner, name, value in (
            (torch.autograd, "backward", call_nodes),
            (torch.cuda, "Event", Event),
            (torch.cuda, "current_stream", lambda device: device),
            (torch.cuda, "is_bf16_supported", lambda: True),
            (torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
        ):
            stack.enter_context(patch.object(owner, name, value))
        stack.enter_context(gpu.fake)
        yield stack.enter_context(gpu)


def call_nodes(loss: Tensor) -> None:
    """Compute the gradients of a scalar, as `torch.autograd.backward` does, in its own thread."""
    assert loss.grad_fn is not None
    waiting: dict[Any, list[Tensor | None]] = {loss.grad_fn: [torch.ones_like(loss)]}
    for node in _from_the_end(loss.grad_fn):
        in_python = not callable(node)  # it then also returns what belongs to no tensor
        gradients = (node.apply if in_python else node)(*waiting.pop(node))
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        pairs = zip(node.next_functions, gradients, strict=not in_python)
        for (later, place), gradient in pairs:
            if later is None or gradient is None:
                continue
            held = waiting.setdefault(later, [None] * len(later._input_metadata))
            fits = later._input_metadata[place]
            gradient = gradient.sum_to_size(fits.shape).to(fits.dtype)  # as the engine does
            before = held[place]
            held[place] = gradient if before is None else before + gradient


def _from_the_end(last: Any) -> list[Any]:
    """Return the nodes of a graph, each after all that its gradients come from."""
    order: list[Any] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(last, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(later, False) for later, _ in node.next_functions if later is not None]
    return order[::-1]
