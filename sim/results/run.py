"""What came out of a run: events and the yearly table of every arm and replicate, and the tables made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine.columns import ECONOMY, EVENT, FLOWS, MINOR_UNITS, PAYMENT, SOURCES
from sim.engine.rows import execute, rows_of, structures
from sim.results.arm import BASELINE, SIZE_CLASSES, Arm
from sim.results.effects import effect, policies
from sim.results.measures import bands
from sim.scenario.errors import refused
from sim.scenario.places import MEMORY_LIMIT
from sim.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

_TOLD = (0.05, 0.5, 0.95)
"""Quantiles over replicates that a summary tells."""


def run(
    scenario: Scenario,
    replicates: int | None = None,
    seed: int | None = None,
    policy: str | Sequence[str] | None = "all",
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Results:
    """Run the baseline and policy arms under the same luck.

    `policy`: "all", "none" or None (the baseline alone), a policy's name, or several. `progress(arm, done, total)`.
    Raises InputError for an unknown policy. The same scenario, seed and replicate give the same events, whatever
    `threads` is.
    """
    count = scenario.replicates if replicates is None else int(replicates)
    if count < 1:
        raise ValueError(f"replicates is {count}; at least 1 is needed")
    used = scenario.seed if seed is None else int(seed)
    planned = plan(scenario, policy, count)
    names, scenarios = list(planned), list(planned.values())
    arms = {}
    done = 0
    for name, arm, shared in zip(names, scenarios, structures(scenarios), strict=True):
        rows = rows_of(arm, used, np.arange(count))

        def tell(more: int, name: str = name) -> None:
            nonlocal done
            done += more
            if progress:
                progress(name, done, count * len(names))

        batch = execute(shared, rows, used, threads, tell)
        title = scenario.policies[name].title if name in scenario.policies else "Baseline"
        arms[name] = Arm(name, title, arm, shared, rows, batch)
    return Results(scenario, arms, count, used)


def plan(scenario: Scenario, policy: str | Sequence[str] | None, replicates: int) -> dict[str, Scenario]:
    """The arms that a run would have, by name; raises InputError for an unknown policy or an absurd size."""
    names = arm_names(scenario, policy)
    _refuse_absurd(scenario, replicates, len(names))
    return {name: scenario.arm(name) for name in names}


def _refuse_absurd(scenario: Scenario, replicates: int, arms: int) -> None:
    """Raises InputError when the events of so many replicates could not be held in memory."""
    cells = len(scenario.places.id) * len(scenario.technologies.id)
    years = scenario.end.year - scenario.start.year + 1
    yearly = (len(scenario.regions.id) + 1) * years * 8 * (len(FLOWS) + len(ECONOMY))
    size = arms * replicates * (cells * (EVENT.itemsize + PAYMENT.itemsize) + yearly)
    what = f"{replicates} replicates of {arms} arms"
    refuse_size(what, size, replicates, "replicates; `uptake sweep` keeps no events")


def refuse_size(what: str, size: int, count: int, unit: str) -> None:
    """Raises InputError where `what` needs more than the memory that is allowed, and says how many units would fit."""
    if size > MEMORY_LIMIT:
        most = max(1, int(count * MEMORY_LIMIT / size))
        allowed = f"up to {MEMORY_LIMIT / 2**30:g} GB, about {most} {unit}"
        raise refused("replicates", f"{what} may need {size / 2**30:,.0f} GB", allowed)


def arm_names(scenario: Scenario, policy: str | Sequence[str] | None) -> list[str]:
    """The arms that `policy` asks for, the baseline first."""
    if policy in (None, "none", BASELINE):
        return [BASELINE]
    if policy == "all":
        return [BASELINE, *scenario.policies]
    chosen = [policy] if isinstance(policy, str) else list(policy or ())
    return [BASELINE, *(name for name in dict.fromkeys(chosen) if name != BASELINE)]


@dataclass(frozen=True)
class Results:
    """A run: every arm's events and yearly table. Tables are pandas DataFrames, made when they are asked for."""

    scenario: Scenario
    arms: dict[str, Arm]
    replicates: int
    seed: int

    @property
    def baseline(self) -> Arm:
        """The arm without any policy."""
        return self.arms[BASELINE]

    @property
    def instants(self) -> np.ndarray:
        """Dates of all instants, datetime64[D][T + 1]."""
        return self.scenario.instants

    @cached_property
    def events(self) -> pd.DataFrame:
        """Every adoption of every arm and replicate; dates are instants, money is millions of the currency."""
        import pandas as pd

        return pd.concat([events_frame(arm) for arm in self.arms.values()], ignore_index=True)

    @cached_property
    def outages(self) -> pd.DataFrame:
        """Every incident: replicate, policy, municipality, and from when until when its technologies were down."""
        import pandas as pd

        frames = []
        for arm in self.arms.values():
            found = arm.batch.outages
            frames.append(
                pd.DataFrame(
                    {
                        "replicate": arm.rows.replicates[arm.batch.outage_rows],
                        "policy": _category(np.zeros(len(found), int), [arm.name], list(self.arms)),
                        "municipality": _category(found["place"], arm.places),
                        "start": _dates(arm.scenario, found["start"]),
                        "stop": _dates(arm.scenario, found["stop"]),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def regions(self) -> pd.DataFrame:
        """The yearly table: GRP, industry, urban population, share operating, and money flows by region and tier."""
        import pandas as pd

        return pd.concat([regions_frame(arm) for arm in self.arms.values()], ignore_index=True)

    def measure(self, name: str, policy: str = BASELINE) -> np.ndarray:
        """One measure of an arm by replicate and instant, float64[replicates, T + 1]. Names: see Arm.measures."""
        arm = self.arms[policy]
        return arm.series(arm.measures()[name])

    def share(self, by: str = "technology") -> pd.DataFrame:
        """Share of focus municipalities operating: mean and quantiles over replicates.

        `by`: technology, domain, size (coverage of large, medium and small cities) or measure (coverage, people,
        index). Columns: policy, date, `by`, mean, q05, q25, q50, q75, q95.
        """
        import pandas as pd

        return pd.concat([self._bands(arm, by) for arm in self.arms.values()], ignore_index=True)

    def _bands(self, arm: Arm, by: str) -> pd.DataFrame:
        import pandas as pd

        found = groups(arm, by)
        dates = self.instants.astype("datetime64[s]")
        told = [bands(arm.series(weights)) for weights in found.values()]
        return pd.DataFrame(
            {
                "policy": _category(np.zeros(len(found) * len(dates), int), [arm.name], list(self.arms)),
                "date": np.tile(dates, len(found)),
                by: np.repeat(np.array(list(found), dtype=object), len(dates)),
                **{name: np.concatenate([band[name] for band in told]) for name in told[0]},
            }
        )

    def effects(self, dates: Sequence[str | np.datetime64] | None = None) -> pd.DataFrame:
        """Paired differences of each arm from the baseline, replicate by replicate, since all meet the same luck.

        Columns: policy, measure, date, mean (of the differences), low and high (its 95 % Monte Carlo interval), q05
        and q95 (spread over replicates), baseline (mean there). Neither is uncertainty about the world.
        """
        return self._usual_effects.copy() if dates is None else self._effects(dates)

    @cached_property
    def _usual_effects(self) -> pd.DataFrame:
        return self._effects(None)

    def _effects(self, dates: Sequence[str | np.datetime64] | None) -> pd.DataFrame:
        import pandas as pd

        at = self.effect_instants(dates)
        base = {name: self.baseline.series(weights)[:, at] for name, weights in self.baseline.measures().items()}
        rows = []
        for arm in policies(self):
            for name, weights in arm.measures().items():
                values = arm.series(weights)[:, at]
                for t in range(len(at)):
                    found = effect(values[:, t], base[name][:, t])
                    told = (found.mean, found.low, found.high, found.q05, found.q95, base[name][:, t].mean())
                    rows.append((arm.name, name, self.instants[at[t]], *told))
        columns = ["policy", "measure", "date", "mean", "low", "high", "q05", "q95", "baseline"]
        return pd.DataFrame(rows, columns=columns)

    def effect_instants(self, dates: Sequence[str | np.datetime64] | None = None) -> np.ndarray:
        """The instants at which effects are told: the given dates, or the targets' dates and the end."""
        if dates is None:
            found = [target.date for target in self.scenario.targets.values() if target.date is not None]
            steps = [self.scenario.step_of(date) for date in found]
        else:
            steps = [self.scenario.step_of(date) for date in dates]
        last = self.scenario.steps
        if dates is None:
            steps.append(last)
        return np.array(sorted({step for step in steps if 0 <= step <= last}), dtype=np.int64)

    def guides(self, policy: str = BASELINE) -> pd.DataFrame:
        """Who guided whom: mean adoptions a replicate by guide, adopter and channel (the model's attribution)."""
        import pandas as pd

        arm = self.arms[policy]
        events = arm.batch.events
        events = events[events["guide"] >= 0]
        count = len(arm.places)
        key = (events["source"].astype(np.int64) * count + events["guide"]) * count + events["place"]
        pairs, number = np.unique(key, return_counts=True)
        rest, adopter = np.divmod(pairs, count)
        source, guide = np.divmod(rest, count)
        frame = pd.DataFrame(
            {
                "guide": _category(guide, arm.places),
                "adopter": _category(adopter, arm.places),
                "channel": _category(source, SOURCES),
                "mean": number / self.replicates,
            }
        )
        return frame.sort_values("mean", ascending=False, ignore_index=True, kind="stable")

    def sources(self) -> pd.DataFrame:
        """Mean number of adoptions a replicate by arm, technology and source; initial portfolios left out."""
        import pandas as pd

        rows = []
        for arm in self.arms.values():
            events = arm.batch.events
            key = events["technology"].astype(np.int64) * len(SOURCES) + events["source"]
            number = np.bincount(key, minlength=len(SOURCES) * len(arm.counted)).reshape(-1, len(SOURCES))
            for k, technology in enumerate(arm.scenario.technologies.id):
                for source in range(1, len(SOURCES)):
                    rows.append((arm.name, technology, SOURCES[source], number[k, source] / self.replicates))
        return pd.DataFrame(rows, columns=["policy", "technology", "source", "mean"])

    @cached_property
    def plot(self) -> Any:
        """The pictures of the report, each a method that returns a matplotlib Figure: results.plot.map()."""
        return _picture_maker("plot")(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer in sentences and the main figures."""
        return str(_picture_maker("html")(self))

    @property
    def headline(self) -> list[str]:
        """The measures that a summary tells: the targeted technologies, and coverage."""
        targeted = dict.fromkeys(target.technology for target in self.scenario.targets.values())
        return [*targeted, "coverage"]

    def summary(self) -> str:
        """What a run found, in a few lines for people."""
        lines = [self.scenario.title, f"{self.replicates} replicates of each arm, seed {self.seed}", ""]
        instants, effects = self.effect_instants(), self.effects()
        for name in self.headline:
            values = self.measure(name)
            for at in instants:
                low, middle, high = np.quantile(values[:, at], _TOLD)
                date = str(self.instants[at])[:7]
                lines.append(f"{name:>12} at {date}: {middle:6.1%}  (5-95 %: {low:.1%} to {high:.1%})")
        if len(effects):
            last = effects[(effects["measure"] == "coverage") & (effects["date"] == effects["date"].max())]
            when = str(self.instants[instants[-1]])[:7]
            lines += ["", f"Change in coverage at {when}, in percentage points (95 % interval of the mean):"]
            lines += [
                f"{100 * row.mean:+8.1f}  ({100 * row.low:+.1f} to {100 * row.high:+.1f})  {row.policy}"
                for row in last.itertuples()
            ]
        return "\n".join(lines)

    def told(self) -> dict[str, Any]:
        """What a run found, for machines."""
        effects = self.effects()
        quantiles = {
            name: {
                str(self.instants[at]): dict(
                    zip(("q05", "q50", "q95"), np.quantile(values[:, at], _TOLD).tolist(), strict=True)
                )
                for at in self.effect_instants()
            }
            for name, values in ((name, self.measure(name)) for name in self.headline)
        }
        return {
            "scenario": self.scenario.name,
            "replicates": self.replicates,
            "seed": self.seed,
            "policies": list(self.arms),
            "measures": quantiles,
            "effects": effects.assign(date=effects["date"].astype(str)).to_dict("records"),
        }

    def __repr__(self) -> str:
        """A line that says what was run."""
        arms = ", ".join(self.arms)
        return f"<Results of {self.scenario.name!r}: {self.replicates} replicates, seed {self.seed}, arms {arms}>"


def groups(arm: Arm, by: str) -> dict[str, np.ndarray]:
    """Named weights [n, K] for `Arm.series`, by technology, domain, size or measure."""
    found = arm.measures()
    if by == "technology":
        return {name: found[name] for name in arm.scenario.technologies.id}
    if by == "domain":
        domain = np.array(arm.scenario.technologies.domain)
        names = dict.fromkeys(name for name, counted in zip(domain, arm.counted, strict=True) if counted)
        return {str(name): arm.share_weights((domain == name) & arm.counted) for name in names}
    if by == "size":
        return {name: found[name] for name, _, _ in SIZE_CLASSES if name in found}
    if by == "measure":
        return {name: found[name] for name in ("coverage", "people", "index")}
    raise ValueError(f"by is {by!r}; allowed: technology, domain, size, measure")


def _picture_maker(name: str) -> Callable[[Results], Any]:
    """What draws results: found by its entry point, since results know nothing of reports, and others may draw them."""
    from importlib.metadata import entry_points

    for entry in entry_points(group="uptake.pictures", name=name):
        return entry.load()
    message = "nothing draws results here: uptake is not installed, or was installed before it came to say what draws"
    raise refused(f"results.{name}", message, "pip install -e . in the project's folder")


def events_frame(arm: Arm) -> pd.DataFrame:
    """One arm's events as a DataFrame, money in millions."""
    import pandas as pd

    scenario, places, batch, events = arm.scenario, arm.places, arm.batch, arm.batch.events
    columns: dict[str, Any] = {
        "replicate": arm.rows.replicates[batch.event_rows].astype(np.int32),
        "policy": _category(np.zeros(len(events), int), [arm.name], [BASELINE, *scenario.policies]),
        "municipality": _category(events["place"], places),
        "technology": _category(events["technology"], scenario.technologies.id),
        "spell": events["spell"],
    }
    for name in ("wanted", "adopted", "operating", "ended"):
        columns[name] = _dates(scenario, events[name])
    columns["source"] = _category(events["source"], SOURCES)
    columns["guide"] = _category(events["guide"], places)
    paid = {name: batch.payments[name] / MINOR_UNITS for name in ("own", "regional", "federal", "private")}
    if not len(batch.payments):
        paid = {name: np.zeros(len(events)) for name in paid}
    columns["cost"] = sum(paid.values())
    return pd.DataFrame({**columns, **paid})


def regions_frame(arm: Arm) -> pd.DataFrame:
    """One arm's yearly table: a row for each replicate, region (and `federal`) and year; money in millions."""
    import pandas as pd

    tables, ledgers = arm.batch.tables, arm.batch.ledgers
    replicates, areas, years = ledgers.shape[:3]
    first = arm.scenario.start.year
    used = [r for r in range(areas - 1) if arm.shared.regions["stop"][r] > arm.shared.regions["start"][r]]
    names = [*(arm.scenario.regions.id[r] for r in used), "federal"]
    size = replicates * len(names) * years
    replicate, region, year = np.unravel_index(np.arange(size), (replicates, len(names), years))
    columns: dict[str, Any] = {
        "replicate": arm.rows.replicates[replicate].astype(np.int32),
        "policy": _category(np.zeros(size, int), [arm.name], [BASELINE, *arm.scenario.policies]),
        "region": _category(region, names),
        "year": (first + year).astype(np.int32),
    }
    padded = np.full((replicates, len(names), years, len(ECONOMY)), np.nan)
    padded[:, :-1] = tables[:, used]
    for at, name in enumerate(ECONOMY):
        columns[name] = padded[..., at].ravel()
    money = ledgers[:, [*used, areas - 1]]
    for at, name in enumerate(FLOWS):
        unit = 1 if name == "unpaid" else MINOR_UNITS
        columns[name] = (money[..., at] / unit).ravel()
    return pd.DataFrame(columns)


def _category(codes: np.ndarray, names: Sequence[str], known: Sequence[str] | None = None) -> pd.Categorical:
    """Codes (below 0: none) of `names` as a category, among the `known` names if those are more."""
    import pandas as pd

    codes = np.asarray(codes, dtype=np.int64)
    if known is not None:
        codes = np.array([list(known).index(name) for name in names], dtype=np.int64)[codes]
    return pd.Categorical.from_codes(codes, list(known or names))  # type: ignore[call-overload]


def _dates(scenario: Scenario, steps: np.ndarray) -> np.ndarray:
    """Instants in steps as dates, datetime64[s]; below 0 and beyond the end: not a time."""
    calendar = np.r_[scenario.instants.astype("datetime64[s]"), np.datetime64("NaT", "s")]
    inside = (steps >= 0) & (steps <= scenario.steps)
    return calendar[np.where(inside, steps, -1)]
