"""What runs beside a submission of exercise 10, inside the sandbox: models cut into stages, and what each rank does."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.measure.ranks import Log, run_ranks

STUDENT = "pipeline"


# -- Models, cut into stages -----------------------------------------------------------------------------


class Words(nn.Module):
    """Rows of word numbers become rows of vectors, of shape (items, words, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 4)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.table(words)


class Mixed(nn.Module):
    """Mixes the last two dimensions in turn: what comes out is the transpose of a tensor in memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs + self.layer(inputs).tanh()).transpose(1, 2)


class Summed(nn.Module):
    """The mean over the words, and a last layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs.mean(1))


def _layer(n_inputs: int, n_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_inputs, n_outputs), nn.Tanh())


def _mlp(world_size: int) -> list[nn.Module]:
    widths = [6, 9, 4, 7, 5][:world_size]
    ends = [*widths[1:], 3]
    stages = [_layer(*pair) for pair in zip(widths, ends, strict=True)]
    stages[-1] = nn.Linear(widths[-1], 3)
    return stages


def _frozen(world_size: int) -> list[nn.Module]:
    stages = [nn.Sequential(_layer(6, 8), _layer(8, 6)) for _ in range(world_size - 1)]
    for stage in stages:
        stage[1].requires_grad_(False)
    return [*stages, nn.Linear(6, 3)]


def _words(world_size: int) -> list[nn.Module]:
    widths = [4, 5, 4, 5][: world_size - 1]
    return [Words(), *(Mixed(width) for width in widths[:-1]), Summed(widths[-1])]


MODELS: dict[str, Callable[[int], list[nn.Module]]] = {"mlp": _mlp, "frozen": _frozen, "words": _words}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.05),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.02),
}
LOSSES: dict[str, Callable[[], nn.Module]] = {"mse": nn.MSELoss, "cross entropy": nn.CrossEntropyLoss}


