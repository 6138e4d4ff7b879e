"""What `kubectl get` shows is said in words that need no arithmetic."""

from seedsweep.api.status import Best, Cost, EpisodeCounts
from seedsweep.engine.status.summary import summarize

BEST = Best(episode="wi3-do1", weight_init=3, data_order=1, score=0.77256, evaluation=9)


def test_a_sweep_under_way_shows_how_many_are_where_and_its_best_so_far():
    cost = Cost(saved_steps=467, full_steps=1000, gpu_seconds=5400.0)
    found = summarize(EpisodeCounts(running=2, lost=6), BEST, cost)
    assert (found.episodes, found.score) == ("2 running, 6 lost", "0.7726")
    assert (found.saved, found.gpu_hours) == ("47 %", "1.5")


def test_a_sweep_of_which_nothing_is_known_yet_claims_nothing():
    found = summarize(EpisodeCounts(waiting=8), None, Cost())
    assert (found.episodes, found.score, found.saved) == ("8 waiting", "", "")


def test_what_was_trained_again_is_not_saved():
    assert summarize(EpisodeCounts(), BEST, Cost(saved_steps=467, wasted_steps=167, full_steps=1000)).saved == "30 %"
    assert summarize(EpisodeCounts(), BEST, Cost(saved_steps=100, wasted_steps=200, full_steps=1000)).saved == "-10 %"
