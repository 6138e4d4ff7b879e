"""What the answers tell of the losers of a cut goes on record beside it, once."""

from seedsweep.engine.draft import Draft


def record_evidence(draft: Draft) -> None:
    """Of every cut whose losers have been compared."""
    for cut in draft.seen.cuts.values():
        evidence = draft.seen.evidence.get(cut.name)
        if evidence is not None and evidence.found is not None and not evidence.settled:
            draft.add_evidence(cut, evidence.found)
