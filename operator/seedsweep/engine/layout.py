"""What a spec fixes before anything runs: the episodes, their brackets, the rungs and the audit.

Everything here is a function of the spec alone, so a restarted loop finds the same layout.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from seedsweep.api.checks import Problem, check_rungs, check_share, rung_evaluation
from seedsweep.api.cut import CutData
from seedsweep.api.early_stopping import EarlyStopping, Floor, Rung
from seedsweep.api.episode import EpisodeId, EpisodeSpec
from seedsweep.api.seeds import Grid, Sample, Seeds
from seedsweep.api.sweep import SeedSweep, SweepSpec
from seedsweep.engine.hyperband import hyperband_brackets, hyperband_problems


def stable_hash(*parts: object) -> int:
    """SHA-256 of the parts as a number: an order that no seed is favoured by, the same everywhere."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest(), "big")


def step_of(evaluation: int, evaluations: int, steps: int) -> int:
    """Optimizer step that an evaluation follows: ceil(e S / E)."""
    return -(-evaluation * steps // evaluations)


@dataclass(frozen=True, slots=True)
class Layout:
    """A sweep laid out; `index`, `names`, `bracket_of` and `tie` are by episode."""

    name: str
    spec: SweepSpec
    episodes: tuple[EpisodeId, ...]
    """In index order: the order in which they start."""
    index: dict[EpisodeId, int]
    names: dict[EpisodeId, str]
    bracket_of: dict[EpisodeId, int]
    members: tuple[tuple[EpisodeId, ...], ...]
    """By bracket, in index order."""
    rungs: tuple[tuple[Rung, ...], ...]
    """By bracket."""
    tie: dict[EpisodeId, int]
    """The last tie-breaker: lower ranks first."""
    audited: frozenset[EpisodeId]
    floor: Floor | None
    """Instead of rungs, or before one."""

    @classmethod
    def of(cls, sweep: SeedSweep) -> "Layout":
        """Lay out a sweep."""
        spec = sweep.spec
        stopping = spec.early_stopping
        episodes = expand(spec.seeds)
        sizes, rungs = _brackets(stopping, len(episodes))
        bracket_of = assign_brackets(episodes, sizes, stopping.bracket_seed if stopping is not None else 0)
        tie_seed = stopping.tie_seed if stopping is not None else 0
        audit = stopping.audit if stopping is not None else None
        return cls(
            name=sweep.metadata.name,
            spec=spec,
            episodes=episodes,
            index={episode: i for i, episode in enumerate(episodes)},
            names={episode: episode.name for episode in episodes},
            bracket_of=bracket_of,
            members=tuple(tuple(e for e in episodes if bracket_of[e] == b) for b in range(len(sizes))),
            rungs=rungs,
            tie={episode: stable_hash("tie", tie_seed, *episode) for episode in episodes},
            audited=frozenset(
                episode
                for episode in episodes
                # An independent coin per episode: the estimators of the audit weigh by its probability.
                if audit is not None and stable_hash("audit", audit.seed, *episode) % 10_000 < audit.percent * 100
            ),
            floor=stopping.floor if stopping is not None else None,
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Episodes of every bracket."""
        return tuple(len(members) for members in self.members)

    @property
    def maximize(self) -> bool:
        """Whether a higher score is better."""
        return self.spec.trainer.maximize

    @property
    def stops(self) -> bool:
        """Whether episodes may be stopped early: at a rung, or at the floor."""
        return self.floor is not None or any(self.rungs)

    @property
    def first_cut(self) -> int:
        """Number of the first rung that cuts: a floor is number 0, and a rung beside it number 1."""
        return 0 if self.floor is None else 1

    @property
    def budget(self) -> int:
        """Full runs that a sweep with a floor may spend."""
        assert self.spec.budget is not None  # the spec has both or neither
        return self.spec.budget

    @property
    def latest(self) -> bool:
        """Whether episodes rank by the score at the rung instead of the best up to it."""
        return self.spec.early_stopping is not None and self.spec.early_stopping.rank_by == "latest"

    @property
    def ours(self) -> bool:
        """Whether our own trainer runs: it publishes losses, honours stop-after and resumes."""
        return self.spec.trainer.fine_tuning is not None

    def rung(self, bracket: int, number: int) -> Rung:
        """One that cuts, by its number in the bracket."""
        return self.rungs[bracket][number - self.first_cut]

    def rung_evaluations(self, evaluations: int) -> tuple[tuple[int, ...], ...]:
        """Evaluation of every rung, by bracket, in a sweep with so many evaluations an episode; a floor's first."""
        floor = () if self.floor is None else (rung_evaluation(self.floor.at_percent, evaluations),)
        return tuple(
            (*floor, *(rung_evaluation(rung.at_percent, evaluations) for rung in ladder)) for ladder in self.rungs
        )

    def episode_spec(self, episode: EpisodeId) -> EpisodeSpec:
        """What identifies an episode on record."""
        return EpisodeSpec(
            sweep=self.name,
            weight_init=episode.weight_init,
            data_order=episode.data_order,
            index=self.index[episode],
            bracket=self.bracket_of[episode],
            audited=episode in self.audited,
        )

    def is_outgrown(self, cut: CutData) -> bool:
        """Whether the sweep got more seeds after this cut: then its rung is open again.

        Seeds are never taken away, so a cut of as many episodes is one of the same. They come to one bracket with one
        rung alone, and to none with a floor.
        """
        return self.floor is None and cut.bracket == cut.rung == 0 and cut.size < len(self.members[0])

    def problems(self, evaluations: int) -> list[Problem]:
        """Why the rungs do not fit so many evaluations; empty when they do."""
        stopping = self.spec.early_stopping
        if stopping is None:
            return []
        floor: list[Problem] = []
        if stopping.floor is not None:
            floor = check_share("spec.earlyStopping.floor.atPercent", stopping.floor.at_percent, evaluations)
        if stopping.hyperband is not None:
            return hyperband_problems(stopping.hyperband, len(self.episodes), evaluations)
        path = "spec.earlyStopping." + ("brackets[{}].rungs" if stopping.brackets is not None else "rungs")
        rungs = (check_rungs(path.format(b), ladder, evaluations) for b, ladder in enumerate(self.rungs))
        return [*floor, *chain.from_iterable(rungs)]


def expand(seeds: Seeds) -> tuple[EpisodeId, ...]:
    """The episodes in index order: a grid by weight-init seed then data-order seed, lists as they stand."""
    if seeds.pairs is not None:
        return tuple(EpisodeId(pair.weight_init, pair.data_order) for pair in seeds.pairs)
    if seeds.single is not None:
        return tuple(EpisodeId(seed, seed) for seed in seeds.single.seeds)
    assert seeds.grid is not None  # the type has exactly one form
    if seeds.grid.sample is None:
        return tuple(_cells(seeds.grid))
    return _sample(_cells(seeds.grid), seeds.grid.sample)


def _cells(grid: Grid) -> Iterator[EpisodeId]:
    return (EpisodeId(w, d) for w in grid.weight_inits.seeds for d in grid.data_orders.seeds)


def _sample(cells: Iterable[EpisodeId], sample: Sample) -> tuple[EpisodeId, ...]:
    """Those whose hash sorts first, in the order of the grid; of the others, none is held."""
    hashed = ((stable_hash("sample", sample.seed, *cell), place, cell) for place, cell in enumerate(cells))
    chosen = heapq.nsmallest(sample.size, hashed)
    return tuple(cell for _, _, cell in sorted(chosen, key=lambda entry: entry[1]))


def assign_brackets(episodes: Sequence[EpisodeId], sizes: Sequence[int], seed: int) -> dict[EpisodeId, int]:
    """Give every episode a bracket, each bracket its size, with either kind of seed spread over all brackets.

    Greedy in a hashed order: an episode goes where its two seeds are rarest in proportion to the room there.
    """
    if len(sizes) == 1:
        return dict.fromkeys(episodes, 0)
    room = list(sizes)
    seen: list[Counter[tuple[str, int]]] = [Counter() for _ in sizes]
    assigned = {}
    for episode in sorted(episodes, key=lambda e: stable_hash("bracket", seed, *e)):
        keys = (("weight-init", episode.weight_init), ("data-order", episode.data_order))
        candidates = [b for b in range(len(sizes)) if room[b] > 0]
        chosen = min(candidates, key=lambda b: (sum(seen[b][key] for key in keys) / sizes[b], -room[b] / sizes[b], b))
        assigned[episode] = chosen
        room[chosen] -= 1
        seen[chosen].update(keys)
    return assigned


def _brackets(stopping: EarlyStopping | None, t: int) -> tuple[tuple[int, ...], tuple[tuple[Rung, ...], ...]]:
    if stopping is None:
        return (t,), ((),)
    if stopping.rungs is not None or stopping.floor is not None:
        return (t,), (tuple(stopping.rungs or ()),)
    if stopping.brackets is not None:
        return tuple(b.episodes for b in stopping.brackets), tuple(tuple(b.rungs) for b in stopping.brackets)
    assert stopping.hyperband is not None  # the type has exactly one form
    return hyperband_brackets(stopping.hyperband, t)
