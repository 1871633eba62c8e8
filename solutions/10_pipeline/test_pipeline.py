"""Checks of exercise 10, pipeline: one model cut into stages that work at the same time."""

from typing import Any, TypedDict

import numpy as np
import pytest

from autograder.checks import assert_clean, expect_type, fail, fingerprint, inconclusive
from autograder.measure.replay import ReplayError, Schedule, Work, events_of, replay

#: How far a parameter may be from what one process gets.
ALLOWED = 1e-6
#: The loss is a sum of more rounding errors, relative to its own size.
LOSS_ALLOWED = 1e-5
#: Of the gain that (m + p - 1) slots in place of m x p promise.
NEEDED = 0.8
#: Bytes a step that ranks may hand out in any other way than to a neighbour: numbers, but no activations.
SMALL_TALK = 4096
#: Milliseconds that the shortest work takes in further runs of a design with threads, whose order a busy machine disturbs.
LONGER = (30.0, 60.0)


class Trained(TypedDict):
    """What a rank tells of its training."""

    parameters: list[dict[str, Any]]
    losses: list[float | str]
    seconds: list[float]


def trained(ran: dict[str, Any], case: dict[str, Any]) -> list[Trained]:
    """What the ranks gave after all steps of a case, once nothing went wrong in any of them."""
    if ran["trouble"]:
        fail(ran["trouble"])
    values = expect_type(ran["values"], list[Trained], "the ranks' own report")
    steps = case.get("steps", 1)
    for value in values:
        arrays = [array for step in value["parameters"] for array in step.values()]
        whole = len(value["parameters"]) == len(value["losses"]) == len(value["seconds"]) == steps
        assert whole and all(isinstance(array, np.ndarray) for array in arrays), "A rank's report is not its own."
    return values


