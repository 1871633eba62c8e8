"""What runs beside a submission of exercise 08, inside the sandbox: models, data, and training runs on several ranks."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.measure.devices import chosen_device
from autograder.measure.ranks import Log, run_ranks

STUDENT = "ddp"
DEVICE = chosen_device()

torch.set_num_threads(1)  # at once: ranks forked after an operation with more threads would hang


# -- Models and data, the same in every process ----------------------------------------------------------


class Experts(nn.Module):
    """Rows whose first feature is positive also go through `sometimes`; no row goes through `never`, if it is there."""

    def __init__(self, never: bool = False) -> None:
        super().__init__()
        self.always = nn.Linear(5, 3)
        self.sometimes = nn.Linear(5, 3)
        if never:
            self.never = nn.Linear(5, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = inputs[:, 0] > 0
        outputs = self.always(inputs[:, 1:])
        if rows.any():
            outputs = outputs.index_add(0, rows.nonzero()[:, 0], self.sometimes(inputs[rows, 1:]).tanh())
        return outputs


class Tied(nn.Module):
    """Two layers that share a weight, and a scalar parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.head = nn.Linear(6, 3)
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(inputs).tanh()).tanh()) * self.scale


class Pieces(nn.Module):
    """One square matrix, cut into `pieces` parameters."""

    def __init__(self, pieces: int, width: int = 128) -> None:
        super().__init__()
        self.pieces = nn.ParameterList(torch.randn(width // pieces, width) / width for _ in range(pieces))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ torch.cat(list(self.pieces)).T


class Remembering(nn.Module):
    """Parameters and buffers of every sort, all of them drawn from `seed`."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.fixed = nn.Parameter(torch.zeros(5), requires_grad=False)
        self.register_buffer("mean", torch.zeros(3, 2, dtype=torch.float64))
        self.register_buffer("scratch", torch.zeros(4), persistent=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("table", torch.zeros(6, dtype=torch.int32), persistent=False)
        self.register_buffer("mask", torch.zeros(40, dtype=torch.bool))
        self.register_buffer("nothing", None)
        drawn = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for value in [*self.parameters(), *self.buffers()]:
                if value.is_floating_point():
                    value.normal_(generator=drawn)
                else:
                    value.random_(generator=drawn)  # the whole range of its type


def _mlp(frozen: bool = False) -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))
    if frozen:
        model[0].requires_grad_(False)
        model[2].bias.requires_grad_(False)
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": _mlp,
    "frozen": lambda: _mlp(frozen=True),
    "experts": Experts,
    "experts and an idle one": lambda: Experts(never=True),
    "tied": Tied,
    "4 pieces": lambda: Pieces(4),
    "64 pieces": lambda: Pieces(64),
}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.05),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.02),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.02, weight_decay=0.1),
}
LOSSES: dict[str, Callable[[], nn.Module]] = {"mse": nn.MSELoss, "cross entropy": nn.CrossEntropyLoss}


class Case:
    """A small training run, made anew from plain data wherever it is needed.

    `sizes` are the ranks' shares of every batch. `expert[step][rank]` says whether that rank's rows use the
    model's `sometimes`. `late`: this rank comes late to every step. `fixed`: every step has the same batch.
    """

    def __init__(
        self,
        model: str = "mlp",
        optimizer: str = "sgd",
        loss: str = "mse",
        dtype: str = "float32",
        sizes: tuple[int, ...] | list[int] = (4, 4),
        steps: int = 1,
        seed: int = 1,
        expert: list[list[bool]] | None = None,
        late: int | None = None,
        fixed: bool = False,
    ):
        self.kind, self.optimizer_kind, self.loss_kind = model, optimizer, loss
        self.dtype = getattr(torch, dtype)
        self.sizes, self.steps, self.seed, self.expert = list(sizes), steps, seed, expert
        self.late, self.fixed = late, fixed

    def model(self, seed: int | None = None) -> nn.Module:
        torch.manual_seed(self.seed if seed is None else seed)
        return MODELS[self.kind]().to(DEVICE, self.dtype)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return OPTIMIZERS[self.optimizer_kind](model.parameters())

    def loss(self) -> nn.Module:
        return LOSSES[self.loss_kind]()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a step for all ranks. They rise from row to row: no two shards are alike."""
        rng = np.random.default_rng([self.seed, 0 if self.fixed else step])
        rows = sum(self.sizes)
        n_inputs, n_outputs = (128, 128) if "pieces" in self.kind else (6, 3)
        rise = np.linspace(0, 2, rows)[:, None]
        inputs = rng.normal(size=(rows, n_inputs)) + rise - 1
        if self.expert:
            inputs[:, 0] = np.where(np.repeat(self.expert[step], self.sizes), 1.0, -1.0)
        if self.loss_kind == "cross entropy":
            targets = torch.from_numpy(rng.integers(n_outputs, size=rows)).to(DEVICE)
        else:
            targets = torch.from_numpy(rng.normal(size=(rows, n_outputs)) + rise + 1).to(DEVICE, self.dtype)
        return torch.from_numpy(inputs).to(DEVICE, self.dtype), targets

    def shard(self, step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A rank's part of a batch, in memory of its own."""
        inputs, targets = self.batch(step)
        start = sum(self.sizes[:rank])
        end = start + self.sizes[rank]
        return inputs[start:end].clone(), targets[start:end].clone()


def _arrays(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().cpu().numpy().copy() for name, parameter in model.named_parameters()}


def _as_number(value: object) -> float | str:
    """What `train_step` returned, if it is a float; else the name of its type."""
    return float(value) if isinstance(value, float) else type(value).__name__


# -- What the checks call --------------------------------------------------------------------------------


def train(case: dict[str, Any]) -> dict[str, Any]:
    """Let `train_step` do the steps of a case. A rank's value: `parameters` after each step, and `losses`."""
    return run_ranks(STUDENT, _train, len(Case(**case).sizes), case)


def _train(student: Any, log: Log, rank: int, _world_size: int, **case: Any) -> dict[str, Any]:
    run = Case(**case)
    model, loss_fn = run.model(), run.loss()
    optimizer = run.optimizer(model)
    parameters, losses = [], []
    for step in range(run.steps):
        inputs, targets = run.shard(step, rank)
        log.stage(f"train_step, step {step + 1}")
        if rank == run.late:
            time.sleep(0.05)
        losses.append(_as_number(student.train_step(model, optimizer, loss_fn, inputs, targets)))
        parameters.append(_arrays(model))
    return {"parameters": parameters, "losses": losses}


def one_process(case: dict[str, Any]) -> dict[str, Any]:
    """The same steps in one process on the whole batch, without any code of the student."""
    run = Case(**case)
    model, loss_fn = run.model(), run.loss()
    optimizer = run.optimizer(model)
    parameters, losses, shard_losses = [], [], []
    for step in range(run.steps):
        inputs, targets = run.batch(step)
        with torch.no_grad():
            shards = [run.shard(step, rank) for rank in range(len(run.sizes))]
            shard_losses.append([loss_fn(model(inputs), targets).item() for inputs, targets in shards])
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        parameters.append(_arrays(model))
    return {"parameters": parameters, "losses": losses, "shard_losses": shard_losses}


#: Mistakes that leave a signature in the parameters, and how to say so.
MISTAKES = {
    "none": "every rank stepping with its own gradients alone, as if there were no others",
    "sum": "gradients added up over the ranks, where one process has the mean over the batch",
    "plain": "every rank counting the same, however many items its shard has",
    "shrunk": "gradients divided once too often",
    "stale": "gradients of earlier steps that are still there when the next backward adds to them",
    "late": "every rank stepping on its own and only the parameters being averaged afterwards",
}


def looks_like(case: dict[str, Any], seen: list[dict[str, np.ndarray]]) -> str:
    """Which known mistake would give rank 0 these parameters after each step, in words; empty when none would."""
    for mistake, words in MISTAKES.items():
        if any(_alike(_make(Case(**case), mistake, plain), seen) for plain in (False, True)):
            return words
    return ""


def _alike(made: list[dict[str, np.ndarray]], seen: list[dict[str, np.ndarray]]) -> bool:
    """Whether two training runs went through the same parameters."""
    return all(
        value.shape == there.get(name, np.empty(0)).shape and np.allclose(value, there[name], rtol=0, atol=1e-5)
        for here, there in zip(made, seen, strict=True)
        for name, value in here.items()
    )


def _make(run: Case, mistake: str, plain: bool) -> list[dict[str, np.ndarray]]:
    """Parameters of rank 0 after each step when a mistake is made; `plain`: shards weigh the same besides."""
    world_size = len(run.sizes)
    models = [run.model() for _ in run.sizes]
    optimizers = [run.optimizer(model) for model in models]
    loss_fn, history = run.loss(), []
    shares = [1 / world_size if plain or mistake == "plain" else size / sum(run.sizes) for size in run.sizes]
    if mistake in ("sum", "shrunk"):
        shares = [1.0 if mistake == "sum" else share / world_size for share in shares]
    for step in range(run.steps):
        for rank, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            if mistake != "stale":
                optimizer.zero_grad()
            inputs, targets = run.shard(step, rank)
            loss_fn(model(inputs), targets).backward()
        if mistake not in ("none", "late"):
            _average(models, shares, "grad")
        for optimizer in optimizers:
            optimizer.step()
        if mistake == "late":
            _average(models, shares, "data")
        history.append(_arrays(models[0]))
    return history


def _average(models: list[nn.Module], shares: list[float], what: str) -> None:
    for parameters in zip(*(model.parameters() for model in models), strict=True):
        values = [getattr(parameter, what) for parameter in parameters]
        if any(value is not None for value in values):
            present = [(share, value) for share, value in zip(shares, values, strict=True) if value is not None]
            mean = sum(share * value for share, value in present)
            for parameter in parameters:
                setattr(parameter, what, mean.clone())


def broadcast(world_size: int, seed: int) -> dict[str, Any]:
    """Let every rank make a model and call `broadcast_parameters`. A rank's value: what it holds then."""
    return run_ranks(STUDENT, _broadcast, world_size, {"seed": seed})


def _broadcast(student: Any, log: Log, rank: int, _world_size: int, seed: int) -> dict[str, Any]:
    model = Remembering(seed + rank).to(DEVICE)
    log.stage("broadcast_parameters")
    student.broadcast_parameters(model)
    return _held(model)


def _held(model: nn.Module) -> dict[str, Any]:
    entries = [*model.named_parameters(), *model.named_buffers()]
    return {
        "values": {name: value.detach().cpu().numpy().copy() for name, value in entries},
        "frozen": sorted(name for name, parameter in model.named_parameters() if not parameter.requires_grad),
    }


def made_by_rank_0(seed: int) -> dict[str, Any]:
    """What rank 0 holds before the broadcast."""
    return _held(Remembering(seed))


def deal(world_size: int, calls: list[tuple[int, int, int]]) -> dict[str, Any]:
    """Let every rank call `shard(n_items, rank, ...)` for each `(n_items, seed, epoch)`."""
    return run_ranks(STUDENT, _deal, world_size, {"calls": calls})


def _deal(student: Any, log: Log, rank: int, world_size: int, calls: list[tuple[int, int, int]]) -> list[Any]:
    log.stage("shard")
    return [_indices(student.shard(n_items, rank, world_size, seed, epoch)) for n_items, seed, epoch in calls]


def _indices(value: object) -> list[int] | str:
    """A list of whole numbers, or what was returned in its place."""
    if not isinstance(value, list):
        return type(value).__name__
    odd = [type(item).__name__ for item in value if not isinstance(item, int | np.integer) or item is True]
    return f"list with a {odd[0]} in it" if odd else [int(item) for item in value]


def epochs(world_size: int, case: dict[str, Any]) -> dict[str, Any]:
    """The whole of it: different models, broadcast, then a step per epoch on the rank's shard of the one batch.

    The case's `sizes` is the number of items alone, `steps` that of epochs. A rank's value is as in `train`.
    """
    return run_ranks(STUDENT, _epochs, world_size, case)


def _epochs(student: Any, log: Log, rank: int, world_size: int, **case: Any) -> dict[str, Any]:
    run = Case(**case)
    model, loss_fn = run.model(run.seed + rank), run.loss()
    log.stage("broadcast_parameters")
    student.broadcast_parameters(model)
    optimizer = run.optimizer(model)
    inputs, targets = run.batch(0)
    parameters, losses = [], []
    for epoch in range(run.steps):
        log.stage(f"shard, epoch {epoch}")
        mine = student.shard(len(inputs), rank, world_size, run.seed, epoch)
        log.stage(f"train_step, epoch {epoch}")
        losses.append(_as_number(student.train_step(model, optimizer, loss_fn, inputs[mine], targets[mine])))
        parameters.append(_arrays(model))
    return {"parameters": parameters, "losses": losses}
