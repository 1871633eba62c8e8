"""Checks of exercise 08, ddp: a step of distributed data parallel training."""

from typing import Any, TypedDict

import numpy as np
import pytest

from autograder.checks import assert_clean, expect_type, fail, fingerprint

#: How far a parameter may be from what one process gets.
ALLOWED = 1e-6
#: The loss is a sum of more rounding errors, relative to its own size.
LOSS_ALLOWED = 1e-5


class Trained(TypedDict):
    """What a rank tells of its training."""

    parameters: list[dict[str, Any]]
    losses: list[float | str]


class Held(TypedDict):
    """What a rank holds after `broadcast_parameters`."""

    values: dict[str, Any]
    frozen: list[str]


def finished(ran: dict[str, Any], kind: Any) -> Any:
    """What the ranks gave, a list of `kind`, once nothing went wrong in any of them."""
    if ran["trouble"]:
        fail(ran["trouble"])
    return expect_type(ran["values"], list[kind], "the ranks' own report")


def trained(ran: dict[str, Any], case: dict[str, Any]) -> list[Trained]:
    """What the ranks gave after all steps of a case."""
    values = finished(ran, Trained)
    steps = case.get("steps", 1)
    for value in values:
        arrays = [array for step in value["parameters"] for array in step.values()]
        whole = len(value["parameters"]) == len(value["losses"]) == steps
        assert whole and all(isinstance(array, np.ndarray) for array in arrays), "A rank's report is not its own."
    return values


def same_on_all_ranks(ran: dict[str, Any], values: list[Trained]) -> None:
    """After every step the ranks hold bitwise the same parameters."""
    for step, first in enumerate(values[0]["parameters"]):
        for rank, value in enumerate(values):
            other = value["parameters"][step]
            unlike = [name for name in first if fingerprint(first[name]) != fingerprint(other.get(name))]
            if unlike:
                fail(
                    f"After step {step + 1}, rank {rank} no longer holds the same parameters as rank 0.\n"
                    f"{_which(unlike, list(first), 'Different', 'The same')}"
                    f"{_apart(first[unlike[0]], other.get(unlike[0]), unlike[0], ('rank 0', f'rank {rank}'))}\n"
                    f"{_forgotten(ran)}What makes sure that all ranks step with the same gradients, to the last bit?"
                )


def as_one_process(driver: Any, case: dict[str, Any], ran: dict[str, Any], measured: dict[str, Any]) -> None:
    """The parameters are the same on all ranks, and those of one process that has the whole batch."""
    values = trained(ran, case)
    seen = values[0]["parameters"]
    largest = 0.0
    for step, wanted in enumerate(driver.one_process(case)["parameters"]):
        distances = {name: _distance(expected, seen[step].get(name)) for name, expected in wanted.items()}
        wrong = [name for name, distance in distances.items() if distance > ALLOWED]
        if wrong:
            words = driver.looks_like(case, seen)
            if not words:
                same_on_all_ranks(ran, values)
            sizes = f" (items on the ranks: {', '.join(map(str, case['sizes']))})" if len(case["sizes"]) > 1 else ""
            fail(
                f"After step {step + 1}{sizes} the parameters are not those of one process with the whole batch.\n"
                f"{_which(wrong, list(wanted), 'Wrong', 'Right')}"
                f"{_apart(wanted[wrong[0]], seen[step].get(wrong[0]), wrong[0], ('one process', 'rank 0'))}\n"
                f"{_forgotten(ran)}"
                + (f"It looks like {words}." if words else "What would one process have done with these parameters?")
            )
        largest = max(largest, *distances.values())
    measured["largest difference"] = max(measured.get("largest difference", 0.0), largest)
    same_on_all_ranks(ran, values)


def _distance(expected: Any, actual: Any) -> float:
    """The largest difference between two arrays; infinite where they cannot be compared."""
    if np.shape(expected) != np.shape(actual):
        return np.inf
    with np.errstate(invalid="ignore"):
        distance = np.abs(expected.astype(np.float64) - actual).max()
    return float(distance) if np.isfinite(distance) else np.inf


