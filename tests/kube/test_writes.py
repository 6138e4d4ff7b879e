"""How many requests an episode costs."""

import pytest

from kube.fake_api import EPISODES, PODS, FakeCluster, body_of, until

pytestmark = [pytest.mark.simulated_time, pytest.mark.usefixtures("short_relists")]

NUMBER = 8
MOST_OF_ONE = 5
"""Its pod is created and deleted; its Episode is created as it starts, and written with its end and its verdict."""


async def test_an_episode_takes_no_more_writes_than_it_has_news():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=NUMBER))
        await until(lambda: api.count("POST", EPISODES) == NUMBER)
        for number, pod in enumerate(api.pods()):
            cluster.end_pod(pod, above=number / 100)
        await until(lambda: api.status("demo").get("phase") == "Complete")
        counts = [api.count(verb, under) for verb in ("POST", "PATCH", "DELETE") for under in (PODS, EPISODES)]
        assert sum(counts) <= MOST_OF_ONE * NUMBER, counts
