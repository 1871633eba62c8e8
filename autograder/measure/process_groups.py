"""A group of ``torch.distributed`` whose calls are told as they begin and end.

On the CPU it is one of gloo. Tensors on GPUs go by nccl where each rank has a GPU of its own; nccl does not let ranks share
one, so that there they go through the memory of the host, and by gloo.

This module runs inside the sandbox, beside student code. What is wrapped is the group itself, below every function of
``torch.distributed``: no other name for one of them gets past it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

from autograder.measure.devices import chosen_device
from autograder.records import Device


class Log(Protocol):
    """Where calls are told."""

    def enter(self, **call: object) -> int:
        """A call begins; gives its number."""

    def leave(self, number: int, **end: object) -> None:
        """The call with this number has ended."""

    def changed(self, number: int) -> None:
        """The message with this number is no longer what it was when it was sent."""


@dataclass(frozen=True)
class Network:
    """How long a message is on its way, beyond what it takes anyhow: seconds for each, and for each byte."""

    per_message: float = 0.0
    per_byte: float = 0.0

    def seconds(self, size: int) -> float:
        """What a message of so many bytes takes."""
        return self.per_message + size * self.per_byte


class Wire:
    """A rank's line to the network, over which its messages go one after another."""

    def __init__(self, network: Network) -> None:
        self._network, self._guard = network, threading.Lock()
        self._free = 0.0

    def arrival(self, size: int) -> float:
        """Put a message on the wire; the moment of its arrival, on the monotonic clock."""
        with self._guard:
            self._free = max(self._free, time.monotonic()) + self._network.seconds(size)
            return self._free


#: Methods of a process group: the call's name in torch.distributed, which argument it writes, which it reads.
CALLS: dict[str, tuple[str, int | None, int | None]] = {
    "allreduce": ("all_reduce", 0, 0),
    "allreduce_coalesced": ("all_reduce_coalesced", 0, 0),
    "broadcast": ("broadcast", 0, 0),
    "reduce": ("reduce", 0, 0),
    "allgather": ("all_gather", 0, 1),
    "allgather_coalesced": ("all_gather_coalesced", 0, 1),
    "_allgather_base": ("all_gather_into_tensor", 0, 1),
    "all_gather_single": ("all_gather_into_tensor", 0, 1),
    "allgather_into_tensor_coalesced": ("all_gather_into_tensor", 0, 1),
    "all_gather_single_coalesced": ("all_gather_into_tensor", 0, 1),
    "gather": ("gather", 0, 1),
    "scatter": ("scatter", 0, 1),
    "reduce_scatter": ("reduce_scatter", 0, 1),
    "_reduce_scatter_base": ("reduce_scatter_tensor", 0, 1),
    "reduce_scatter_single": ("reduce_scatter_tensor", 0, 1),
    "reduce_scatter_tensor_coalesced": ("reduce_scatter_tensor", 0, 1),
    "reduce_scatter_single_coalesced": ("reduce_scatter_tensor", 0, 1),
    "alltoall": ("all_to_all", 0, 1),
    "alltoall_base": ("all_to_all_single", 0, 1),
    "all_to_all_single": ("all_to_all_single", 0, 1),
    "send": ("send", None, 0),
    "recv": ("recv", 0, None),
    "recv_anysource": ("recv", 0, None),
    "barrier": ("barrier", None, None),
    "monitored_barrier": ("monitored_barrier", None, None),
}
#: Between two ranks only: the others need not call them.
BETWEEN_TWO = {"send", "recv"}
#: The tensors may differ in size from rank to rank.
ANY_SIZE = {"all_to_all", "all_to_all_single", "barrier", "monitored_barrier"}


def _tensors(value: object) -> Iterator[torch.Tensor]:
    """The tensors in an argument of a collective: a tensor, or lists of them."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _copies(value: Any, on_host: bool = False) -> Any:
    """The same argument with a copy of every tensor, beside it or in the memory of the host."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu" if on_host else value.device, copy=True)
    return [_copies(part, on_host) for part in value] if isinstance(value, list | tuple) else value


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's bytes, so that what is not a number can be compared too."""
    return tensor.detach().reshape(-1).view(torch.uint8)


