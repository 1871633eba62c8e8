"""What runs beside a submission of exercise 11, inside the sandbox: models, a slow network, and what each rank does."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.measure.devices import chosen_device
from autograder.measure.ranks import Log, Network, run_ranks

STUDENT = "overlap"
DEVICE = chosen_device()


# -- Small models, for what is right ---------------------------------------------------------------------


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
    """Two layers that share a weight, a frozen one, and a scalar parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fixed = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.fixed.requires_grad_(False)
        self.head = nn.Linear(6, 3)
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.fixed(self.second(self.first(inputs).tanh()).tanh())) * self.scale


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)),
    "tied": Tied,
    "experts": Experts,
    "an idle one": lambda: Experts(never=True),
}


class Case:
    """A small training run, made anew from plain data wherever it is needed.

    Every rank has `n_items` items in each of `parts` micro-steps. `expert[step][rank]` says whether that rank's rows use
    the model's `sometimes`. `late`: this rank comes late to every step. `broken`: an exception leaves a `no_sync` first.
    """

    def __init__(
        self,
        world_size: int,
        model: str = "mlp",
        n_items: int = 4,
        steps: int = 1,
        parts: int = 1,
        seed: int = 1,
        expert: list[list[bool]] | None = None,
        late: int | None = None,
        broken: bool = False,
    ):
        self.world_size, self.kind, self.n_items, self.steps, self.parts = world_size, model, n_items, steps, parts
        self.seed, self.expert, self.late, self.broken = seed, expert, late, broken

    def module(self) -> nn.Module:
        torch.manual_seed(self.seed)
        return MODELS[self.kind]().to(DEVICE)

    def batch(self, step: int, rank: int, part: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A rank's items of a micro-step. They rise from rank to rank: no two are alike."""
        rng = np.random.default_rng([self.seed, step, rank, part])
        inputs = rng.normal(size=(self.n_items, 6)) + rank + part / 2 - 1
        targets = rng.normal(size=(self.n_items, 3)) + 2 * rank + part
        if self.expert:
            inputs[:, 0] = 1.0 if self.expert[step][rank] else -1.0
        return torch.from_numpy(inputs).float().to(DEVICE), torch.from_numpy(targets).float().to(DEVICE)


def _optimizer(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([parameter for parameter in module.parameters() if parameter.requires_grad], lr=0.05)


def _parameters(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().cpu().numpy().copy() for name, parameter in module.named_parameters()}


def _gradients(module: nn.Module) -> dict[str, np.ndarray]:
    """Gradients of what is trained, zeros where there is none; of what is frozen, only if there is one."""
    return {
        name: np.zeros(parameter.shape, np.float32) if parameter.grad is None else parameter.grad.cpu().numpy().copy()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad or parameter.grad is not None
    }


# -- A large model of known cost, for what is quick ------------------------------------------------------


class _Layer(torch.autograd.Function):
    """Work of known length forward and backward. The gradient of each of the layer's pieces is `slope` everywhere."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, layer: "Layer", *pieces: torch.Tensor) -> torch.Tensor:
        ctx.layer, ctx.shapes = layer, [piece.shape for piece in pieces]
        with layer.log.work("forward", layer.seconds[0], layer.number):
            return inputs + 0.0

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        layer = ctx.layer
        with layer.log.work("backward", layer.seconds[1], layer.number):
            found = [torch.full(shape, layer.slope, device=DEVICE) for shape in ctx.shapes]
        return gradients[0], None, *found


class Layer(nn.Module):
    """A layer of several parameters."""

    def __init__(self, log: Log, number: int, seconds: tuple[float, float], pieces: int, numel: int, slope: float):
        super().__init__()
        self.log, self.number, self.seconds, self.slope = log, number, seconds, slope
        self.pieces = nn.ParameterList(torch.zeros(numel, device=DEVICE) for _ in range(pieces))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return _Layer.apply(inputs, self, *self.pieces)


class Deep(nn.Module):
    """Layers one after another, in the order in which they lie, or in another."""

    def __init__(self, layers: list[Layer], order: list[int]) -> None:
        super().__init__()
        self.layers, self.order = nn.ModuleList(layers), order

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        for number in self.order:
            inputs = self.layers[number](inputs)
        return inputs


# -- What the checks call --------------------------------------------------------------------------------


def train(case: dict[str, Any]) -> dict[str, Any]:
    """Let every rank train. A rank's value: `gradients` after `finish` and `parameters` after the step, for each step."""
    rest = {key: value for key, value in case.items() if key != "world_size"}
    return run_ranks(STUDENT, _train, case["world_size"], rest)


def _train(student: Any, log: Log, rank: int, world_size: int, **case: Any) -> dict[str, Any]:
    run = Case(world_size, **case)
    module, loss_fn = run.module(), nn.MSELoss()
    log.stage("Overlapped(module)")
    model = student.Overlapped(module)
    optimizer = _optimizer(module)
    gradients, parameters = [], []
    for step in range(run.steps):
        optimizer.zero_grad()
        if run.broken:
            log.stage("no_sync, left by an exception")
            with contextlib.suppress(ArithmeticError), model.no_sync():
                raise ArithmeticError
        for part in range(run.parts):
            inputs, targets = run.batch(step, rank, part)
            alone = part < run.parts - 1
            log.stage(f"no_sync, micro-step {part + 1} of step {step + 1}" if alone else f"step {step + 1}")
            if rank == run.late:
                time.sleep(0.05)
            with model.no_sync() if alone else contextlib.nullcontext():
                (loss_fn(model(inputs), targets) / run.parts).backward()
        model.finish()
        log.stage(f"after step {step + 1}")
        gradients.append(_gradients(module))
        optimizer.step()
        parameters.append(_parameters(module))
    return {"gradients": gradients, "parameters": parameters, "is a module": isinstance(model, nn.Module)}


def one_process(case: dict[str, Any]) -> dict[str, Any]:
    """The same in one process with the items of all ranks, and each rank's own gradients: `own[step][rank]`."""
    run = Case(**case)
    module, loss_fn = run.module(), nn.MSELoss()
    optimizer = _optimizer(module)
    gradients, parameters, own, last = [], [], [], []
    for step in range(run.steps):
        batches = [[run.batch(step, rank, part) for part in range(run.parts)] for rank in range(run.world_size)]

        def gradients_of(chosen: list[tuple[torch.Tensor, torch.Tensor]], share: float = 1.0) -> dict[str, np.ndarray]:
            optimizer.zero_grad()
            inputs, targets = (torch.cat(parts) for parts in zip(*chosen, strict=True))
            (loss_fn(module(inputs), targets) * share).backward()
            return _gradients(module)

        own.append([gradients_of(mine) for mine in batches])
        last.append(gradients_of([mine[-1] for mine in batches], 1 / run.parts))
        gradients.append(gradients_of([part for mine in batches for part in mine]))
        optimizer.step()
        parameters.append(_parameters(module))
    return {"gradients": gradients, "parameters": parameters, "own": own, "last": last}


def run_deep(case: dict[str, Any]) -> dict[str, Any]:
    """Let every rank do two steps with a large model of known cost, on a network of known speed.

    The case: `world_size`, `layers`, `pieces` (parameters of a layer), `numel` (of a piece), `forward` and `backward`
    (milliseconds for a layer), `per_message` (milliseconds), `per_mib` (milliseconds), `shuffled` (whether ranks use the
    layers in different orders). A rank's value: the smallest and largest gradient of each layer after each step, and the
    seconds of each step.
    """
    network = Network(case["per_message"] / 1000, case["per_mib"] / 1000 / 2**20)
    rest = {key: value for key, value in case.items() if key not in ("world_size", "per_message", "per_mib")}
    return run_ranks(STUDENT, _run_deep, case["world_size"], rest, network)


def slope(layer: int, rank: int) -> float:
    """The gradient of a layer's parameters on a rank in the first step; in step k it is k times as large."""
    return float((layer + 1) * (rank + 1))


def _run_deep(
    student: Any,
    log: Log,
    rank: int,
    _world_size: int,
    layers: int,
    pieces: int,
    numel: int,
    forward: float,
    backward: float,
    shuffled: bool,
) -> dict[str, Any]:
    seconds = (forward / 1000, backward / 1000)
    made = [Layer(log, number, seconds, pieces, numel, slope(number, rank)) for number in range(layers)]
    order = list(range(layers))
    if shuffled and rank % 2:
        order.reverse()
    module = Deep(made, order)
    log.stage("Overlapped(module)")
    model = student.Overlapped(module)
    found, took = [], []
    for step in (1, 2):  # the first may set something up
        module.zero_grad()
        inputs = torch.ones(1, 1, requires_grad=True, device=DEVICE)
        for layer in made:
            layer.slope = step * slope(layer.number, rank)
        log.stage(f"step {step}")
        start = time.monotonic()
        model(inputs).sum().backward()
        model.finish()
        took.append(time.monotonic() - start)
        log.stage(f"after step {step}")
        found.append([_ends(layer) for layer in made])
    return {"gradients": found, "seconds": took}


def _ends(layer: Layer) -> list[float]:
    """The smallest and the largest gradient in a layer; infinite where one is missing."""
    gradients = [piece.grad for piece in layer.pieces]
    if any(gradient is None for gradient in gradients):
        return [-np.inf, np.inf]
    return [min(one.min().item() for one in gradients), max(one.max().item() for one in gradients)]
