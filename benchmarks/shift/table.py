"""The tables of the benchmark in Markdown, from the scores of all arms. Opens nothing but these."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.shift.cases import CASES
from benchmarks.shift.measures import captured_gain, gap_closed, is_harm, mean_and_spread, rank_correlation

Row = Mapping[str, Any]
_NONE = "-"


@dataclass(frozen=True, slots=True)
class Pair:
    """All that is known of one case and seed."""

    case: str
    seed: int
    arms: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    """Rows by arm, the final one first."""

    def final(self, arm: str) -> float | None:
        """Mean IoU that an arm ends at, points; a method that failed leaves the source."""
        rows = self.arms.get(arm)
        if not rows:
            return None
        return rows[0].get("miou", self.final("source") if arm != "source" else None)

    def candidates(self, arm: str) -> tuple[Row, ...]:
        """Scored candidates of an arm, the source among them."""
        return tuple(row for row in self.arms.get(arm, ())[1:] if "miou" in row)

    def best(self, arm: str) -> float | None:
        """Mean IoU of the candidate that hidden labels would choose; the source's where there is none better."""
        found = [row["miou"] for row in self.candidates(arm)]
        source = self.final("source")
        return max([*found, source]) if found and source is not None else None

    def gain(self, arm: str) -> float | None:
        """Points above the source."""
        return _both(self.final(arm), self.final("source"), lambda adapted, source: adapted - source)

    def closed(self, arm: str) -> float | None:
        """Share of the gap to the oracle that an arm closes."""
        source, adapted, oracle = self.final("source"), self.final(arm), self.final("oracle")
        return None if source is None or adapted is None or oracle is None else gap_closed(source, adapted, oracle)

    def captured(self, arm: str) -> float | None:
        """Share of the best candidate's gain."""
        source, chosen, best = self.final("source"), self.final(arm), self.best(arm)
        return None if source is None or chosen is None or best is None else captured_gain(source, chosen, best)

    def regret(self, arm: str) -> float | None:
        """Points between the best candidate and the one chosen."""
        return _both(self.best(arm), self.final(arm), lambda best, chosen: best - chosen)

    def correlation(self, arm: str) -> float | None:
        """Of consistency and hidden scores over the candidates."""
        rows = [row for row in self.candidates(arm) if row.get("consistency") is not None]
        return rank_correlation([row["consistency"] for row in rows], [row["miou"] for row in rows])

    @property
    def estimate(self) -> Row:
        """Of the shift report; empty without one."""
        rows = self.arms.get("shift")
        return rows[0] if rows else {}

    @property
    def estimate_error(self) -> float | None:
        """Points between the expected mean IoU of the source and the hidden one."""
        return _both(self.estimate.get("expected"), self.final("source"), lambda expected, true: expected - true)


