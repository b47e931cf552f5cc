"""The benchmark's tables, its page, and how CPU time is told from two clocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import install, page, report
from bench.processes import TICK_NS, Cpu, spent


def record(number: int, gateway: str, part: str, **figures: float | None) -> dict[str, Any]:
    return {"round": number, "gateway": gateway, "part": part, "figures": figures}


def raw(*records: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "date": "2026-11-26T10:00:00+00:00",
        "seconds": 754,
        "rounds": 3,
        "quick": False,
        "machine": "a machine",
        "system": "Linux 6",
        "python": "CPython 3.11",
        "packages": "uvloop 1",
        "load": "wrk",
        "tree": "abc1234",
        "gateways": {"nginx": {"version": "1.22", "note": "forwards"}},
        "records": list(records),
        **more,
    }


ROUNDS = raw(
    *(record(n, "floor", "small", cpu_ms=cpu) for n, cpu in enumerate((0.1, 0.3, 0.2))),
    *(record(n, "entrepot", "small", cpu_ms=cpu) for n, cpu in enumerate((0.5, 0.3, 0.4))),
    *(record(n, "nginx", "small", cpu_ms=0.05) for n in range(3)),
    record(1, "direct", "first", p50_ms=0.25, word_p50_ms=0.25),
    record(1, "floor", "first", p50_ms=0.75, word_p50_ms=None),
    record(1, "entrepot", "first", p50_ms=1.25, word_p50_ms=1.5),
    record(1, "entrepot", "chat to messages", **{"whole.cpu_ms": 0.6, "paced.cpu_us": 50.0}),
    record(1, "entrepot", "crowd 500", streams=500, gap_s=0.2, cpu_us=40.0, stream_kb=25.0),
    record(1, "floor", "sizes", **{"1 KB.cpu_ms": 0.1}),
    record(1, "entrepot", "sizes", **{"1 KB.cpu_ms": 0.25, "4 MB.cpu_ms": 20.0}),
    record(1, "entrepot", "10 routes, 20 rules", cpu_ms=0.4, start_s=1.0, rss_mb=100.0),
    record(1, "entrepot", "1,000 routes", cpu_ms=0.8, start_s=2.0, rss_mb=None),
    record(1, "entrepot", "1 rule", cpu_ms=0.3, start_s=1.0, rss_mb=90.0),
    record(1, "entrepot", "2 workers, shared state", cpu_ms=0.5, rps=9000.0),
    {"round": 1, "gateway": "nginx", "part": "heavy", "wrong": "16 of 16 calls"},
)


def rows(text: str) -> dict[str, list[str]]:
    """Each table row by its first cell."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| "):
            first, *rest = (cell.strip() for cell in line.strip("|").split("|"))
            found.setdefault(first, rest)
    return found


def test_medians_stand_beside_their_ratio_to_the_floor() -> None:
    text = report.text(ROUNDS)
    told = rows(text)
    assert told["small request, CPU ms"] == ["0.200", "0.400 (2.00)", "0.050 (0.25)"]
    # What asking directly takes is no gateway's; what nobody measured is no row.
    assert told["added to the first byte, ms"] == ["0.50", "1.00 (2.00)", "–"]
    assert told["added to the first word, ms"] == ["–", "1.25", "–"]
    assert "30 KB prompt, CPU ms" not in told
    assert "0.100 to 0.300" in text


def test_what_only_ours_has_stands_in_tables_of_its_own() -> None:
    told = rows(report.text(ROUNDS))
    assert told["**Entrepôt**, chat to messages"] == ["0.600 (3.00)", "50.0", "–"]
    assert told["1 KB"] == ["0.100", "0.250 (2.50)"]
    assert told["4 MB"] == ["–", "20.000"]
    assert told["10 routes, 20 rules"] == ["0.400", "1.00", "100"]
    assert told["1,000 routes"] == ["0.800 (2.00)", "2.00", "–"]
    assert told["1 rule"] == ["0.300 (0.75)", "1.00", "90"]
    assert "100 routes" not in told
    assert told["2 workers, shared state"][:2] == ["0.500", "9,000"]


def test_wrong_answers_are_told_and_not_measured() -> None:
    assert "- nginx, heavy: 16 of 16 calls" in report.text(ROUNDS)
    assert "wrong" not in report.text(raw(record(1, "floor", "small", cpu_ms=0.1)))


def test_the_raw_data_are_json_with_a_record_in_each_line() -> None:
    packed = report.packed(ROUNDS)
    assert json.loads(packed) == ROUNDS
    lines = [line for line in packed.splitlines() if '"part"' in line]
    assert len(lines) == len(ROUNDS["records"])


def test_a_run_is_written_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    for _ in range(2):  # a second run takes the place of the first
        written = list(page.write(tmp_path, ROUNDS, "the tables\n"))
        assert written == [tmp_path / "benchmarks/2026-11-26.json", document]
        text = document.read_text(encoding="utf-8")
        assert text.startswith(f"before\n{page.BEGIN}\nthe tables\n")
        assert text.endswith(f"{page.END}\nafter\n")
        assert "old" not in text
        assert "(benchmarks/2026-11-26.json)" in text
    assert json.loads(written[0].read_text(encoding="utf-8")) == ROUNDS


def test_raw_data_that_are_too_large_stay_out_of_the_documents(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"{page.BEGIN}{page.END}", encoding="utf-8")
    many = raw(*(record(n, "floor", "small", cpu_ms=0.1) for n in range(5000)))
    assert list(page.write(tmp_path, many, "x")) == [document]


def test_a_page_without_marks_is_not_touched(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no"):
        list(page.write(tmp_path, ROUNDS, "x"))
    assert document.read_text(encoding="utf-8") == "no marks"


def test_the_documents_have_the_marks() -> None:
    text = (install.ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert text.index(page.BEGIN) < text.index(page.END)


def test_the_exact_clock_is_believed_until_threads_have_ended() -> None:
    second = 1_000_000_000
    assert spent(Cpu(0, 0), Cpu(second, second - TICK_NS)) == (1000.0, False)
    assert spent(Cpu(0, 0), Cpu(second, 2 * second)) == (2000.0, True)
    assert spent(Cpu(5, 0), Cpu(5, TICK_NS)) == (0.0, False)


def test_an_unknown_peer_is_named() -> None:
    with pytest.raises(install.MissingError, match="no peer is called bifrost"):
        install.peer("bifrost")