def _apart(expected: Any, actual: Any, name: str, who: tuple[str, str]) -> str:
    """Where two arrays differ most, in words."""
    if np.shape(expected) != np.shape(actual):
        return f"{name} has shape {np.shape(expected)} on {who[0]} and {np.shape(actual)} on {who[1]}."
    with np.errstate(invalid="ignore"):
        distance = np.nan_to_num(np.abs(expected.astype(np.float64) - actual), nan=np.inf)
    place = np.unravel_index(np.argmax(distance), distance.shape)
    where = f"{name}[{', '.join(map(str, place))}]" if place else name
    return f"{where} is {expected[place]:.9g} on {who[0]} and {actual[place]:.9g} on {who[1]}."


def _which(chosen: list[str], names: list[str], word: str, opposite: str) -> str:
    """Which parameters it concerns, where it does not concern them all."""
    rest = [name for name in names if name not in chosen]
    return f"{word}: {', '.join(chosen[:8])}. {opposite}: {', '.join(rest[:8])}.\n" if rest else ""


def _forgotten(ran: dict[str, Any]) -> str:
    """The collectives that a rank began and never waited for."""
    begun = next((calls for calls in ran["not waited for"] if calls), [])
    return f"Begun and never waited for: {', '.join(begun[:4])}.\n" if begun else ""


def dealt(ran: dict[str, Any], calls: list[tuple[int, int, int]]) -> list[list[list[int]]]:
    """For each call of `shard`, the ranks' indices."""
    values = finished(ran, list[list[int] | str])
    for value in values:
        assert len(value) == len(calls), "A rank's report is not its own."
        for (n_items, seed, epoch), mine in zip(calls, value, strict=True):
            if not isinstance(mine, list):
                fail(f"shard({n_items}, ..., {seed=}, {epoch=}) must give a list of int, not a {mine}.")
    return [[value[place] for value in values] for place in range(len(calls))]


def covers_once(call: tuple[int, int, int], shards: list[list[int]]) -> None:
    """All ranks together have every item exactly once, in shares of about the same size."""
    n_items, seed, epoch = call
    title = f"shard(n_items={n_items}, world_size={len(shards)}, {seed=}, {epoch=})"
    everything = [item for shard in shards for item in shard]
    missing = sorted(set(range(n_items)) - set(everything))
    twice = sorted({item for item in everything if everything.count(item) > 1})
    strange = sorted(set(everything) - set(range(n_items)))
    table = "\n".join(f"  rank {rank}: {shard}" for rank, shard in enumerate(shards))
    if strange:
        fail(f"{title} gave indices that do not exist: {strange}.\n{table}")
    if missing or twice:
        fail(
            f"{title}: not every item goes to exactly one rank. On no rank: {missing}; more than once: {twice}.\n"
            f"{table}\nDo all ranks cut up one and the same order? What becomes of a remainder?"
        )
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1, f"{title}: shares of {sizes} items. They may differ by one at most.\n{table}"


# Broadcast and shards ------------------------------------------------------------------------------


@pytest.mark.points(0.75)
def test_every_rank_gets_rank_0s_parameters(driver):
    """Every rank gets rank 0's parameters."""
    wanted = driver.made_by_rank_0(11)["values"]
    values = finished(driver.broadcast(3, 11), Held)
    for rank, value in enumerate(values):
        _holds(wanted, value["values"], ["layer.weight", "layer.bias", "norm.weight", "norm.bias"], rank)


def _holds(wanted: dict[str, Any], values: dict[str, Any], names: list[str], rank: int) -> None:
    """A rank holds rank 0's values under these names, bit for bit."""
    for name in names:
        expected, actual = wanted[name], values.get(name)
        if fingerprint(expected) != fingerprint(actual):
            change = "rank 0's own value has changed" if rank == 0 else f"rank {rank} has another value than rank 0"
            fail(
                f"After broadcast_parameters, {change}: {name}.\n"
                f"  made by rank 0: {_shown(expected)}\n"
                f"  now on rank {rank}: {_shown(actual)}\n"
                "Ranks that start apart stay apart, however well their gradients are averaged."
            )


