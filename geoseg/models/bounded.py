"""Keeps the building of a network within the memory that its weights justify. Knows no architecture.

A card can ask for a network of any size beside a file of a few bytes. While one is built, every tensor that an
operation gives and every parameter that a module takes is counted; torch fills a parameter with numbers only after
that, so a network that is too large is refused before its memory is touched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from geoseg.errors import ModelError

_ALWAYS_BYTES = 256 * 2**20
_ALWAYS_TENSORS = 2000
_TIMES = 4
"""What is stored as float16 is built as float32, and timm's encoders are built twice."""


@dataclass(slots=True)
class _Account:
    """What may still be built."""

    bytes_left: int
    tensors_left: int
    largest: int
    about: str

    def take(self, tensor: Tensor) -> None:
        """Count a tensor that stays."""
        if tensor.is_meta:
            return
        self.bytes_left -= tensor.numel() * tensor.element_size()
        self.tensors_left -= 1
        if self.bytes_left < 0 or self.tensors_left < 0:
            raise self.refusal()

    def look_at(self, given: object) -> None:
        """Refuse a result that alone is too large."""
        if isinstance(given, Tensor) and not given.is_meta and given.untyped_storage().nbytes() > self.largest:
            raise self.refusal()
        if isinstance(given, tuple | list):
            for part in given:
                self.look_at(part)

    def refusal(self) -> ModelError:
        return ModelError(f"{self.about}: the network is far larger than its weights: do not trust it")


@contextmanager
def bounded_by(state: Mapping[str, Tensor], *, about: str) -> Iterator[None]:
    """Inside, a network can be built that is about as large as its weights, and none that is far larger.

    Args:
        state: the weights that the network is to take.
        about: what is built, to begin the error message with.

    Raises:
        ModelError: as soon as the network takes more than 256 MiB and four times its weights, or has far more tensors.
    """
    stored = sum(tensor.numel() * max(tensor.element_size(), 4) for tensor in state.values())
    account = _Account(
        bytes_left=_ALWAYS_BYTES + _TIMES * stored,
        tensors_left=_ALWAYS_TENSORS + _TIMES * len(state),
        largest=_ALWAYS_BYTES + _TIMES * stored,
        about=about,
    )
    with ExitStack() as stack:
        for hook in (
            nn.modules.module.register_module_parameter_registration_hook,
            nn.modules.module.register_module_buffer_registration_hook,
        ):
            stack.callback(hook(_counting(account)).remove)
        stack.enter_context(_Watch(account))
        yield


def _counting(account: _Account) -> Callable[[nn.Module, str, Tensor | None], None]:
    thread = threading.get_ident()

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        del module, name
        if tensor is not None and threading.get_ident() == thread:  # others may build networks of their own
            account.take(tensor)

    return count


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's
    """Looks at what every operation gives."""

    def __init__(self, account: _Account) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's
        self._account = account

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's signature
        del types
        given = func(*args, **(kwargs or {}))
        self._account.look_at(given)
        return given