def read_pairs(results: Path, pairs: Iterable[tuple[str, int]]) -> list[Pair]:
    """Scores of the cases and seeds, as far as they are there."""
    found = []
    for case, seed in pairs:
        pair = Pair(case, seed)
        for file in sorted(results.glob(f"{case}-{seed}-*.jsonl")):
            rows = tuple(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
            pair.arms[file.stem.removeprefix(f"{case}-{seed}-")] = rows
        found.append(pair)
    return found


def tables(pairs: Sequence[Pair], arms: Sequence[str]) -> str:
    """All tables; cells are means over seeds, ± half the range."""
    parts = [
        ("Mean IoU on the target, points", _scores(pairs, arms)),
        ("What each arm does", _summary(pairs, arms)),
        ("Selector", _selector(pairs)),
        ("Share of the gap to the oracle that is closed, per cent", _closed(pairs)),
        ("Shift report", _estimates(pairs)),
    ]
    return "\n".join(f"### {title}\n\n{table}" for title, table in parts)


def _scores(pairs: Sequence[Pair], arms: Sequence[str]) -> str:
    columns: dict[str, Callable[[Pair], float | None]] = {"source": lambda pair: pair.final("source")}
    columns |= {arm: lambda pair, arm=arm: pair.final(arm) for arm in arms}
    columns["best candidate"] = lambda pair: pair.best("auto")
    columns["oracle"] = lambda pair: pair.final("oracle")
    return _by_case(pairs, columns, digits=1)


def _selector(pairs: Sequence[Pair]) -> str:
    columns: dict[str, Callable[[Pair], float | None]] = {}
    for arm in ("auto", "free"):
        columns |= {
            f"{arm}: captured, %": lambda pair, arm=arm: _percent(pair.captured(arm)),
            f"{arm}: regret": lambda pair, arm=arm: pair.regret(arm),
            f"{arm}: Spearman x 100": lambda pair, arm=arm: _percent(pair.correlation(arm)),
        }
    return _by_case(pairs, columns, digits=1, chosen=True)


def _closed(pairs: Sequence[Pair]) -> str:
    arms = [arm for arm in ("auto", "free", "selftrain") if any(pair.gain(arm) is not None for pair in pairs)]
    return _by_case(pairs, {arm: lambda pair, arm=arm: _percent(pair.closed(arm)) for arm in arms}, digits=0)


def _estimates(pairs: Sequence[Pair]) -> str:
    columns: dict[str, Callable[[Pair], float | None]] = {
        "true": lambda pair: pair.final("source"),
        "expected": lambda pair: pair.estimate.get("expected"),
        "error": lambda pair: pair.estimate_error,
        "competence AUROC x 100": lambda pair: _percent(pair.estimate.get("auroc")),
    }
    errors = [error for pair in pairs if (error := pair.estimate_error) is not None]
    told = f"\nWithin 8 points: {sum(abs(error) <= 8 for error in errors)} of {len(errors)}.\n" if errors else ""
    return _by_case(pairs, columns, digits=1) + told


def _summary(pairs: Sequence[Pair], arms: Sequence[str]) -> str:
    lines = [
        "| arm | pairs | harm | worst loss | mean gain | gap closed, % | seconds | peak MB | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for arm in arms:
        there = [pair for pair in pairs if pair.gain(arm) is not None]
        if not there:
            continue
        gains = [gain for pair in there if (gain := pair.gain(arm)) is not None]
        firsts = [pair.arms[arm][0] for pair in there]
        closed = mean_and_spread([pair.closed(arm) for pair in there])
        harmed = sum(is_harm(0.0, gain) for gain in gains)
        cells = [
            arm,
            str(len(there)),
            str(harmed),
            f"{min(gains):+.1f}",
            f"{sum(gains) / len(gains):+.1f}",
            _NONE if closed is None else f"{100 * closed[0]:.0f}",
            f"{sum(row['seconds'] for row in firsts) / len(firsts):.0f}",
            str(max(row["memory_mb"] for row in firsts)),
            str(sum(row.get("error") is not None for row in firsts)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _by_case(
    pairs: Sequence[Pair],
    columns: Mapping[str, Callable[[Pair], float | None]],
    *,
    digits: int,
    chosen: bool = False,
) -> str:
    names = [*columns, *(["chosen by auto"] if chosen else [])]
    lines = [f"| case | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    for case in [name for name in CASES if any(pair.case == name for pair in pairs)]:
        own = [pair for pair in pairs if pair.case == case]
        cells = [_cell([value(pair) for pair in own], digits) for value in columns.values()]
        cells += [", ".join(_choice(pair) for pair in own)] if chosen else []
        lines.append(f"| {case} | {' | '.join(cells)} |")
    every = [_cell([value(pair) for pair in pairs], digits, spread=False) for value in columns.values()]
    lines.append(f"| mean | {' | '.join([*every, *([''] if chosen else [])])} |")
    return "\n".join(lines) + "\n"


def _choice(pair: Pair) -> str:
    return next((str(row["label"]) for row in pair.candidates("auto") if row.get("chosen")), _NONE)


def _cell(numbers: Sequence[float | None], digits: int, *, spread: bool = True) -> str:
    found = mean_and_spread(numbers)
    if found is None:
        return _NONE
    mean, half = found
    return f"{mean:.{digits}f} ± {half:.{digits}f}" if spread else f"{mean:.{digits}f}"


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _both(first: float | None, second: float | None, combine: Callable[[float, float], float]) -> float | None:
    return None if first is None or second is None else combine(first, second)
