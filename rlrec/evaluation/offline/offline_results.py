"""Estimates of policies from a log: table, differences, JSON and plot."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from itertools import combinations
from pathlib import Path
from typing import Any, Self

import pandas as pd

from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.intervals import stretched_interval
from rlrec.evaluation.offline.resampling import Replicates
from rlrec.evaluation.offline.verdict import (
    MODEL_ONLY,
    SUPPORTED,
    UNSUPPORTED,
    Diagnostics,
    Verdict,
)

_FORMAT, _VERSION = "rlrec-offline", 1


@dataclass(frozen=True, kw_only=True)
class OfflineEstimate:
    """What one estimator makes of one policy."""

    policy: str
    estimator: str
    value: float
    lower: float
    """Of the interval; of an unsupported estimate, the lowest value possible."""
    upper: float
    diagnostics: Diagnostics
    unsupported_share: float
    """Share of what the policy does that the log has no support for; nan where unknown."""
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class OfflineFacts:
    """What holds for all estimates."""

    log: str
    unit: str
    """`rounds`, or `sessions` where episodes have several steps."""
    n_rows: int
    n_units: int
    n_users: int
    interval: str
    confidence: float
    discount: float
    n_replicates: int
    seed: int
    value_range: tuple[float, float]
    """Of one unit's value."""
    range_origin: str
    """`given`, or `seen in the log`."""
    logged_value: float
    """Mean value of a unit in the log: what the logging policy earned."""
    caveats: tuple[str, ...] = ()
    """What every estimate rests on, such as propensities that are themselves estimated."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OfflineResults:
    """Estimates of several policies and estimators on the same resamples of one log.

    Stability: experimental.
    """

    estimates: tuple[OfflineEstimate, ...]
    facts: OfflineFacts
    replicates: Mapping[tuple[str, str], Replicates] = field(default_factory=dict)
    """By policy and estimator: the estimate in each bootstrap replicate."""

    def __getitem__(self, key: tuple[str, str]) -> OfflineEstimate:
        """Return the estimate of a policy by an estimator."""
        if not isinstance(key, tuple) or [type(part) for part in key] != [str, str]:
            raise UnknownNameError(
                f"an estimate is found by policy and estimator, as in results['policy', 'ips'], "
                f"got {key!r:.80}"
            )
        for estimate in self.estimates:
            if (estimate.policy, estimate.estimator) == key:
                return estimate
        known = [f"{each.policy}, {each.estimator}" for each in self.estimates]
        hint = nearest_hint(", ".join(key), known)
        raise UnknownNameError(f"no estimate of policy {key[0]!r} by {key[1]!r}.{hint}")

    def table(self) -> pd.DataFrame:
        """Return one row a policy and estimator, with its diagnostics, verdict and reason."""
        return pd.DataFrame([_row(estimate) for estimate in self.estimates])

    def differences(self) -> pd.DataFrame:
        """Return one row a pair of policies and estimator, on the same replicates.

        Columns: `policy`, `other`, `estimator`; `difference` of their values with its interval
        `lower`, `upper`, from the bootstrap whatever the intervals of the estimates are;
        `probability_better`, the share of replicates in which the first is ahead (ties count half);
        `verdict`. Where either is unsupported, so is the difference: the
        interval is the widest possible, and the probability nan.

        Raises:
            ConfigError: There is one policy only.
        """
        names = list(dict.fromkeys(each.policy for each in self.estimates))
        if len(names) < 2:
            raise ConfigError("differences need two policies or more; give them as a dict by name")
        estimators = list(dict.fromkeys(each.estimator for each in self.estimates))
        return pd.DataFrame(
            [
                self._difference(self[a, estimator], self[b, estimator])
                for estimator in estimators
                for a, b in combinations(names, 2)
            ]
        )

    def to_json(self, path: str | Path | None = None) -> str:
        """Return estimates and facts as JSON, and write them to `path` if it is given."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "facts": asdict(self.facts),
            "estimates": [asdict(estimate) for estimate in self.estimates],
        }
        text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote, without replicates.

        Raises:
            DataError: The text is not JSON, or not results of this version.
        """
        try:
            content = json.loads(text)
            if (content["format"], content["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"format {content['format']!r} of version {content['version']!r}")
            facts = content["facts"]
            facts["value_range"] = tuple(_number(end) for end in facts["value_range"])
            facts["logged_value"] = _number(facts["logged_value"])
            facts["caveats"] = tuple(facts["caveats"])
            estimates = tuple(_estimate(parts) for parts in content["estimates"])
            return cls(estimates=estimates, facts=OfflineFacts(**facts))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"these are not offline estimates of rlrec: {error!r}") from error

    def to_html(self, path: str | Path | None = None) -> str:
        """Return table and plot as one HTML file that needs nothing else; write it to `path`."""
        html = render(self)
        if path is not None:
            Path(path).write_text(html, encoding="utf-8")
        return html

    def to_svg(self, path: str | Path | None = None) -> str:
        """Return the plot as SVG: a row an estimate, grey where unsupported; write it to `path`."""
        svg = interval_plot(self)
        if path is not None:
            Path(path).write_text(svg, encoding="utf-8")
        return svg

    def _difference(self, a: OfflineEstimate, b: OfflineEstimate) -> dict[str, Any]:
        named = {"policy": a.policy, "other": b.policy, "estimator": a.estimator}
        words = {a.verdict.word, b.verdict.word}
        difference = a.value - b.value
        low, high = self.facts.value_range
        pair = ((a.policy, a.estimator), (b.policy, b.estimator))
        if UNSUPPORTED in words:
            return named | {
                "difference": difference,
                "lower": low - high,
                "upper": high - low,
                "probability_better": math.nan,
                "verdict": UNSUPPORTED,
            }
        if not all(key in self.replicates for key in pair):
            raise ConfigError("differences need the replicates, which results from JSON lack")
        replicates = self.replicates[pair[0]].minus(self.replicates[pair[1]])
        lower, upper = stretched_interval(replicates, self.facts.confidence)
        drawn = replicates.stretched(self.facts.confidence)
        return named | {
            "difference": difference,
            "lower": lower,
            "upper": upper,
            "probability_better": float(((drawn > 0) + 0.5 * (drawn == 0)).mean()),
            "verdict": MODEL_ONLY if MODEL_ONLY in words else SUPPORTED,
        }


def interval_plot(results: OfflineResults) -> str:
    """Return the estimates as SVG: points with whiskers over one scale, the logged value a line."""
    width, left, right, row_height, top = 760.0, 250.0, 20.0, 26.0, 12.0
    estimates, facts = results.estimates, results.facts
    ends = [facts.logged_value]
    for each in estimates:
        ends += [each.lower, each.upper]
        ends += [each.value] if each.verdict.word != UNSUPPORTED else []
    low, high = _scale(ends)
    height = top + row_height * len(estimates) + 40

    def x(value: float) -> float:
        if math.isnan(value):
            value = low
        share = (min(max(value, low), high) - low) / (high - low)
        return left + (width - left - right) * share

    bottom = height - 34
    parts = []
    for tick in _ticks(low, high):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom:.1f}" '
            f'stroke="#dde3ea"/><text x="{x(tick):.1f}" y="{bottom + 16:.1f}" '
            f'text-anchor="middle" fill="#5c6b7c">{tick:g}</text>'
        )
    logged = x(facts.logged_value)
    parts.append(
        f'<line x1="{logged:.1f}" x2="{logged:.1f}" y1="{top}" y2="{bottom:.1f}" stroke="#8a6d4b" '
        f'stroke-dasharray="5 4"/><text x="{logged:.1f}" y="{height - 3:.1f}" '
        f'text-anchor="middle" fill="#8a6d4b">as logged</text>'
    )
    for number, each in enumerate(estimates):
        y = top + row_height * (number + 0.5)
        colour = _COLOURS[each.verdict.word]
        label = escape(f"{each.policy}, {each.estimator}")
        parts.append(
            f'<text x="{left - 12:.1f}" y="{y + 4:.1f}" text-anchor="end" fill="#1d2733">{label}'
            f'</text><line x1="{x(each.lower):.1f}" x2="{x(each.upper):.1f}" y1="{y:.1f}" '
            f'y2="{y:.1f}" stroke="{colour}" stroke-width="4" stroke-linecap="round">'
            f"<title>{label}: {escape(_told(each))}</title></line>"
        )
        if each.verdict.word != UNSUPPORTED and math.isfinite(each.value):
            parts.append(f'<circle cx="{x(each.value):.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12.5" '
        f'aria-label="Estimated values with intervals">{"".join(parts)}</svg>'
    )


def render(results: OfflineResults) -> str:
    """Return table, plot and facts as HTML."""
    facts = results.facts
    head = "".join(f"<th>{escape(title)}</th>" for title in _TITLES)
    rows = "".join(
        f'<tr class="{each.verdict.word.replace(" ", "-")}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in table_cells(each))
        + "</tr>"
        for each in results.estimates
    )
    low, high = facts.value_range
    words = (
        f"{facts.n_units:,} {facts.unit} of {facts.n_users:,} users in {facts.log}, worth "
        f"{facts.logged_value:.6g} each as logged. Intervals: {facts.interval}, "
        f"{facts.confidence:.0%}. Unsupported estimates have the whole range of one unit's value, "
        f"{low:g} to {high:g} ({facts.range_origin})."
    )
    notes = "".join(f"<p>{escape(caveat)}</p>" for caveat in facts.caveats)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Offline estimates</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Offline estimates</h1><p>{escape(words)}</p>{notes}{interval_plot(results)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></main></body></html>\n"
    )


_TITLES = (
    "policy",
    "estimator",
    "value",
    "interval",
    "effective sample",
    "largest weight",
    "mean weight",
    "no support",
    "verdict",
)


def table_titles() -> list[str]:
    """Return the titles of a table for people."""
    return list(_TITLES)


def table_cells(estimate: OfflineEstimate) -> list[str]:
    """Return one row of a table for people."""
    weights = estimate.diagnostics
    return [
        estimate.policy,
        estimate.estimator,
        f"{estimate.value:.4g}",
        f"{estimate.lower:.4g} to {estimate.upper:.4g}",
        _cell(weights.effective_sample_size, ",.0f"),
        _cell(weights.largest_weight, ".3g"),
        _cell(weights.mean_weight, ".3f", f" ± {weights.mean_weight_error:.3f}"),
        _cell(estimate.unsupported_share, ".1%"),
        _told(estimate),
    ]


def _cell(value: float, form: str, rest: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{form}}{rest}"


def _told(estimate: OfflineEstimate) -> str:
    verdict = estimate.verdict
    return f"{verdict.word}: {verdict.reason}" if verdict.reason else verdict.word


def _row(estimate: OfflineEstimate) -> dict[str, Any]:
    weights = estimate.diagnostics
    return {
        "policy": estimate.policy,
        "estimator": estimate.estimator,
        "value": estimate.value,
        "lower": estimate.lower,
        "upper": estimate.upper,
        "effective_sample_size": weights.effective_sample_size,
        "largest_weight": weights.largest_weight,
        "unsupported_share": estimate.unsupported_share,
        "mean_weight": weights.mean_weight,
        "mean_weight_error": weights.mean_weight_error,
        "verdict": estimate.verdict.word,
        "reason": estimate.verdict.reason,
    }


def _without_nan(value: Any) -> Any:
    """Return JSON values with null for nan, and text for infinities."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _estimate(parts: dict[str, Any]) -> OfflineEstimate:
    weights = {name: _number(value) for name, value in parts["diagnostics"].items()}
    numbers = {
        name: _number(parts[name]) for name in ("value", "lower", "upper", "unsupported_share")
    }
    return OfflineEstimate(
        policy=parts["policy"],
        estimator=parts["estimator"],
        diagnostics=Diagnostics(**weights),
        verdict=Verdict(**parts["verdict"]),
        **numbers,
    )


