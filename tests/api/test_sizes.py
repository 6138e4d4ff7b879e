"""What one object can make the operator compute or hold has a bound, and so has all that it writes."""

import hashlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from inputs.largest import BYTES, LONG_FLOAT, episode, largest_cut, largest_episode_status, largest_evidence, refused
from inputs.sweeps import changed
from seedsweep.api.checks import Problem, in_one_line
from seedsweep.api.comparison import ALIKE, MAX_COMPARED, MAX_SOUGHT, MAX_WHY, Compared, Comparison, Sought
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import MAX_NAMED, Cut
from seedsweep.api.episode import Episode, EpisodeId
from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.recorded import reason_word, shortened, stored_size
from seedsweep.api.seeds import MAX_CELLS, MAX_EPISODES, MAX_PAIRS, Seeds
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.engine.layout import Layout, expand

SIDE = int(MAX_CELLS**0.5)


def grid(weight_inits: list[int], data_orders: list[int], size: int, seed: int) -> Seeds:
    sample = {"size": size, "seed": seed}
    ranges = {"weightInits": {"values": weight_inits}, "dataOrders": {"values": data_orders}}
    return Seeds.model_validate({"grid": {**ranges, "sample": sample}})


def stored(value: BaseModel) -> int:
    """Bytes of what is written, as JSON."""
    return len(json.dumps(value.model_dump(mode="json", by_alias=True), separators=(",", ":")))


def first_by_hash(cells: list[EpisodeId], size: int, seed: int) -> set[EpisodeId]:
    hashes = {cell: hashlib.sha256(repr(("sample", seed, *cell)).encode()).hexdigest() for cell in cells}
    return set(sorted(cells, key=lambda cell: hashes[cell])[:size])


seeds = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=8, unique=True)


# --- work


@given(weight_inits=seeds, data_orders=seeds, size=st.integers(1, 64), seed=st.integers(0, 2**31 - 1))
def test_a_sample_is_the_cells_whose_hash_sorts_first_in_the_order_of_the_grid(
    weight_inits: list[int], data_orders: list[int], size: int, seed: int
):
    cells = [EpisodeId(w, d) for w in weight_inits for d in data_orders]
    size = min(size, len(cells))
    chosen = expand(grid(weight_inits, data_orders, size, seed))
    assert chosen == tuple(cell for cell in cells if cell in first_by_hash(cells, size, seed))


def test_a_sample_does_not_hold_the_grid():
    side = {"count": 150}
    sampled = Seeds.model_validate({"grid": {"weightInits": side, "dataOrders": side, "sample": {"size": 100}}})
    tracemalloc.start()
    try:
        chosen = expand(sampled)
        # A cell takes 56 bytes.
        assert tracemalloc.get_traced_memory()[1] < 150 * 150 * 10
    finally:
        tracemalloc.stop()
    assert len(chosen) == 100


def test_as_many_seeds_as_there_may_be_are_counted_without_being_listed():
    many = Seeds.model_validate({"single": {"count": MAX_EPISODES}})
    assert many.single is not None
    assert many.single.seeds == range(MAX_EPISODES)
    assert many.count == MAX_EPISODES


def test_fewer_episodes_may_be_listed_one_by_one_than_a_grid_may_have():
    pairs = [{"weightInit": i, "dataOrder": 0} for i in range(MAX_PAIRS + 1)]
    with pytest.raises(ValidationError, match=f"at most {MAX_PAIRS} items"):
        Seeds.model_validate({"pairs": pairs})
    axis = {"values": [pair["weightInit"] for pair in pairs]}
    found = Seeds.model_validate({"grid": {"weightInits": axis, "dataOrders": {"count": 1}}})
    assert found.count == len(pairs)


def test_the_largest_sweep_of_all_brackets_is_laid_out():
    brackets = [
        {"episodes": 500, "rungs": [{"atPercent": 5 * i, "keep": 400 - i} for i in range(1, 20)]} for _ in range(20)
    ]
    sample = {"weightInits": {"count": SIDE}, "dataOrders": {"count": SIDE}, "sample": {"size": MAX_EPISODES}}
    text = changed("spec.earlyStopping", {"brackets": brackets, "audit": {"percent": 50}})
    layout = Layout.of(parse_sweep(changed("spec.seeds", {"grid": sample}, text)))
    assert layout.sizes == (500,) * 20


# --- records


