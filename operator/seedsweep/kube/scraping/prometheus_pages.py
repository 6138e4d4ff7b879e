"""An answer of Prometheus's query API becomes the pages that the pods themselves would have served. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.protocol import MetricName

Pages = Mapping[tuple[str, str], bytes | ScrapeError]
"""By address (host and port) and name of the pod: the page, or why it cannot be used. A pod may have the address of one
that has gone, whose metrics Prometheus still shows."""

_EXPORTED = "exported_"
"""What Prometheus puts before a label of the pod's own where the target has one of the same name."""


class _Series(BaseModel):
    metric: dict[str, str]
    value: tuple[float, str]
    """When, and what."""


class _Vector(BaseModel):
    resultType: Literal["vector"]  # noqa: N815 - its own name
    result: list[_Series]


class _Answer(BaseModel):
    status: Literal["success"]
    data: _Vector


_answers = TypeAdapter(_Answer)


def pages_of(answer: bytes) -> Pages:
    """The pages in an answer; raises ScrapeError for what is none."""
    try:
        found = _answers.validate_json(answer).data.result
    except ValidationError:
        raise ScrapeError("the answer of Prometheus is not that of an instant query") from None
    of_pod: dict[tuple[str, str], list[_Series]] = defaultdict(list)
    for series in found:
        of_pod[series.metric.get("instance", ""), series.metric.get("pod", "")].append(series)
    return {pod: _page(published) for pod, published in of_pod.items()}


def _page(published: list[_Series]) -> bytes | ScrapeError:
    values = {series.metric.get("__name__", ""): series.value[1] for series in published}
    lacks_curve = MetricName.INFO in values and MetricName.CURVE_SCORE not in values
    if lacks_curve and values.get(MetricName.EVALUATIONS_DONE, "0") != "0":
        remedy = "set the chart's metrics.podMonitors.evaluations to true"
        return ScrapeError(f"Prometheus drops {MetricName.CURVE_SCORE}, the scores themselves: {remedy}")
    return "\n".join(sorted(_line(series) for series in published)).encode() + b"\n"


def _line(series: _Series) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in _labels(series.metric).items())
    return f"{series.metric.get('__name__', '')}{{{labels}}} {series.value[1]}"


def _labels(metric: Mapping[str, str]) -> dict[str, str]:
    """Those of the pod's own as it has them, and the target's others."""
    own = {name.removeprefix(_EXPORTED): value for name, value in metric.items() if name.startswith(_EXPORTED)}
    rest = {name: value for name, value in metric.items() if not name.startswith(_EXPORTED) and name != "__name__"}
    return rest | own


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