def _scale(ends: list[float]) -> tuple[float, float]:
    """Return where the plot begins and ends: a little outside of all finite `ends`."""
    finite = [min(max(end, -_LARGEST), _LARGEST) for end in ends if math.isfinite(end)] or [0.0]
    low, high = min(finite), max(finite)
    # Where all are (nearly) one large number, a fixed margin would vanish beside it.
    smallest = 1e-9 * max(abs(low), abs(high))
    margin = 0.04 * max((high - low) or 1.0, smallest)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers between `low` and `high`."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if 5.5 * power * factor >= high - low)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(index * step, 12) for index in range(first, last + 1)]


_LARGEST = 1e300
"""What is further out is drawn at the edge."""

_COLOURS = {SUPPORTED: "#2f5d8a", MODEL_ONLY: "#e0882f", UNSUPPORTED: "#c9ced6"}

_STYLE = """
body { margin: 0; background: #f4f6f9; color: #1d2733;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 28px 20px 60px; }
svg { display: block; width: 100%; height: auto; background: #fff; border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin-top: 18px; }
th, td { padding: 6px 10px; text-align: left; border-bottom: 1px solid #dde3ea;
  font-variant-numeric: tabular-nums; }
th { color: #5c6b7c; font-size: 13px; }
tr.unsupported td { color: #5c6b7c; }
"""