class _Backward(torch.autograd.Function):
    """Nothing forward; backward it is where the work of a stage's backward begins."""

    @staticmethod
    def forward(ctx: Any, outputs: torch.Tensor, log: Log, seconds: float, items: int) -> torch.Tensor:
        ctx.work = (log, seconds, items)
        return outputs.view_as(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        log, seconds, items = ctx.work
        with log.work("backward", seconds * items, items):
            return gradients[0], None, None, None


class Stage(nn.Module):
    """A stage whose forward and backward take a known time for each item, and tell of it."""

    def __init__(self, module: nn.Module, log: Log, forward: float, backward: float) -> None:
        super().__init__()
        self.module = module
        self._log, self._seconds = log, (forward, backward)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        forward, backward = self._seconds
        items = len(inputs)
        with self._log.work("forward", forward * items, items):
            outputs = self.module(inputs)
        return _Backward.apply(outputs, self._log, backward, items)


class Case:
    """A small training run, made anew from plain data wherever it is needed.

    `forward` and `backward` are what an item costs in each stage, in milliseconds. `late`: this rank comes late.
    """

    def __init__(
        self,
        world_size: int,
        n_items: int,
        n_micro: int,
        model: str = "mlp",
        optimizer: str = "sgd",
        loss: str = "mse",
        dtype: str = "float32",
        steps: int = 1,
        seed: int = 1,
        forward: Sequence[float] = (),
        backward: Sequence[float] = (),
        late: int | None = None,
        stale: bool = False,
    ):
        self.world_size, self.n_items, self.n_micro, self.steps = world_size, n_items, n_micro, steps
        self.kind, self.optimizer_kind, self.loss_kind = model, optimizer, loss
        self.dtype, self.seed, self.late, self.stale = getattr(torch, dtype), seed, late, stale
        self.forward, self.backward = list(forward) or [0.0] * world_size, list(backward) or [0.0] * world_size

    def stages(self) -> list[nn.Module]:
        torch.manual_seed(self.seed)
        return [stage.to(self.dtype) for stage in MODELS[self.kind](self.world_size)]

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        return OPTIMIZERS[self.optimizer_kind](module.parameters())

    def loss(self) -> nn.Module:
        return LOSSES[self.loss_kind]()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a step. They rise from item to item: no two micro-batches are alike."""
        rng = np.random.default_rng([self.seed, step])
        rise = np.linspace(0, 2, self.n_items)[:, None]
        if self.kind == "words":
            inputs = torch.from_numpy(rng.integers(20, size=(self.n_items, 5)))
        else:
            inputs = torch.from_numpy(rng.normal(size=(self.n_items, 6)) + rise - 1).to(self.dtype)
        if self.loss_kind == "cross entropy":
            return inputs, torch.from_numpy(rng.integers(3, size=self.n_items))
        return inputs, torch.from_numpy(rng.normal(size=(self.n_items, 3)) + rise + 1).to(self.dtype)


def _arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy().copy() for name, parameter in module.named_parameters()}


def _make_stale(module: nn.Module) -> None:
    """Gradients that somebody has left behind."""
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)


# -- What the checks call --------------------------------------------------------------------------------


def train(case: dict[str, Any]) -> dict[str, Any]:
    """Let `train_step` do the steps of a case. A rank's value: `parameters` after each step, `losses`, `seconds`."""
    rest = {key: value for key, value in case.items() if key != "world_size"}
    return run_ranks(STUDENT, _train, case["world_size"], rest)


def _train(student: Any, log: Log, rank: int, world_size: int, **case: Any) -> dict[str, Any]:
    run = Case(world_size, **case)
    mine, loss_fn = run.stages()[rank], run.loss()
    stage = Stage(mine, log, run.forward[rank] / 1000, run.backward[rank] / 1000)
    optimizer = run.optimizer(stage)
    parameters, losses, seconds = [], [], []
    for step in range(run.steps):
        inputs, targets = run.batch(step)
        if run.stale:
            _make_stale(mine)
        log.stage(f"train_step, step {step + 1}")
        if rank == run.late:
            time.sleep(0.05)
        start = time.monotonic()
        loss = student.train_step(
            stage,
            optimizer,
            loss_fn,
            inputs if rank == 0 else None,
            targets if rank == world_size - 1 else None,
            run.n_micro,
        )
        seconds.append(time.monotonic() - start)
        log.stage(f"after step {step + 1}")
        losses.append(float(loss) if isinstance(loss, float) else type(loss).__name__)
        parameters.append(_arrays(mine))
    return {"parameters": parameters, "losses": losses, "seconds": seconds}


def one_process(case: dict[str, Any]) -> dict[str, Any]:
    """The same steps in one process on the whole batch: `parameters[step][rank]`, and `losses`."""
    return _alone(Case(**case), "right")


def passed_on(case: dict[str, Any]) -> list[int]:
    """How many bytes of activations, and as many of gradients, each stage but the last shares with the next one in a step."""
    run = Case(**case)
    outputs, sizes = run.batch(0)[0], []
    for stage in run.stages()[:-1]:
        outputs = stage(outputs).detach()
        sizes.append(outputs.numel() * outputs.element_size())
    return sizes


#: Mistakes that leave a signature in the parameters, and how to say so.
MISTAKES = {
    "sum": "the means of all micro-batches added up, where one process has one mean over the batch",
    "plain": "every micro-batch counting the same, however many items it has",
    "last": "the gradients of the last micro-batch alone",
    "first": "the gradients of the first micro-batch alone",
    "short": "the items beyond equal micro-batches left out",
    "stale": "gradients from before the call that were still there",
    "steps": "a step of the optimizer after each micro-batch, where one step has the gradients of all",
    "nothing": "no step at all",
}


def looks_like(case: dict[str, Any], seen: list[list[dict[str, np.ndarray]]]) -> str:
    """Which known mistake would give these parameters (`seen[step][rank]`), in words; empty when none would."""
    run = Case(**case)
    for mistake, words in MISTAKES.items():
        if _alike(_alone(run, mistake)["parameters"], seen):
            return words
    return ""


def _alike(made: list[list[dict[str, np.ndarray]]], seen: list[list[dict[str, np.ndarray]]]) -> bool:
    return all(
        value.shape == np.shape(theirs.get(name)) and np.allclose(value, theirs[name], rtol=0, atol=1e-5)
        for ours, there in zip(made, seen, strict=True)
        for stage, theirs in zip(ours, there, strict=True)
        for name, value in stage.items()
    )


def _alone(run: Case, how: str) -> dict[str, Any]:
    stages, loss_fn = run.stages(), run.loss()
    model = nn.Sequential(*stages)
    optimizers = [run.optimizer(stage) for stage in stages]
    parameters, losses = [], []
    for step in range(run.steps):
        inputs, targets = run.batch(step)
        if run.stale:
            _make_stale(model)
        if how != "stale":
            for optimizer in optimizers:
                optimizer.zero_grad()
        losses.append(_backward(run, how, model, loss_fn, inputs, targets, optimizers))
        if how not in ("steps", "nothing"):
            for optimizer in optimizers:
                optimizer.step()
        parameters.append([_arrays(stage) for stage in stages])
    return {"parameters": parameters, "losses": losses}


def _backward(
    run: Case,
    how: str,
    model: nn.Module,
    loss_fn: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    optimizers: list[torch.optim.Optimizer],
) -> float:
    """Gradients of the mean loss over the batch; with a mistake, those that it makes of the micro-batches."""
    if how in ("right", "stale", "nothing"):
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        return loss.item()
    if how == "short":
        kept = run.n_items // run.n_micro * run.n_micro
        inputs, targets = inputs[:kept], targets[:kept]
    pairs = list(zip(inputs.tensor_split(run.n_micro), targets.tensor_split(run.n_micro), strict=True))
    chosen = {"last": pairs[-1:], "first": pairs[:1]}.get(how, pairs)
    for micro_inputs, micro_targets in chosen:
        share = 1.0 if how in ("sum", "last", "first", "steps") else 1 / len(pairs)
        (loss_fn(model(micro_inputs), micro_targets) * share).backward()
        if how == "steps":
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    return 0.0
