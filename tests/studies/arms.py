"""Records to be compared: imported ones from a table, and ones of our trainer with digests."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from host.commands import seedsweep
from inputs import records
from seedsweep.api.episode import BestEvaluation, EpisodeId, EpisodeStatus
from seedsweep.api.provenance import PartCounts, Provenance

DATA = "d" * 16


def imported(folder: Path, scores: Mapping[EpisodeId, float | None] | Sequence[float | None], *options: str) -> Path:
    """A record of one evaluation a run; a sequence has a seed of its own for each."""
    if not isinstance(scores, Mapping):
        scores = {EpisodeId(i, i): score for i, score in enumerate(scores)}
    lines = [f"{w},{d},{'' if score is None else repr(score)}" for (w, d), score in scores.items()]
    source = folder.with_suffix(".csv")
    source.write_text("\n".join(["weight_init,data_order,score", *lines]) + "\n")
    goal = () if "--goal" in options else ("--goal", "maximize")
    assert seedsweep("import", source, "--to", folder, *goal, *options) == 0
    return folder


def trained(
    folder: Path,
    score: Callable[[EpisodeId], float],
    *,
    size: tuple[int, int] = (4, 4),
    digest: Callable[[EpisodeId], str | None] = lambda episode: f"init-{episode.weight_init}",
    data: str | None = DATA,
    examples: int = 138,
    **spec: object,
) -> Path:
    """A record of our trainer: two evaluations, of which the first is better by 0.01."""
    record = records.fully_trained(*size)
    episodes = []
    for episode in record.episodes:
        best = score(episode.spec.id)
        status = EpisodeStatus(
            state="Finished",
            scores=[best, best - 0.01],
            best=BestEvaluation(score=best, evaluation=1),
            baseline=records.BASELINE,
            verdict=episode.status.verdict,
            initialization=digest(episode.spec.id),
        )
        episodes.append(episode.evolve(status=status))
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(**spec))
    provenance = Provenance(base_weights="b" * 16, examples=PartCounts(validation=examples))
    told = record.status.evolve(data_digest=data, provenance=provenance, evaluations=2)
    sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer), status=told)
    folder.mkdir()
    return records.write(folder, records.Record(sweep, episodes, []))