def as_one_process(driver: Any, case: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """After every step the parameters of all stages are those of one process that has the whole model."""
    ran = driver.train(case)
    values = trained(ran, case)
    largest = 0.0
    for step, stages in enumerate(driver.one_process(case)["parameters"]):
        distances = [
            {name: _distance(expected, value["parameters"][step].get(name)) for name, expected in stage.items()}
            for stage, value in zip(stages, values, strict=True)
        ]
        wrong = [rank for rank, of_stage in enumerate(distances) if max(of_stage.values()) > ALLOWED]
        if wrong:
            _say_what_is_wrong(driver, case, step, stages, values, wrong, distances)
        largest = max(largest, *(max(of_stage.values()) for of_stage in distances))
    _passes_everything_on(driver, case, ran)
    measured["largest difference"] = max(measured.get("largest difference", 0.0), largest)
    return ran


def _say_what_is_wrong(
    driver: Any,
    case: dict[str, Any],
    step: int,
    stages: list[dict[str, Any]],
    values: list[Trained],
    wrong: list[int],
    distances: list[dict[str, float]],
) -> None:
    rank = wrong[0]
    name = max(distances[rank], key=lambda name: distances[rank][name])
    right = [other for other in range(len(values)) if other not in wrong]
    seen = [[value["parameters"][number] for value in values] for number in range(case.get("steps", 1))]
    words = driver.looks_like(case, seen)
    which = f"Wrong on ranks {wrong}, right on ranks {right}.\n" if right else ""
    fail(
        f"After step {step + 1} ({case['n_items']} items in {case['n_micro']} micro-batches, {len(values)} stages) the "
        f"parameters are not those of one process with the whole model.\n{which}"
        f"{_apart(stages[rank][name], values[rank]['parameters'][step].get(name), name, rank)}\n"
        + (f"It looks like {words}." if words else "Which gradient should have come to this stage, and from where?")
    )


def _distance(expected: Any, actual: Any) -> float:
    """The largest difference between two arrays; infinite where they cannot be compared."""
    if np.shape(expected) != np.shape(actual):
        return np.inf
    with np.errstate(invalid="ignore"):
        distance = np.abs(expected.astype(np.float64) - actual).max()
    return float(distance) if np.isfinite(distance) else np.inf


def _apart(expected: Any, actual: Any, name: str, rank: int) -> str:
    """Where two arrays differ most, in words."""
    if np.shape(expected) != np.shape(actual):
        return f"{name} of rank {rank} should have the shape {np.shape(expected)}."
    with np.errstate(invalid="ignore"):
        distance = np.nan_to_num(np.abs(expected.astype(np.float64) - actual), nan=np.inf)
    place = np.unravel_index(np.argmax(distance), distance.shape)
    where = f"{name}[{', '.join(map(str, place))}]"
    return f"{where} is {expected[place]:.9g} in one process and {actual[place]:.9g} on rank {rank}."


def has_mean_loss(driver: Any, case: dict[str, Any], ran: dict[str, Any]) -> None:
    """The last rank returned the mean loss over the batch, the others None."""
    values = trained(ran, case)
    for step, expected in enumerate(driver.one_process(case)["losses"]):
        for rank, value in enumerate(values[:-1]):
            loss = value["losses"][step]
            if loss != "NoneType":
                fail(f"train_step returned {loss} on rank {rank}. Only the last rank has a loss; the others give None.")
        loss = values[-1]["losses"][step]
        if not isinstance(loss, float):
            fail(f"train_step returned a {loss} on the last rank. It must be a float: the mean loss of the batch.")
        assert abs(loss - expected) <= LOSS_ALLOWED * max(1.0, abs(expected)), (
            f"In step {step + 1} train_step returned {loss:.6f} on the last rank. The mean loss over the "
            f"{case['n_items']} items of the batch is {expected:.6f}. Over which items is yours a mean, and does every "
            "item count the same?"
        )


# The schedule --------------------------------------------------------------------------------------


def is_quick(driver: Any, case: dict[str, Any], measured: dict[str, Any]) -> None:
    """The stages of a step work at the same time: at least 0.8 of the gain that the slots promise."""
    n_items, n_micro, forward, backward = (case[key] for key in ("n_items", "n_micro", "forward", "backward"))
    size = n_items / n_micro / 1000  # of a micro-batch, in items; in seconds with a cost in milliseconds
    naive = n_items / 1000 * (sum(forward) + sum(backward))
    promised = size * sum(sum(costs) + (n_micro - 1) * max(costs) for costs in (forward, backward))
    schedule = _schedule(driver, case, promised / NEEDED)
    efficiency = promised / schedule.seconds
    measured |= {
        "gain": round(naive / schedule.seconds, 3),
        "promised": round(naive / promised, 3),
        "share of the gain": round(efficiency, 3),
        "idle share": round(schedule.idle_share, 3),
    }
    if len(set(forward)) == 1:
        n_stages = len(forward)
        measured["idle share promised"] = round((n_stages - 1) / (n_micro + n_stages - 1), 3)
    if efficiency < NEEDED - 1e-6:
        fail(
            f"A step of {n_micro} micro-batches over {len(forward)} stages takes {schedule.seconds * 1000:.0f} ms on ranks "
            f"that are busy with nothing else, {naive / schedule.seconds:.2f} times as quick as one batch that goes "
            f"through all stages. Promised are {promised * 1000:.0f} ms, {naive / promised:.2f} times as quick; "
            f"{NEEDED:.0%} of that is asked for. What they did (f forward, b backward, . nothing):\n"
            f"{schedule.chart()}\n"
            "Look for the first moment in which a rank does nothing although it could. What does it wait for?"
        )


def _schedule(driver: Any, case: dict[str, Any], allowed: float) -> Schedule:
    """When everything happens in the only step of a case."""
    found = []
    shortest = min(case["forward"])
    for slower in (1.0, *(longer / shortest for longer in LONGER)):
        costs = {key: [slower * cost for cost in case[key]] for key in ("forward", "backward")}
        ran = driver.train(case | costs)
        values = trained(ran, case)
        try:
            events = events_of(ran, "train_step, step 1")
            found.append(replay(events).slower(1 / slower))
        except ReplayError as error:
            fail(f"What the ranks sent and received does not fit together: {error}.")
        _does_all_the_work(events, case["n_items"], costs)
        _passes_everything_on(driver, case, ran)
        best = min(found, key=lambda schedule: schedule.seconds)
        if best.seconds <= allowed or not any(
            getattr(event, "aside", False) for of_rank in events for event in of_rank
        ):
            return best
    if min(value["seconds"][0] for value in values) > 1.3 * slower * found[-1].seconds:
        inconclusive("This machine is too busy to see in which order threads of a rank do their work.")
    return best


def _does_all_the_work(events: list[list[Any]], n_items: int, costs: dict[str, list[float]]) -> None:
    """Every item went through every stage, forward and backward, and took its time there."""
    for rank, of_rank in enumerate(events):
        for name in ("forward", "backward"):
            items = sum(event.number for event in of_rank if isinstance(event, Work) and event.name == name)
            if items < n_items:
                fail(
                    f"On rank {rank}, {items} of {n_items} items went {name} through the stage. Every item goes through "
                    "every stage, by calling it."
                )
            took = sum(event.length for event in of_rank if isinstance(event, Work) and event.name == name)
            assert took >= 0.999 * n_items * costs[name][rank] / 1000, (
                f"On rank {rank} the {name} work of the stage took {took * 1000:.0f} ms, and it is {n_items * costs[name][rank]:.0f} ms "
                "of work. What a stage costs is not yours to change."
            )


def _passes_everything_on(driver: Any, case: dict[str, Any], ran: dict[str, Any]) -> None:
    """What the ranks handed to one another is as much as their activations and gradients are."""
    activations = driver.passed_on(case)
    for rank, calls in enumerate(ran["calls"]):
        sizes = activations[rank : rank + 1] + (activations[rank - 1 : rank] if rank > 0 else [])
        needed = case.get("steps", 1) * sum(sizes)
        handed_over = sum(call["bytes"] for call in calls)
        assert handed_over >= needed, (
            f"Rank {rank} sent {handed_over:,} bytes in all. The activations for the stage after it and the gradients for the "
            f"stage before it are {needed:,} bytes.\nHow did they get there, if not in messages?"
        )


def talks_to_neighbours(ran: dict[str, Any], step: str, measured: dict[str, Any]) -> None:
    """What a rank sends goes to a neighbour."""
    counts = []
    for rank, calls in enumerate(ran["calls"]):
        mine = [call for call in calls if call["stage"][1] == step]
        for call in mine:
            if abs(call.get("peer", rank + 1) - rank) != 1:
                fail(
                    f"Rank {rank} called {call['name']} with rank {call['peer']}, which is no neighbour of it "
                    f"(line {call.get('line', '?')}).\nStage {rank} needs what stage {rank - 1} gives, and the gradient from "
                    f"stage {rank + 1}. Who else has to know?"
                )
        others = [call for call in mine if "peer" not in call and call["name"] not in ("send", "recv")]
        spread = sum(call["bytes"] for call in others)
        if spread > SMALL_TALK:
            largest = max(others, key=lambda call: call["bytes"])
            fail(
                f"Rank {rank} handed {spread:,} bytes to all ranks, in {largest['name']} and the like (line "
                f"{largest.get('line', '?')}).\nActivations and gradients go from neighbour to neighbour: who else needs them?"
            )
        counts.append(sum(call["name"] == "send" for call in mine))
    measured["messages sent by a rank"] = max(counts)
    assert len(ran["calls"]) == 1 or min(counts) > 0, (
        f"The ranks sent {counts} messages (by rank). Every rank has something for a neighbour."
    )


# One step ------------------------------------------------------------------------------------------


@pytest.mark.points(1.5)
def test_a_step_equals_one_process(driver, measured):
    """A step equals that of one process."""
    as_one_process(driver, {"world_size": 2, "n_items": 8, "n_micro": 4, "seed": 21}, measured)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_steps_add_up(driver, measured):
    """Steps of three stages add up, with momentum."""
    as_one_process(driver, {"world_size": 3, "n_items": 12, "n_micro": 4, "steps": 4, "seed": 22}, measured)


@pytest.mark.points(1)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_batch_that_does_not_divide(driver, measured):
    """Every item counts the same in a batch that does not divide."""
    as_one_process(driver, {"world_size": 2, "n_items": 11, "n_micro": 4, "seed": 23}, measured)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_last_rank_returns_the_mean_loss(driver):
    """The last rank returns the mean loss, the others None."""
    for case in (
        {"world_size": 3, "n_items": 12, "n_micro": 3, "seed": 24},
        {"world_size": 2, "n_items": 7, "n_micro": 3, "steps": 2, "seed": 25},
    ):
        has_mean_loss(driver, case, driver.train(case))


@pytest.mark.points(0.75)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_ranks_talk_to_their_neighbours_only(driver, measured):
    """Activations and gradients go to neighbours only."""
    case = {"world_size": 4, "n_items": 96, "n_micro": 4, "seed": 26}
    ran = driver.train(case)
    trained(ran, case)
    talks_to_neighbours(ran, "train_step, step 1", measured)


@pytest.mark.points(1.5)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_a_step_equals_one_process")
def test_stages_work_at_the_same_time(driver, measured):
    """Four stages work at the same time."""
    cost = {"forward": [4.0] * 4, "backward": [8.0] * 4}
    is_quick(driver, {"world_size": 4, "n_items": 8, "n_micro": 8, "seed": 27} | cost, measured)


@pytest.mark.points(0.25)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_a_step_equals_one_process")
def test_nothing_is_left_behind(driver):
    """Nothing is left behind."""
    case = {"world_size": 3, "n_items": 6, "n_micro": 3, "steps": 2, "seed": 28}
    seen = driver.observe("train", case)
    ran = seen.value
    trained(ran, case)
    threads = ", ".join(sorted(set(ran["threads"])))
    assert not threads, f"After the last train_step, threads were still running in the ranks: {threads}."
    assert_clean(seen)


### BEGIN HIDDEN TESTS


@pytest.mark.points(0.75)
@pytest.mark.needs("test_a_step_equals_one_process")
def test_one_rank_and_one_micro_batch(driver, measured):
    """One rank, one micro-batch, one item in each."""
    for world_size, n_items, n_micro in ((1, 6, 3), (1, 5, 1), (3, 5, 1), (2, 3, 3)):
        case = {"world_size": world_size, "n_items": n_items, "n_micro": n_micro, "seed": 31}
        has_mean_loss(driver, case, as_one_process(driver, case, measured))


@pytest.mark.points(0.5)
@pytest.mark.needs("test_steps_add_up", "test_batch_that_does_not_divide")
def test_other_models(driver, measured):
    """Other models, four stages, an adaptive optimizer."""
    case = {
        "model": "words", "loss": "cross entropy", "optimizer": "adam", "dtype": "float64",
        "world_size": 4, "n_items": 10, "n_micro": 3, "steps": 3, "seed": 32,
    }  # fmt: skip
    as_one_process(driver, case, measured)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_steps_add_up")
def test_gradients_of_this_step_only(driver, measured):
    """Frozen layers stay, and gradients from before do not count."""
    case = {"world_size": 3, "n_items": 9, "n_micro": 3, "steps": 2, "seed": 33, "model": "frozen", "stale": True}
    as_one_process(driver, case, measured)


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_steps_add_up")
def test_same_run_same_result(driver):
    """The same run gives the same bits, whoever is late."""
    case = {"world_size": 3, "n_items": 24, "n_micro": 8, "seed": 34}
    runs = [
        [value["parameters"] for value in trained(driver.train(case | change), case)]
        for change in ({"seed": 35}, {"late": 0}, {"late": 1}, {"late": 2}, {})
    ]
    other, *same = [fingerprint(run) for run in runs]
    assert other not in same, "Other data gave the very same parameters: does the step depend on its inputs?"
    assert len(set(same)) == 1, (
        "The same run gave parameters that differ in their last bits from one time to the next.\n"
        "Sums of floating point numbers depend on their order. What decides the order of the micro-batches?"
    )


@pytest.mark.points(1.25)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_stages_work_at_the_same_time")
def test_unequal_stages_work_at_the_same_time(driver, measured):
    """Unequal stages, and other numbers of micro-batches."""
    for forward, backward, n_items, n_micro in (
        ([2.0, 2.0], [4.0, 4.0], 8, 4),
        ([4.0, 4.0, 4.0], [8.0, 8.0, 8.0], 4, 2),
        ([8.0, 1.0, 1.0, 8.0], [16.0, 2.0, 2.0, 16.0], 3, 3),
    ):
        cost = {"forward": forward, "backward": backward, "world_size": len(forward)}
        is_quick(driver, {"n_items": n_items, "n_micro": n_micro, "seed": 36} | cost, measured)


### END HIDDEN TESTS
