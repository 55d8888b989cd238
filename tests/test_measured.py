"""The table of results: the seeds of one model together, another model's values apart."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """benchmarks/measured.py, its table in a folder of the test's own."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "measured", raising=False)
    import measured

    monkeypatch.setattr(measured, "RESULTS", tmp_path / "quality.json")
    return measured


def a_row(value, parameters=10, dataset="trec"):
    return {
        "dataset": dataset,
        "model": "M",
        "metric": "%",
        "value": value,
        "published": 88.2,
        "parameters": parameters,
    }


def test_record_gives_the_mean_and_the_spread_over_seeds(measured):
    for seed, value in ((1, 88.0), (3, 89.0), (2, 87.0), (1, 90.0)):  # seed 1 is measured again
        measured.record(a_row(value), seed, "trec")
    measured.record(a_row(70.0, dataset="bag"), 1, "bag")
    bag, trec = json.loads(measured.RESULTS.read_text())
    assert trec["values"] == {"1": 90.0, "2": 87.0, "3": 89.0}
    assert trec["value"] == pytest.approx(88.6667) and trec["spread"] == 3.0
    assert trec["command"] == "python benchmarks/quality.py trec --seeds 3"
    assert bag["value"] == 70.0 and bag["spread"] == 0


def test_record_drops_the_values_of_another_model(measured):
    measured.record(a_row(88.0), 1, "trec")
    measured.record(a_row(80.0, parameters=11), 2, "trec")
    (row,) = json.loads(measured.RESULTS.read_text())
    assert row["values"] == {"2": 80.0} and row["value"] == 80.0
