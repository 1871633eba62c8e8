"""Gradients: that of a batch is the mean of its shards' gradients.

A linear model and one batch, in double precision. Its gradient is computed three times: from the whole batch, from two
shards of the same size, and from two shards of different sizes, whose gradients are then averaged.
"""

from dataclasses import dataclass
from typing import Any

from rich.text import Text

from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, heading

FEATURES = 3
_NAME = 26

AFTER = """
The loss of a batch is a mean over its items, and a gradient is linear: so the mean of the shards' gradients is the gradient of
the batch, as long as all shards have the same size. That is all that data parallel training needs: each rank computes on its shard,
and one all-reduce averages the gradients.

With shards of different sizes the plain mean gives the few items of the smaller one too much weight. Weighed by its share of
the items, each item counts the same again. What is left is rounding.
"""


@dataclass(frozen=True)
class Shard:
    """Some of the items, and the gradient of their mean loss."""

    items: int
    gradient: tuple[float, ...]


@dataclass(frozen=True)
class Gradients:
    """The gradient of the batch, and those of its shards."""

    batch: Shard
    equal: tuple[Shard, ...]
    unequal: tuple[Shard, ...]


def plain_mean(shards: tuple[Shard, ...]) -> tuple[float, ...]:
    """Every shard counts the same."""
    return tuple(sum(column) / len(shards) for column in zip(*(shard.gradient for shard in shards), strict=True))


def weighted_mean(shards: tuple[Shard, ...]) -> tuple[float, ...]:
    """Every item counts the same."""
    total = sum(shard.items for shard in shards)
    weighed = ([shard.items / total * value for value in shard.gradient] for shard in shards)
    return tuple(map(sum, zip(*weighed, strict=True)))


def difference(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The largest difference of two numbers at the same place."""
    return max(abs(one - other) for one, other in zip(first, second, strict=True))


def measure(size: int) -> Gradients:
    """Gradients of a batch of twice `size` items."""
    import torch

    generator = torch.Generator().manual_seed(0)
    inputs, targets, weights = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((2 * size, FEATURES), (2 * size,), (FEATURES,))
    )

    def shard(first: int, last: int) -> Shard:
        parameters: Any = weights.clone().requires_grad_()
        loss = torch.nn.functional.mse_loss(inputs[first:last] @ parameters, targets[first:last])
        loss.backward()
        return Shard(last - first, tuple(parameters.grad.tolist()))

    last = 2 * size
    return Gradients(shard(0, last), (shard(0, size), shard(size, last)), (shard(0, last - 1), shard(last - 1, last)))


def draw(seen: Gradients) -> Drawing:
    """A table: the batch, the shards, their means, and how far these are from the batch."""
    gradient = seen.batch.gradient
    lines = [heading(f"{'gradient of the mean loss':<{_NAME}}{'':>{9 * FEATURES}}   away from the batch's")]
    lines.append(_line(f"the batch: {seen.batch.items} items", gradient))
    for what, shards in (("equal", seen.equal), ("unequal", seen.unequal)):
        lines.append(Text())
        for index, shard in enumerate(shards):
            lines.append(_line(f"shard {index}: {shard.items} item{'s' if shard.items > 1 else ''}", shard.gradient))
        lines.append(_line(f"mean of {what} shards", plain_mean(shards), gradient))
        if what == "unequal":
            lines.append(_line("mean weighed by items", weighted_mean(shards), gradient))
    return Drawing.of(lines)


def _line(name: str, values: tuple[float, ...], wanted: tuple[float, ...] | None = None) -> Text:
    line = Text(f"{name:<{_NAME}}" + "".join(f"{value:>9.4f}" for value in values))
    if wanted is None:
        return line
    away = difference(values, wanted)
    line.append(f"   {away:.1e}", style="green" if away < 1e-12 else "red")
    return line


DEMO = Demo(
    name="gradients",
    exercise="ddp",
    text=__doc__,
    after=AFTER,
    size=Size("items in each of two equal shards", default=4, least=2, most=10_000),
    measure=measure,
    draw=draw,
)