def _shown(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return "nothing at all"
    start = ", ".join(map(str, value.ravel()[:4]))
    return f"{start}{' ...' if value.size > 4 else ''} ({value.dtype}, shape {value.shape})"


@pytest.mark.points(0.75)
def test_shards_cover_every_item_once(driver):
    """Shards cover every item once, evenly."""
    calls = [(12, 1, 0), (13, 1, 0), (14, 5, 3), (15, 2, 1)]
    for call, shards in zip(calls, dealt(driver.deal(3, calls), calls), strict=True):
        covers_once(call, shards)


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_shards_cover_every_item_once")
def test_order_follows_seed_and_epoch(driver):
    """The order follows from seed and epoch."""
    order_follows_seed_and_epoch(driver, 2, 60, seed=3, epoch=0)


def order_follows_seed_and_epoch(driver: Any, world_size: int, n_items: int, seed: int, epoch: int) -> None:
    """The order changes with seed and epoch, and with nothing else."""
    calls = [(n_items, seed, epoch), (n_items, seed, epoch + 1), (n_items, seed + 7, epoch)]
    ran = driver.deal(world_size, calls)
    base, next_epoch, other_seed = dealt(ran, calls)
    for other, what in ((next_epoch, f"epoch {epoch + 1}"), (other_seed, f"seed {seed + 7}")):
        assert base != other, f"seed {seed}, epoch {epoch} and {what} deal out the same order: {base[0][:10]} ..."
        if [set(shard) for shard in base] == [set(shard) for shard in other]:
            fail(
                f"With {what} every rank has the same items as with seed {seed}, epoch {epoch}, only in another order.\n"
                "The order of all items should change, so that items move between ranks."
            )
    again = dealt(driver.deal(world_size, calls), calls)
    if again != [base, next_epoch, other_seed]:
        fail(
            f"The same call, shard({n_items}, rank 0, {world_size}, {seed=}, {epoch=}), gave two different results:\n"
            f"  first run:  {base[0][:12]} ...\n  second run: {again[0][0][:12]} ...\n"
            "What else than seed and epoch does the order depend on?"
        )


# The step ------------------------------------------------------------------------------------------


@pytest.mark.points(1.25)
def test_a_step_equals_one_process(driver, measured):
    """A step equals that of one process."""
    case = {"sizes": [4, 4], "seed": 21}
    as_one_process(driver, case, driver.train(case), measured)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_steps_add_up(driver, measured):
    """Steps add up, with momentum and weight decay."""
    case = {"sizes": [4, 4, 4], "steps": 5, "seed": 22}
    as_one_process(driver, case, driver.train(case), measured)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_shards_of_different_sizes(driver, measured):
    """Shards of different sizes count by their items."""
    case = {"sizes": [7, 2, 4], "seed": 23}
    as_one_process(driver, case, driver.train(case), measured)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_adaptive_optimizer(driver, measured):
    """An adaptive optimizer does as in one process."""
    case = {"sizes": [4, 4], "optimizer": "adam", "dtype": "float64", "steps": 3, "seed": 24}
    as_one_process(driver, case, driver.train(case), measured)


@pytest.mark.points(0.5)
def test_loss_is_the_mean_over_the_whole_batch(driver):
    """Every rank returns the whole batch's mean loss."""
    case = {"sizes": [6, 2, 3], "seed": 25}
    values = trained(driver.train(case), case)
    wanted = driver.one_process(case)
    for step, (expected, alone) in enumerate(zip(wanted["losses"], wanted["shard_losses"], strict=True)):
        seen = [value["losses"][step] for value in values]
        for rank, loss in enumerate(seen):
            if not isinstance(loss, float):
                fail(f"train_step returned a {loss} on rank {rank}. It must be a float: the mean loss of the batch.")
        allowed = LOSS_ALLOWED * max(1.0, abs(expected))

        def close(others: list[float], seen: list[float] = seen, allowed: float = allowed) -> bool:
            return all(abs(loss - other) <= allowed for loss, other in zip(seen, others, strict=True))

        if close([expected] * len(seen)):
            continue
        average, count = sum(alone) / len(alone), len(alone)
        if close(alone):
            words = "It is the loss of each rank's own shard."
        elif close([average] * count):
            words = "It is the mean of the shards' losses. The shards are not of one size, though."
        elif close([sum(alone)] * count) or close([expected * count] * count):
            words = "It has been added up over the ranks."
        elif max(seen) - min(seen) > allowed:
            words = "The ranks do not agree."
        else:
            words = "Over which items is it a mean?"
        fail(
            f"In step {step + 1}, with shards of {case['sizes']} items, train_step returned "
            f"{', '.join(f'{loss:.6f}' for loss in seen)} on ranks 0 to {count - 1}.\n"
            f"The mean loss over the whole batch is {expected:.6f}. {words}"
        )


# What it costs -------------------------------------------------------------------------------------


def per_step(calls: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """A rank's collective calls in a step."""
    return [call for call in calls if call["stage"][1] == f"train_step, step {step}"]


@pytest.mark.points(0.75)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_a_step_equals_one_process")
def test_bytes_per_step(driver, measured):
    """A step moves about one model's worth of bytes."""
    steps = 3
    case = {"model": "4 pieces", "sizes": [512, 512], "steps": steps, "seed": 26}
    seen = driver.observe("train", case)
    ran = seen.value
    values = trained(ran, case)
    model = sum(array.nbytes for array in values[0]["parameters"][0].values())
    allowed = 1.1 * model + 4096
    # Step 1 may set something up for good.
    most, rank, step = max(
        (sum(call["bytes"] for call in per_step(calls, step)), rank, step)
        for rank, calls in enumerate(ran["calls"])
        for step in range(2, steps + 1)
    )
    measured |= {"model bytes": model, "bytes per step": most}
    if not any(ran["calls"]):
        fail("The ranks called no collective at all. How do gradients get from one rank to another?")
    if most > allowed:
        table = "\n".join(
            f"  {call['name']} of {call['numel']} {call['dtype']}: {call['bytes']:,} bytes handed over"
            for call in sorted(per_step(ran["calls"][rank], step), key=lambda call: -call["bytes"])[:5]
        )
        fail(
            f"In step {step} rank {rank} handed {most:,} bytes to the others. The parameters are {model:,} bytes; "
            f"1.1 times that and 4 KiB are allowed.\n{table}\n"
            "What is the least that the other ranks have to know of this one?"
        )
    measured["network bytes"] = seen.loopback_bytes
    if ran["own network"] and seen.loopback_bytes > 1.5 * len(values) * steps * allowed + 2**18:
        fail(
            f"In {steps} steps the collectives account for at most {most:,} bytes per rank and step, yet "
            f"{seen.loopback_bytes:,} bytes went over the network. Ranks have to talk through the process group alone."
        )


@pytest.mark.points(0.75)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_a_step_equals_one_process")
def test_calls_do_not_grow_with_parameters(driver, measured):
    """More parameters need no more collective calls."""
    counts = {}
    for pieces in (4, 64):  # the same matrix, cut up
        case = {"model": f"{pieces} pieces", "sizes": [2, 3], "steps": 2, "seed": 27}
        ran = driver.train(case)
        trained(ran, case)
        counts[pieces] = max(len(per_step(calls, 2)) for calls in ran["calls"])
        measured[f"calls with {pieces} parameters"] = counts[pieces]
    assert counts[64] <= counts[4] + 2, (
        f"A step called {counts[4]} collectives for a model of 4 parameters and {counts[64]} for the same model cut into "
        "64.\nEvery call waits for all ranks, whatever it carries. Does each parameter need a journey of its own?"
    )


@pytest.mark.points(0.25)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_a_step_equals_one_process")
def test_nothing_is_left_behind(driver):
    """Nothing is left behind."""
    case = {"sizes": [3, 3], "steps": 2, "seed": 28}
    seen = driver.observe("train", case)
    ran = seen.value
    trained(ran, case)
    threads = ", ".join(sorted(set(ran["threads"])))
    assert not threads, f"After the last train_step, threads were still running in the ranks: {threads}."
    assert_clean(seen)