@pytest.mark.parametrize("why", ["Failed: " + "m" * 2_000, "Failed: \u0000\n<" + "\u2028" * 2_000], ids=["text", "odd"])
@pytest.mark.parametrize("out", [0, MAX_EPISODES // 2, MAX_EPISODES - 1])
def test_a_cut_of_as_many_episodes_as_there_may_be_stays_below_a_megabyte(out: int, why: str):
    cut = largest_cut(out, why)
    assert len(cut.ranked) + len(cut.excluded) == MAX_EPISODES
    evidence = largest_evidence(cut)
    assert stored(Cut(metadata=ObjectMeta(name=cut.name), data=cut, evidence=evidence)) < BYTES
    assert refused(Cut, "data", cut.model_dump(mode="json", by_alias=True)) == []
    assert refused(Cut, "evidence", evidence.model_dump(mode="json", by_alias=True)) == []


def test_a_cut_of_as_many_losers_as_evidence_names_has_evidence_within_bounds():
    cut = largest_cut(MAX_EPISODES - MAX_NAMED - 1, "Failed: " + "m" * 2_000)
    evidence = largest_evidence(cut)
    assert len(evidence.alike_episodes) + len(evidence.unknown_episodes) == MAX_NAMED
    assert stored(Cut(metadata=ObjectMeta(name=cut.name), data=cut, evidence=evidence)) < BYTES
    assert refused(Cut, "evidence", evidence.model_dump(mode="json", by_alias=True)) == []


def test_the_task_that_compares_most_losers_fits_into_a_variable_and_its_answer_into_a_message():
    sought = Sought(episode=episode(0).name, evaluation=300, score=LONG_FLOAT, attempts=["u" * 36] * MAX_SOUGHT)
    whole = Compared(letters=ALIKE * MAX_EPISODES, examples=10**7, level=0.05, why="w" * MAX_WHY)
    asked = Comparison(cut="c" * 63, metric="m" * 63, against=sought, losers=[sought] * MAX_COMPARED, found=whole)
    # What an operating system takes as one variable.
    assert stored(HousekeepingTask(compare=asked)) < 128 * 1024
    answer = HousekeepingAnswer(compared=whole.evolve(letters=ALIKE * MAX_COMPARED))
    assert stored(answer) < MESSAGE_BYTES


def test_an_episode_at_all_bounds_stays_below_a_megabyte():
    status = largest_episode_status()
    assert stored(status) < BYTES
    assert refused(Episode, "status", status.model_dump(mode="json", by_alias=True)) == []


# --- texts

any_text = st.text(st.characters() | st.sampled_from('"\\\n\0<>&\u2028é😀'))


@given(text=any_text, limit=st.integers(10, 40))
def test_a_text_on_record_has_at_most_so_many_bytes_and_shows_that_it_was_cut(text: str, limit: int):
    short = shortened(text, limit)
    assert stored_size(short) <= limit
    assert len(short) <= limit
    short.encode()
    if short != text.encode(errors="replace").decode():
        assert stored_size(text.encode(errors="replace").decode()) > limit
        assert short.endswith("...")
        assert text.encode(errors="replace").decode().startswith(short.removesuffix("..."))


@given(any_text)
def test_the_bytes_of_a_text_are_those_of_its_json_or_more(text: str):
    text = text.encode(errors="replace").decode()
    assert stored_size(text) >= len(json.dumps(text, ensure_ascii=False).encode()) - 2


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("Not Found", "NotFound"),
        ("Forbidden", "Forbidden"),
        ("403", "Unknown"),
        ("", "Unknown"),
        (":a:", "A"),
        ("my_reason: x", "MyReasonX"),
        ("5 times", "Times"),
    ],
)
def test_another_programs_word_becomes_the_reason_of_a_condition(said: str, word: str):
    assert reason_word(said) == word


def test_many_problems_are_told_in_one_line_that_says_how_many_more_there_are():
    problems = [Problem(f"spec.trainer.env[{i}]", None, "is wrong: " + "x" * 100) for i in range(200)]
    told = in_one_line(problems, 4_096)
    assert stored_size(told) <= 4_096
    shown = told.count("is wrong")
    assert 25 < shown < 200
    assert told.endswith(f"; and {200 - shown} more problems")


@given(st.lists(any_text, min_size=1, max_size=30))
def test_problems_that_fit_are_all_told(remedies: list[str]):
    problems = [Problem("spec", None, remedy.encode(errors="replace").decode()) for remedy in remedies]
    assert in_one_line(problems, 100_000) == "; ".join(map(str, problems))
    assert stored_size(in_one_line(problems, 100)) <= 100
