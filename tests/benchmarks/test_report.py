"""What is made of the benchmarks' samples; the measuring itself is `make bench ARGS=--quick`."""

from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.bench import Amounts
from benchmarks.bounds import BOUNDS, judge
from benchmarks.document import BEGIN, END, write_document
from benchmarks.errors import BenchError
from benchmarks.pacing import percentile
from benchmarks.report import format_markdown, format_text
from benchmarks.results import Results, from_document, to_document
from benchmarks.samples import Sample, Samples

RATE = "warm.requests_per_s"
CPU = "warm.cpu_us_per_request"


def rounds(figure: str, program: str, *values: float) -> list[Sample]:
    return [Sample(figure, program, number, value) for number, value in enumerate(values)]


def results_of(samples: list[Sample]) -> Results:
    return Results(
        measured_at="2026-11-25T02:00:00+00:00",
        machine={
            "processor": "a processor",
            "cores": "2",
            "system": "Linux 6",
            "python": "3.11",
            "load_before": "0.10",
        },
        programs={"nginx": "1.22.1"},
        amounts=asdict(Amounts()),
        missing=["haproxy"],
        failed={},
        is_whole=True,
        samples=Samples(samples),
    )


SOME = rounds(RATE, "sidecar", 30_000, 20_000) + rounds(RATE, "envoy", 15_000, 8_000)


def test_a_ratio_compares_within_each_round() -> None:
    samples = Samples(rounds(RATE, "sidecar", 10, 300, 80) + rounds(RATE, "envoy", 5, 100, 80))
    assert samples.ratio(RATE, "sidecar", "envoy") == 2
    assert samples.median(RATE, "sidecar") == 80


def test_a_ratio_leaves_out_rounds_in_which_one_side_is_missing() -> None:
    samples = Samples(rounds(RATE, "sidecar", 10, 300) + rounds(RATE, "envoy", 5))
    assert samples.ratio(RATE, "sidecar", "envoy") == 2
    assert samples.ratio(RATE, "sidecar", "haproxy") is None


def test_what_was_intercepted_stands_beside_what_was_not() -> None:
    rate, speed = "intercepted.requests_per_s", "opaque_upload.mib_per_s"
    text = format_markdown(
        results_of(
            rounds(rate, "direct", 20_000, 15_000, 10_000)
            + rounds(rate, "sidecar", 19_000, 14_550, 9_800)
            + rounds(speed, "haproxy", 1000)
            + rounds(speed, "sidecar", 400)
        )
    )
    assert "| requests/s, beside addressed directly | 15,000 | 14,550 | 0.97 x |" in text
    assert "| requests/s intercepted, of direct | >= 0.95 x | 0.97 x | - | met |" in text
    assert "| opaque upload, of HAProxy's in TCP mode | >= 0.5 x | 0.40 x | - | NOT MET |" in text


def test_a_percentile_is_one_of_the_values() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert percentile(ordered, 0.5) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


def test_a_bound_is_met_at_its_limit_and_not_beyond() -> None:
    def verdict(value: float) -> bool | None:
        samples = Samples([Sample("memory.idle_mib", "sidecar", 0, value)])
        return next(j.is_met for j in judge(samples) if j.bound.figure == "memory.idle_mib")

    assert verdict(64.0) is True
    assert verdict(64.1) is False


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    verdicts = judge(Samples([]))
    assert len(verdicts) == len(BOUNDS)
    assert {judged.is_met for judged in verdicts} == {None}


def test_a_report_shows_medians_ratios_and_verdicts() -> None:
    cpu = rounds(CPU, "sidecar", 25, 25) + rounds(CPU, "envoy", 60, 60)
    text = format_text(results_of(SOME + cpu))
    assert "25,000" in text
    row = next(line for line in text.splitlines() if line.startswith("requests/s warm, of Envoy"))
    assert row.split()[-5:] == ["2.25", "x", "2.40", "x", "met"]
    assert "Not installed, so not measured: haproxy" in text


def test_results_are_the_same_after_they_were_written_and_read() -> None:
    results = results_of(SOME)
    again = from_document(to_document(results))
    assert format_text(again) == format_text(results)


def test_the_document_keeps_its_words_and_gets_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"Before.\n\n{BEGIN}\n\nLast year.\n\n{END}\n\nAfter.\n")
    for _ in range(2):
        write_document(page, results_of(SOME))
    text = page.read_text()
    assert text.startswith(f"Before.\n\n{BEGIN}")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "Last year" not in text
    assert text.count(format_markdown(results_of(SOME))) == 1
    picture = ElementTree.parse(page.with_name("performance.svg"))
    assert any("25,000" in (element.text or "") for element in picture.iter())


def test_a_partial_run_does_not_get_into_the_document(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    with pytest.raises(BenchError, match="whole run"):
        write_document(page, replace(results_of(SOME), is_whole=False))


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("Nothing here.\n")
    with pytest.raises(BenchError, match="has not one"):
        write_document(page, results_of(SOME))
    assert page.read_text() == "Nothing here.\n"


def test_the_projects_page_has_its_marks() -> None:
    page = Path(__file__).parents[2] / "docs" / "performance.md"
    text = page.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
