"""Write all that is generated for monitoring: docs/metrics.md and the chart's dashboards (`make monitoring`)."""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from metrics_page import page
from sweep_board import sweep_board
from sweeps_board import sweeps_board

ROOT = Path(__file__).parents[1]
BOARDS = {"sweeps.json": sweeps_board, "sweep.json": sweep_board}
"""By their files in the chart."""


def as_json(board: Dashboard) -> str:
    """A dashboard as Grafana reads it."""
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def files() -> dict[Path, str]:
    """What belongs where."""
    boards = ROOT / "charts" / "seedsweep" / "dashboards"
    return {ROOT / "docs" / "metrics.md": page(), **{boards / name: as_json(board()) for name, board in BOARDS.items()}}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