def _root(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
    """The rank that a broadcast, reduce, gather or scatter is from or to."""
    if name not in ("broadcast", "reduce", "gather", "scatter"):
        return None
    for value in (kwargs.get("root"), *args[1:], kwargs.get("opts")):
        if isinstance(value, int):
            return value
        if hasattr(value, "rootRank"):
            return int(value.rootRank)
    return 0


def _peer(name: str, args: tuple[Any, ...]) -> int | None:
    """The rank that a message is for or from; None where it may come from any."""
    return args[1] if name in BETWEEN_TWO and len(args) > 2 else None  # the last one is the tag


def _handed_over(name: str, size: int, root: int | None, rank: int, world_size: int) -> int:
    """Bytes that a rank gives to the others in a call on `size` bytes of its own."""
    if name == "broadcast":
        return size if rank == root else 0
    if name in ("reduce", "gather"):
        return 0 if rank == root else size
    if name.startswith(("scatter", "reduce_scatter", "all_to_all")):
        return size * (world_size - 1) // world_size  # its own part stays
    return size


class Outbox:
    """The messages that this rank has sent and not waited for, as they were: who changes one is found out.

    One look before a call and before and after a wait, so that it is known between which of them it happened.
    """

    def __init__(self, log: Log) -> None:
        self._log, self._guard = log, threading.Lock()
        self._sent: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def add(self, number: int, tensors: list[torch.Tensor]) -> None:
        """A message is on its way."""
        with self._guard:
            self._sent[number] = [(tensor, _bits(tensor).clone()) for tensor in tensors]

    def look(self) -> None:
        """Tell of those that have changed since the last look."""
        with self._guard:
            for number, sent in list(self._sent.items()):
                if any(not torch.equal(_bits(tensor), bits) for tensor, bits in sent):
                    del self._sent[number]
                    self._log.changed(number)

    def remove(self, number: int) -> None:
        """A message has been waited for: its memory is the rank's again."""
        with self._guard:
            self._sent.pop(number, None)


class Transfer(dist.Work):
    """A call under way. What it writes appears when it is waited for: a forgotten wait shows every time."""

    def __init__(self, work: Any, own: object, copies: object, log: Log, outbox: Outbox, number: int, arrival: float):
        super().__init__()
        self._arrival, self._outbox = arrival, outbox
        self._work, self._own, self._copies, self._log, self._number = work, own, copies, log, number
        self._guard = threading.Lock()

    def _deliver(self) -> None:
        with self._guard:
            time.sleep(max(0.0, self._arrival - time.monotonic()))
            if self._copies is not None:
                for own, copied in zip(_tensors(self._own), _tensors(self._copies), strict=True):
                    own.data.copy_(copied)  # .data: gloo too writes past autograd's version counters
                if any(tensor.is_cuda for tensor in _tensors(self._own)):
                    torch.cuda.synchronize()  # there, and not only on its way
                self._copies = None
                self._log.leave(self._number, **self._told_at_end())
                self._outbox.remove(self._number)
                self._outbox.look()  # at what has just been received into

    def _told_at_end(self) -> dict[str, object]:
        return {}

    def wait(self, timeout: timedelta | None = None) -> bool:
        self._outbox.look()
        done = bool(self._work.wait(timeout) if timeout else self._work.wait())
        self._deliver()
        return done

    def synchronize(self) -> None:
        self.wait()

    def is_completed(self) -> bool:
        self._outbox.look()
        done = time.monotonic() >= self._arrival and bool(self._work.is_completed())
        if done:
            self._deliver()
        return done

    def is_success(self) -> bool:
        return bool(self._work.is_success())

    def exception(self) -> Any:
        return self._work.exception()

    def source_rank(self) -> int:
        return int(self._work._source_rank())

    _source_rank = source_rank

    def result(self) -> list[torch.Tensor]:
        self.wait()
        return list(_tensors(self._own))

    def get_future(self) -> Any:
        def delivered(future: Any) -> list[torch.Tensor]:
            future.value()  # raises what the call raised
            self._outbox.look()
            self._deliver()
            return list(_tensors(self._own))

        return self._work.get_future().then(delivered)


class FromAnyRank(Transfer):
    """A message under way from a rank that is known when it has come."""

    def _told_at_end(self) -> dict[str, object]:
        return {"peer": self.source_rank()}


class WatchedGroup(dist.ProcessGroup):
    """A group whose calls are told to the first process. Subgroups of it are watched as well."""

    log: Log
    wire: Wire
    outbox: Outbox

    def __init__(self, store: Any, rank: int, size: int, timeout: timedelta):
        super().__init__(rank, size)
        device = chosen_device()
        on_gpu = device.type == Device.CUDA
        with_nccl = on_gpu and dist.is_nccl_available() and size <= torch.cuda.device_count()
        kind = dist.ProcessGroup.BackendType.NCCL if with_nccl else dist.ProcessGroup.BackendType.GLOO
        self._backend = (
            _nccl(store, rank, size, timeout) if with_nccl else dist.ProcessGroupGloo(store, rank, size, timeout)
        )
        self._name = "nccl" if with_nccl else "gloo"
        self._through_host = on_gpu and not with_nccl
        self.options = self._backend.options
        # What no method below intercepts goes straight to the backend.
        self._inner = dist.ProcessGroup(store, rank, size)
        for group in (self._inner, self):
            group._set_default_backend(kind)
            group._register_backend(torch.device("cuda" if with_nccl else "cpu"), kind, self._backend)
        # A message that nobody waits for may be lost with its handle, or not. Here it never is: it is told of instead.
        self._messages: list[Transfer] = []

    def getBackendName(self) -> str:  # noqa: N802 - torch's name
        return self._name

    def _set_sequence_number_for_group(self) -> None:
        self._backend._set_sequence_number_for_group()

    def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name, writes, reads = CALLS[method]
        self.outbox.look()
        given = list(_tensors(args[reads] if reads is not None and len(args) > reads else ()))
        taken = args[writes] if writes is not None and len(args) > writes else None
        shown = list(_tensors(taken)) if name == "scatter" or not given else given
        root = _root(name, args, kwargs)
        size = sum(tensor.numel() * tensor.element_size() for tensor in given)
        number = self.log.enter(
            group="" if self is dist.group.WORLD else self.group_name,
            name=name,
            numel=sum(tensor.numel() for tensor in shown),
            dtype=str(shown[0].dtype).removeprefix("torch.") if shown else "",
            root=root,
            peer=_peer(name, args),
            tag=args[-1] if name in BETWEEN_TWO else None,
            bytes=_handed_over(name, size, root, self.rank(), self.size()),
        )
        if name == "send":
            self.outbox.add(number, given)
        arrival = 0.0 if name == "recv" else self.wire.arrival(size)
        copies = _copies(taken, self._through_host) if taken is not None else ()
        if taken is not None:
            args = tuple(copies if place == writes else value for place, value in enumerate(args))
        if self._through_host and reads != writes:
            args = tuple(_copies(value, True) if place == reads else value for place, value in enumerate(args))
        target = self._inner if hasattr(self._inner, method) else self._backend
        work = getattr(target, method)(*args, **kwargs)
        if work is None:  # monitored_barrier waits itself
            self.log.leave(number)
            return None
        kind = FromAnyRank if method == "recv_anysource" else Transfer
        transfer = kind(work, taken, copies, self.log, self.outbox, number, arrival)
        if name in BETWEEN_TWO:
            self._messages.append(transfer)
        return transfer


def _nccl(store: Any, rank: int, size: int, timeout: timedelta) -> Any:
    options = dist.ProcessGroupNCCL.Options()
    options._timeout = timeout
    return dist.ProcessGroupNCCL(store, rank, size, options)


def join(log: Log, folder: str, rank: int, world_size: int, network: Network) -> None:
    """Make this process a rank of the default process group, and tell ``log`` of all its calls.

    ``folder`` is where the ranks find each other.
    """
    WatchedGroup.log, WatchedGroup.wire, WatchedGroup.outbox = log, Wire(network), Outbox(log)
    distributed_c10d.ProcessGroupGloo = WatchedGroup  # so that backend "gloo" is it, for subgroups too
    store = dist.FileStore(f"{folder}/store", world_size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size, timeout=timedelta(seconds=300))


def _watched(method: str) -> Callable[..., Any]:
    def call(self: WatchedGroup, *args: Any, **kwargs: Any) -> Any:
        return self._call(method, args, kwargs)

    return call


for _method in CALLS:
    if hasattr(dist.ProcessGroup, _method) or hasattr(dist.ProcessGroupGloo, _method):
        setattr(WatchedGroup, _method, _watched(_method))
