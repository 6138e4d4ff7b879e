"""The record in memory, as it was read at the start and as it was written since: a change is written once."""

from collections.abc import Iterable, Sequence

from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Record, RecordCut, RecordEpisode
from seedsweep.engine.layout import Layout
from seedsweep.files import write_whole
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.report.curves import HEADER, curve_lines
from seedsweep.report.record import read_record


class Ledger:
    """What is on record about a sweep in its folder. Only its writer may live at a time: see RunDirectory.lock."""

    def __init__(self, directory: RunDirectory, sweep: SeedSweep, layout: Layout) -> None:
        """Read what is there; raises RecordError where it cannot be read."""
        self.status = SweepStatus()
        self.episodes: dict[EpisodeId, EpisodeStatus] = {}
        self.cuts: dict[tuple[int, int], CutData] = {}
        self.evidence: dict[str, CutEvidence] = {}
        """By name of the cut."""
        self._directory = directory
        self.sweep = sweep
        self._layout = layout
        self._curves: dict[EpisodeId, str] = {}
        self._curves_of: tuple[int | None, int | None] = (None, None)
        if directory.sweep_file.exists():
            found = read_record(directory.root)
            self.status = found.sweep.status or self.status
            self.episodes = {episode.spec.id: episode.status for episode in found.episodes}
            self.cuts = {(cut.data.bracket, cut.data.rung): cut.data for cut in found.cuts}
            self.evidence = {cut.data.name: cut.evidence for cut in found.cuts if cut.evidence is not None}
        # As the sweep's file has it now: what may change in it may have.
        directory.write_sweep(sweep, self.status)
        self._write_curves(self.episodes)

    def write(self, records: Sequence[Record]) -> frozenset[str] | None:
        """Make records durable, in order; raises OSError. Returns what Backend.record does."""
        changed = []
        existed = False
        for record in records:
            if isinstance(record, RecordEpisode):
                if self.episodes.get(record.episode) != record.status:
                    self._directory.write_episode(self._layout, record.episode, record.status)
                    self.episodes[record.episode] = record.status
                    changed.append(record.episode)
            elif isinstance(record, RecordCut):
                standing = self._directory.create_cut(record.cut)
                existed |= standing is not record.cut
                self.cuts[standing.bracket, standing.rung] = standing
            else:
                self._directory.add_evidence(record.cut, record.evidence)
                self.evidence[record.cut.name] = record.evidence
        if changed:
            self._write_curves(changed)
        return frozenset() if existed else None

    def publish(self, status: SweepStatus) -> None:
        """Write the status if it changed; raises OSError."""
        if status != self.status:
            self._directory.write_sweep(self.sweep, status)
            self.status = status
            if (status.evaluations, status.steps) != self._curves_of:
                self._write_curves(self.episodes)

    def _write_curves(self, changed: Iterable[EpisodeId]) -> None:
        size = self._curves_of = (self.status.evaluations, self.status.steps)
        for episode in changed:
            self._curves[episode] = curve_lines(episode, self.episodes[episode], *size)
        in_order = sorted(self._curves, key=self._layout.index.__getitem__)
        write_whole(self._directory.curves_file, (HEADER + "".join(map(self._curves.__getitem__, in_order))).encode())
