"""Draw both dashboards with Grafana's own components, for the documentation.

    PYTHONPATH=tests python monitoring/pictures.py docs/monitoring

runs sweeps on the test cluster, has a real Prometheus watch them, and writes a picture of each dashboard. It needs
npm and Chromium. `--answers FILE` keeps what Prometheus answered; a file that is there is drawn without a cluster.
"""

import argparse
import asyncio
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from board_queries import QUERIES
from cluster.binaries import cache
from cluster.controlplane import ControlPlane
from cluster.fleet import Fleet
from cluster.simulator.script import Script
from cluster.trial import Scene, Trial, on_trials, sweep_of
from cluster.watched import configuration, discover
from host.browser import browser
from host.prometheus import Prometheus, prometheus
from write import BOARDS, as_json

DRAWING = Path(__file__).parent / "drawing"
WIDTH = 1400
STEP = 1.0
SHOWN = {
    "sweeps.json": {"namespace": ".+", "sweep": ""},
    "sweep.json": {"namespace": "nlp", "sweep": "rte-10x10"},
}
"""What is chosen on each dashboard."""
PAGE = '<!doctype html><link rel="stylesheet" href="panels.css"><body><script src="panels.js"></script>'

Object = dict[str, Any]


async def draw(answers: Mapping[str, Object], out: Path) -> None:
    """A picture of each dashboard from what Prometheus answered to it."""
    page = await asyncio.to_thread(_page)
    async with browser() as tab:
        for name, board in answers.items():
            await tab.open(page.as_uri())
            shown = f"{as_json(BOARDS[name]())}, {json.dumps(board)}, {WIDTH}"
            await tab.resize(WIDTH, 1000)
            await tab.resize(WIDTH, await tab.evaluate(f"draw({shown})"))
            # Axes, tables and large numbers settle over several frames, and say nothing when they have.
            await asyncio.sleep(2)
            (out / name).with_suffix(".png").write_bytes(await tab.picture())


def _page() -> Path:
    """The page that draws, built in the cache: npm's packages are large, and none of them is shipped."""
    package = (DRAWING / "package.json").read_bytes()
    folder = cache() / f"panels-{hashlib.sha256(package).hexdigest()[:12]}"
    if not (folder / "node_modules/.package-lock.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(package)
        quiet = ("--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        subprocess.run(["npm", "install", *quiet], cwd=folder, check=True)
    shutil.copy(DRAWING / "panels.jsx", folder)
    shutil.copytree(folder / "node_modules/inter-ui/web", folder / "public/fonts/inter", dirs_exist_ok=True)
    options = ("--bundle", "--jsx=automatic", "--outfile=panels.js", "--loader:.ttf=empty", "--log-level=error")
    defined = ('--define:process.env.NODE_ENV="production"', "--define:global=window")
    subprocess.run(["node_modules/.bin/esbuild", "panels.jsx", *options, *defined], cwd=folder, check=True)
    page = folder / "page.html"
    page.write_text(PAGE)
    return page


async def ask(server: Prometheus, name: str, began: float, ended: float) -> Object:
    """What Prometheus answers to every query of a dashboard, by the titles of its panels."""
    panels: dict[str, Object] = {}
    for query in QUERIES:
        if query.board == name:
            expr = query.filled(span=f"{int(ended - began)}s", **SHOWN[name])
            answer = server.query_range(expr, began, ended, STEP) if query.over_time else server.query(expr, ended)
            panels.setdefault(query.title, {})[query.ref] = await answer
    return {"began": began, "ended": ended, "step": STEP, "panels": panels}


async def watch(folder: Path) -> dict[str, Object]:
    """What Prometheus has seen of a few sweeps, by dashboard."""
    scripts = {"nlp": Script(evaluations=20, seconds=4.0), "vision": Script(evaluations=20, seconds=6.0)}
    with ControlPlane({"operator": []}) as plane, Fleet(plane):
        for namespace in scripts:
            await asyncio.to_thread(plane.create_namespace, namespace)
        async with AsyncExitStack() as stack:
            scenes = {namespace: Scene(script) for namespace, script in scripts.items()}
            trials = await stack.enter_async_context(on_trials(plane, scenes))
            operator = trials["nlp"].operator
            server = await stack.enter_async_context(prometheus(folder, configuration(folder, operator.port)))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            discovery = tasks.create_task(discover(list(trials.values()), folder))
            began = time.time()
            await _play(trials)
            # Long enough for the end of the largest to be seen.
            await asyncio.sleep(10)
            # Numbers and tables are of the moment at which curves end.
            ended = began + int(time.time() - began)
            answers = {name: await ask(server, name, began, ended) for name in SHOWN}
            discovery.cancel()
            return answers


async def _play(trials: Mapping[str, Trial]) -> None:
    """Until the largest of three sweeps is over: one still trains, and one waits for a node that there is not."""
    await trials["nlp"].apply(_sweep("rte-10x10", 10, 10, 10, 40))
    await trials["vision"].apply(_sweep("scenes-5x4", 5, 4, 4, 10))
    nowhere = {"spec": {"nodeSelector": {"gpu": "of-next-year"}}}
    await trials["vision"].apply(_sweep("too-early", 2, 2, 1, 4, podTemplate=nowhere))
    while True:
        _, found = await trials["nlp"].request("GET", trials["nlp"].path("seedsweeps", "rte-10x10"))
        if found.get("status", {}).get("phase") == "Complete":
            return
        await asyncio.sleep(1)


def _sweep(name: str, weight_inits: int, data_orders: int, keep: int, parallelism: int, **spec: Any) -> Object:
    grid = {"weightInits": {"count": weight_inits}, "dataOrders": {"count": data_orders}}
    stopping = {"rungs": [{"atPercent": 30, "keep": keep}]}
    storage = {"uri": "s3://bucket"}
    made = sweep_of(seeds={"grid": grid}, parallelism=parallelism, earlyStopping=stopping, storage=storage, **spec)
    return {**made, "metadata": {"name": name}}


def main() -> None:
    """Watch, unless there is a file with answers, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--answers", type=Path)
    arguments = parser.parse_args()
    if arguments.answers is not None and arguments.answers.exists():
        answers = json.loads(arguments.answers.read_text())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            answers = asyncio.run(watch(Path(temporary)))
        if arguments.answers is not None:
            arguments.answers.write_text(json.dumps(answers))
    asyncio.run(draw(answers, arguments.out))


if __name__ == "__main__":
    main()
