"""What holds of a single record: a cut is a function of its rows, and an Episode's status only grows.

Pure, and without any engine: the rules worked out a second time, by the plainest means.
"""

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from itertools import starmap
from typing import Any, NamedTuple

Body = Mapping[str, Any]


class Row(NamedTuple):
    """A ranked episode of a cut."""

    episode: str
    score: float | None
    loss: float | None


def kept(cut: Body) -> set[str]:
    """Survivors of a cut."""
    return set(cut["ranked"][: cut["keep"]])


def losers(cut: Body) -> set[str]:
    """Those who lose by a cut: ranked, and not kept."""
    return set(cut["ranked"]) - kept(cut)


def named(cut: Body) -> list[str]:
    """All that a cut was made of."""
    return [*cut["ranked"], *(entry["episode"] for entry in cut.get("excluded") or ())]


def wrong_in_growth(before: Body, after: Body) -> list[str]:
    """What is wrong with a cut that replaces another: it is made of more episodes, and revives nobody."""
    found = []
    if after.get("growth", 0) != before.get("growth", 0) + 1:
        found.append("it was made twice")
    if not set(named(before)) < set(named(after)):
        found.append(f"{set(named(before)) - set(named(after)) or 'no new one'} is missing")
    if revived := losers(before) & kept(after):
        found.append(f"{revived} had lost and are kept")
    return found


def rows(cut: Body) -> list[Row]:
    """The ranked episodes with what they were ranked by, the best first."""
    losses = cut.get("losses") or [None] * len(cut["ranked"])
    return list(starmap(Row, zip(cut["ranked"], cut["scores"], losses, strict=True)))


def wrong_in_cut(cut: Body, maximize: bool, tie_seed: int) -> list[str]:
    """I4 and I5: the cut worked out anew from its own rows, by the plainest means."""
    found, ranked = [], rows(cut)
    use_loss = all(row.loss is not None for row in ranked if row.score is not None)

    def place(row: Row) -> tuple[float, float, int]:
        worth = float("inf") if row.score is None else -row.score if maximize else row.score
        loss = float("inf") if row.loss is None or not use_loss else row.loss
        return worth, loss, _tie(tie_seed, row.episode)

    right = [row.episode for row in sorted(ranked, key=place)]
    if cut["ranked"] != right:
        found.append(f"I4: the order should be {right}")
    if kept(cut) != set(right[: cut["keep"]]):
        found.append(f"I5: kept should be {right[: cut['keep']]}")
    last = ranked[min(cut["keep"], len(ranked)) - 1].score if ranked else None
    if cut.get("threshold") != last:
        found.append(f"I4: the threshold should be {last}")
    if cut.get("tiedAtThreshold") != sum(row.score == last for row in ranked):
        found.append("I4: a wrong number is tied at the threshold")
    return found


def wrong_in_fall(fall: Body, own: Body | None, maximize: bool) -> list[str]:
    """The fall worked out anew from its own numbers, in exact fractions; `own` is the score on record."""
    if own is None or own.get("score") != fall.get("score"):
        return ["it fell with a score that is not on record"]
    if fall.get("score") is None:
        return []
    score, baseline, error = (Fraction(repr(fall[key])) for key in ("score", "baseline", "standardError"))
    gain = score - baseline if maximize else baseline - score
    return [f"it fell with {fall['score']}, above its floor"] if gain > Fraction(fall["margin"]) * error else []


def changed_for_good(before: Body, after: Body) -> list[str]:
    """What an Episode's status may only add to, and did not."""
    found = []
    for what in ("rungScores", "scores", "losses"):
        old, new = before.get(what) or [], after.get(what) or []
        if new[: len(old)] != old:
            found.append(f"recorded {what} changed")
    if before.get("verdict") is not None and after.get("verdict") != before["verdict"]:
        found.append(f"its verdict {before['verdict']['outcome']} changed")
    old, new = before.get("attempts") or [], after.get("attempts") or []
    if [a["uid"] for a in new][: len(old)] != [a["uid"] for a in old]:
        found.append("an attempt was dropped from the record")
    for was, now in zip(old, new, strict=False):
        if was.get("reason") is not None and was != now:
            found.append(f"attempt {was['uid']} changed after its end")
        if was.get("stop") is not None and was["stop"] != now.get("stop"):
            found.append(f"the reason to stop attempt {was['uid']} changed")
    return found


def _tie(seed: int, episode: str) -> int:
    weight_init, data_order = (int(part[2:]) for part in episode.split("-"))
    return int(hashlib.sha256(repr(("tie", seed, weight_init, data_order)).encode()).hexdigest(), 16)


def rung_score(status: Body, rung: int) -> Body | None:
    return next((score for score in status.get("rungScores") or () if score["rung"] == rung), None)


def worth(score: Body, maximize: bool) -> float:
    """Lower is better; what is missing comes last."""
    value = score.get("score")
    return float("inf") if value is None else -value if maximize else value
