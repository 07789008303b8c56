"""What does the specification say happens? The month of the model in plain Python: slow, polled, without the engine.

Written from the specification and not from the engine: hazards are worked out anew for every pair in every month,
influence is summed over everybody, and dictionaries hold the state. Only the keyed draws are shared. What the
specification leaves open is fixed here as the interface says: an event bears the instant at the end of its step;
clocks are 32-bit numbers; amounts are whole minor units, a part of an amount rounded down.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sim.engine import draws
from sim.scenario.scenario import Scenario

F32 = np.float32
MINOR = 100_000_000
UNIT = 2**31
FLOWS = (
    "own_inflow", "regional_inflow", "federal_inflow", "granted", "saved", "own_spent", "regional_spent",
    "federal_spent", "private_spent", "running_paid", "fees_paid", "arrears", "balance", "unpaid",
)  # fmt: skip


def keyed(run: np.uint64, purpose: np.uint64, identity: str) -> np.uint64:
    return np.uint64(draws.stream(run, purpose, draws.identity_key(identity)))


def bits(run: np.uint64, purpose: np.uint64, place: str, technology: str, spell: int) -> np.uint64:
    return np.uint64(draws.cell_bits(keyed(run, purpose, place), draws.identity_key(technology), spell))


def minor(millions: float) -> int:
    return math.floor(millions * MINOR + 0.5)


def great_circle(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Kilometres between two (latitude, longitude), by the haversine."""
    (a, b), (c, d) = (tuple(map(math.radians, pair)) for pair in (first, second))
    h = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(h)))


def whole_weight(share: float) -> int:
    return math.floor(share * UNIT + 0.5)


class World:
    """The scenario's tables by id, and its influence weights in units of 2**-31."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = s = scenario
        p = s.places
        self.places = list(p.id)
        self.region = {name: s.regions.id[p.region[i]] for i, name in enumerate(p.id)}
        self.population = {name: round(float(p.population[i])) for i, name in enumerate(p.id)}
        self.point = {name: (float(p.latitude[i]), float(p.longitude[i])) for i, name in enumerate(p.id)}
        self.member = {name: not p.guide[i] for i, name in enumerate(p.id)}
        self.own_divide = {name: float(p.divide[i]) for i, name in enumerate(p.id)}
        self.own_resistance = {name: float(p.resistance[i]) for i, name in enumerate(p.id)}
        self.kinds = list(s.technologies.id)
        self.requires = {k: [self.kinds[j] for j in s.technologies.requires[n]] for n, k in enumerate(self.kinds)}
        self.initial = {(i, k) for a, i in enumerate(p.id) for b, k in enumerate(self.kinds) if s.portfolio[a, b]}
        self.leader = {name: any((name, k) in self.initial for k in self.kinds) for name in self.places}
        self.regions = list(s.regions.id)
        self.inside = {r: [i for i in self.places if self.region[i] == r] for r in self.regions}
        self.regional_population = {
            r: round(float(np.nan_to_num(s.regions.population[n]))) for n, r in enumerate(self.regions)
        }
        self.peers = {i: self.listened(i, "peers") for i in self.places}
        self.leaders = {i: self.listened(i, "leaders") for i in self.places}
        self.partners = {r: self.linked(r) for r in self.regions}

    def technology(self, k: str, name: str) -> Any:
        return float(getattr(self.scenario.technologies, name)[self.kinds.index(k)])

    def pull(self, j: str, i: str) -> float:
        section = self.scenario.network_parameters
        distance = max(10.0, great_circle(self.point[i], self.point[j]))
        mass = float(self.scenario.places.population[self.places.index(j)])
        return mass**section.size_exponent * distance**-section.distance_decay

    def listened(self, i: str, channel: str) -> list[tuple[str, int]]:
        """(whom place i listens to, weight): the largest weights first, ties by id; given links take their share."""
        if not self.member[i]:
            return []
        here = self.region[i]
        if channel == "peers":
            others = [j for j in self.places if self.region[j] == here and j != i]
        else:
            others = [j for j in self.places if self.region[j] != here and self.leader[j]]
        strongest = sorted(others, key=lambda j: (-self.pull(j, i), j))
        strongest = strongest[: self.scenario.network_parameters.neighbours]
        total = sum(self.pull(j, i) for j in strongest)
        shares = {j: self.pull(j, i) / total for j in strongest}
        links = self.scenario.links
        given = {
            self.places[links.src[n]]: float(links.weight[n])
            for n in range(len(links))
            if links.channel[n] == channel and self.places[links.dst[n]] == i
        }
        if given:
            rest = {j: share for j, share in shares.items() if j not in given}
            left = 1 - sum(given.values())
            shares = {j: share * left / sum(rest.values()) for j, share in rest.items()} | given
        strongest = sorted(shares, key=lambda j: (-shares[j], j))
        return [(j, whole_weight(shares[j])) for j in strongest]

    def linked(self, r: str) -> dict[str, int]:
        """Weights of partner regions by their size and the distance between largest places."""
        section = self.scenario.network_parameters

        def centre(q: str) -> str:
            return max(self.inside[q], key=lambda i: self.population[i])

        pulls = {}
        for q in self.regions:
            if q != r:
                distance = max(10.0, great_circle(self.point[centre(r)], self.point[centre(q)]))
                size = float(self.scenario.regions.population[self.regions.index(q)])
                pulls[q] = size**section.size_exponent * distance**-section.distance_decay
        total = sum(pulls.values())
        return {q: whole_weight(pull / total) for q, pull in pulls.items()} if total else {}


class Reference:
    """One replicate of a scenario, month by month. Ids throughout; `table`, `ledger` by region, year."""

    def __init__(self, scenario: Scenario, seed: int, replicate: int = 0, b1: float = 0.0, b2: float = 0.0) -> None:
        self.s, self.w = scenario, World(scenario)
        self.run = np.uint64(draws.run_key(seed, replicate))
        self.b1, self.b2 = b1, b2
        self.years_a_step = scenario.step / 12
        self.t = 0
        w = self.w
        self.cells = [(i, k) for i in w.places for k in w.kinds]
        self.status = dict.fromkeys(self.cells, "closed")
        self.spell = dict.fromkeys(self.cells, 0)
        self.clock = dict.fromkeys(self.cells, F32(np.inf))
        self.event: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.outages: list[tuple[str, int, int]] = []
        self.platform = {(r, k): False for r in w.regions for k in w.kinds}
        self.queue: list[dict[str, Any]] = []
        self.balance = dict.fromkeys(w.places, 0)
        self.arrears = dict.fromkeys(w.places, 0)
        self.inflow = dict.fromkeys(w.places, 0)
        self.pool, self.reserve = dict.fromkeys(w.regions, 0), dict.fromkeys(w.regions, 0)
        self.pool_inflow, self.reserve_inflow = dict.fromkeys(w.regions, 0), dict.fromkeys(w.regions, 0)
        self.federal = self.federal_inflow = 0
        self.incidents = dict.fromkeys(w.places, 0)
        self.incident_clock = {i: self.incident_threshold(i) for i in w.places}
        self.down_until = dict.fromkeys(w.places, -1)
        self.distrust_until = dict.fromkeys(w.places, -1)
        self.table: dict[tuple[str, int], tuple[float, ...]] = {}
        self.ledger: dict[tuple[str, int], dict[str, int]] = {}
        self.capacity = {i: self.capacity_of(i) for i in w.places}
        self.begin()

    # Start

    def begin(self) -> None:
        for i, k in self.cells:
            if (i, k) in self.w.initial:
                self.status[i, k] = "operating"
                self.add_event(i, k, -1, -1, "initial", "")["operating"] = 0
            elif self.w.member[i]:
                self.start_spell(i, k, 1)
        self.open_platforms()
        self.share_at_start = {r: self.share(r) for r in self.w.regions}

    def start_spell(self, i: str, k: str, spell: int) -> None:
        self.status[i, k], self.spell[i, k] = "waiting", spell
        self.clock[i, k] = F32(draws.exponential(bits(self.run, draws.CLOCK, i, k, spell)))

    def capacity_of(self, i: str) -> float:
        d = self.s.diffusion
        size = self.w.population[i] / self.s.finance.reference_population
        sigma = math.sqrt(math.log(1 + d.heterogeneity**2))
        xi = math.exp(sigma * draws.normal(keyed(self.run, draws.CAPACITY, i)) - sigma**2 / 2)
        return xi * size**d.size_elasticity

    def incident_threshold(self, i: str) -> float:
        chance = draws.cell_bits(keyed(self.run, draws.INCIDENT, i), np.uint64(0), self.incidents[i])
        return draws.exponential(np.uint64(chance))

    def add_event(self, i: str, k: str, wanted: int, adopted: int, source: str, guide: str) -> dict[str, Any]:
        event = {
            "place": i, "technology": k, "spell": self.spell[i, k], "wanted": wanted, "adopted": adopted,
            "operating": -1, "ended": -1, "source": source, "guide": guide, "paid": (0, 0, 0, 0),
        }  # fmt: skip
        self.event[i, k] = event
        self.events.append(event)
        return event

    def life(self, k: str) -> int | None:
        """Service life in steps; None without end."""
        years = self.w.technology(k, "life")
        return None if math.isinf(years) else max(1, round(years / self.years_a_step))

    def end_of(self, i: str, k: str) -> int | None:
        """The instant at which what operates at place i lapses."""
        life, event = self.life(k), self.event[i, k]
        if life is None or not self.w.member[i]:
            return None
        if event["source"] == "initial":
            return life - int(draws.uniform(bits(self.run, draws.AGE, i, k, 0)) * life)
        return event["operating"] + life

    # Hazards

    def seen(self, j: str, k: str, weight: int) -> int:
        """The part of a weight with which place j is seen to have technology k."""
        status = self.status[j, k]
        if status == "operating":
            return weight
        return int(weight * self.s.diffusion.announced) if status == "installing" else 0

    def exposure(self, i: str, k: str, channel: str) -> int:
        links = self.w.peers[i] if channel == "peers" else self.w.leaders[i]
        return sum(self.seen(j, k, weight) for j, weight in links)

    def ready(self, i: str, k: str) -> bool:
        return all(self.status[i, j] == "operating" for j in self.w.requires[k])

    def multiplier(self, i: str, k: str) -> float:
        s, w = self.s, self.w
        if not self.ready(i, k):
            return 0.0
        fit = float(s.fit[s.regions.id.index(w.region[i]), w.kinds.index(k)])
        divide = s.diffusion.divide if math.isnan(w.own_divide[i]) else w.own_divide[i]
        resistance = s.diffusion.resistance if math.isnan(w.own_resistance[i]) else w.own_resistance[i]
        if self.distrust_until[i] >= 0:
            resistance += s.security.distrust
        v = w.technology(k, "benefit") * fit * (1 - divide * (1 - s.policy.inclusion))
        v -= w.technology(k, "privacy") * (1 - s.policy.protection)
        v -= resistance * (1 - self.exposure(i, k, "peers") / UNIT)
        v -= w.technology(k, "complexity") * (1 - self.platform[w.region[i], k])
        return self.capacity[i] * math.exp(s.diffusion.benefit_weight * v)

    def terms(self, i: str, k: str) -> dict[str, float]:
        """The terms of the hazard without supply and mandate, 1/year."""
        s, m = self.s, self.multiplier(i, k)
        external = s.diffusion.external * (s.diffusion.leader_factor if self.w.leader[i] else 1)
        return {
            "peers": m * s.diffusion.peers * self.exposure(i, k, "peers") / UNIT,
            "leaders": m * s.diffusion.leaders * self.exposure(i, k, "leaders") / UNIT,
            "platform": m * s.platform.rate * self.platform[self.w.region[i], k],
            "external": m * external,
        }

    def mandates(self, i: str, k: str) -> list[float]:
        """The rates of the mandates that bind a cell in this step."""
        s = self.s
        if not self.ready(i, k):
            return []
        return [
            m.rate
            for m in s.mandates
            if (m.region, m.technology) == (self.w.region[i], k)
            and s.step_of(m.from_) <= self.t
            and (m.until is None or self.t < s.step_of(m.until))
        ]

    def supply(self, k: str) -> float:
        begins = self.s.sanctions.from_
        if begins is None or self.t < self.s.step_of(begins):
            return 1.0
        years = (self.t - self.s.step_of(begins)) * self.years_a_step
        foreign = self.w.technology(k, "foreign_share") * math.exp(-self.s.sanctions.substitution * years)
        return 1 - self.s.sanctions.severity * foreign

    # The month

    def advance(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.month()
            self.t += 1

    def month(self) -> None:
        binds = self.s.finance.cost_level > 0
        if self.t == 0 or self.year(self.t) != self.year(self.t - 1):
            self.economy()
        if binds:
            self.flows()
        wants = self.wants()
        if binds:
            self.enqueue(wants)
            self.serve()
        else:
            for want in wants:
                self.adopt(want)
        self.operate()
        self.open_platforms()
        if self.s.security.incident_rate > 0:
            self.strike_and_restore()
        self.lapse()
        if binds and (self.t + 1 == self.s.steps or self.year(self.t + 1) != self.year(self.t)):
            self.record()

    def year(self, t: int) -> int:
        return self.s.instant(t).item().year

    def wants(self) -> list[dict[str, Any]]:
        """Clocks run down; those that reach zero want, for a reason drawn among the terms of their hazard."""
        found = []
        for i, k in self.cells:
            if self.status[i, k] != "waiting":
                continue
            terms, decrees = self.terms(i, k), self.mandates(i, k)
            for rate in decrees:
                self.clock[i, k] -= F32(rate * self.years_a_step)
            self.clock[i, k] -= F32(self.years_a_step * sum(terms.values())) * F32(self.supply(k))
            if self.clock[i, k] <= 0:
                source, guide = self.attribution(i, k, terms, sum(decrees))
                found.append({"place": i, "technology": k, "wanted": self.t + 1, "source": source, "guide": guide})
        for want in found:
            self.status[want["place"], want["technology"]] = "wanted"
        return found

    def attribution(self, i: str, k: str, terms: dict[str, float], mandate: float) -> tuple[str, str]:
        supply = self.supply(k)
        parts = {name: supply * term for name, term in terms.items()}
        order = {"peers": parts["peers"], "leaders": parts["leaders"], "platform": parts["platform"]}
        order |= {"mandate": mandate, "external": parts["external"]}
        spell = self.spell[i, k]
        left = draws.uniform(bits(self.run, draws.SOURCE, i, k, spell)) * sum(order.values())
        source = "external"
        for name, part in order.items():
            if left < part:
                source = name
                break
            left -= part
        if source not in ("peers", "leaders"):
            return source, ""
        target = draws.uniform(bits(self.run, draws.GUIDE, i, k, spell)) * self.exposure(i, k, source)
        passed, guide = 0, ""
        for j, weight in self.w.peers[i] if source == "peers" else self.w.leaders[i]:
            if passed <= target and self.status[j, k] in ("operating", "installing"):
                guide = j
                passed += self.seen(j, k, weight)
        return source, guide

    def adopt(self, want: dict[str, Any]) -> dict[str, Any]:
        i, k = want["place"], want["technology"]
        self.status[i, k] = "installing"
        return self.add_event(i, k, want["wanted"], self.t + 1, want["source"], want["guide"])

    def operate(self) -> None:
        for i, k in self.cells:
            if self.status[i, k] == "installing":
                lag = round(self.w.technology(k, "lag") / self.years_a_step)
                if self.event[i, k]["adopted"] + lag == self.t + 1:
                    self.status[i, k] = "operating"
                    self.event[i, k]["operating"] = self.t + 1

    def open_platforms(self) -> None:
        """All regions at once, from the platforms of the step before; places that are only looked at do not count."""
        opening = []
        for (r, k), there in self.platform.items():
            inside = [i for i in self.w.inside[r] if self.w.member[i]]
            if not inside:
                continue
            operating = sum(self.status[i, k] == "operating" for i in inside)
            linked = sum(weight for q, weight in self.w.partners[r].items() if self.platform[q, k]) / UNIT
            reached = operating / len(inside) + self.s.platform.spillover * linked >= self.s.platform.threshold
            if not there and len(inside) > 1 and reached:
                opening.append((r, k))
        for cell in opening:
            self.platform[cell] = True

    # Incidents and obsolescence

    def exposed(self) -> list[str]:
        return [k for n, k in enumerate(self.w.kinds) if not self.s.technologies.immune[n]]

    def strike_and_restore(self) -> None:
        exposed = self.exposed()
        for i in self.w.places if exposed else ():
            if not self.w.member[i]:
                continue
            if self.down_until[i] == self.t:
                self.down_until[i] = -1
                for k in self.w.kinds:
                    if self.status[i, k] == "down":
                        self.status[i, k] = "operating"
            if self.distrust_until[i] == self.t:
                self.distrust_until[i] = -1
            share = sum(self.status[i, k] == "operating" for k in exposed) / len(exposed)
            hazard = self.s.security.incident_rate * share * (1 - 0.7 * self.s.policy.protection)
            self.incident_clock[i] -= self.years_a_step * hazard
            if self.incident_clock[i] <= 0:
                self.strike(i, exposed)

    def strike(self, i: str, exposed: list[str]) -> None:
        self.incidents[i] += 1
        self.incident_clock[i] = self.incident_threshold(i)
        outage, distrust = self.s.security.outage, self.s.security.distrust
        down = max(1, round(outage / self.years_a_step)) if outage > 0 else 0
        if down:
            self.down_until[i] = self.t + down
            for k in exposed:
                if self.status[i, k] == "operating":
                    self.status[i, k] = "down"
        if distrust > 0:
            self.distrust_until[i] = self.t + round(2 / self.years_a_step)
        self.outages.append((i, self.t + 1, min(self.t + 1 + down, self.s.steps + 1)))

    def lapse(self) -> None:
        for i, k in self.cells:
            if self.status[i, k] in ("operating", "down") and self.end_of(i, k) == self.t + 1:
                self.event[i, k]["ended"] = self.t + 1
                self.start_spell(i, k, self.spell[i, k] + 1)

    # Economy and money

    def counted(self) -> list[str]:
        return [k for n, k in enumerate(self.w.kinds) if self.s.technologies.segment[n]]

    def holding(self, i: str) -> int:
        return sum(self.status[i, k] == "operating" for k in self.counted())

    def share(self, r: str) -> float:
        pairs = len(self.counted()) * self.w.regional_population[r]
        return sum(self.w.population[i] * self.holding(i) for i in self.w.inside[r]) / pairs if pairs else 0.0

    def economy(self) -> None:
        s, year = self.s, self.year(self.t)
        base = self.year(0) if s.economy.base_year is None else s.economy.base_year
        years, shock = year - base, 1.0
        if s.economy.volatility > 0:
            luck = draws.normal(np.uint64(draws.stream(self.run, draws.YEAR, np.uint64(year))))
            shock = math.exp(s.economy.volatility * luck - s.economy.volatility**2 / 2)
        national = 0
        for n, r in enumerate(self.w.regions):
            grp, x0, u0 = (float(column[n]) for column in (s.regions.grp, s.regions.industry, s.regions.urban))
            gain = 1 + s.economy.industry_gain * (self.share(r) - self.share_at_start[r])
            x = x0 * (1 + s.economy.industry_growth) ** years * gain * shock
            u = u0 * (1 + s.economy.urban_growth) ** years
            product = grp
            if s.grp_fit is not None and s.grp_fit.form == "loglog":
                product = grp * (x / x0) ** self.b1 * (u / u0) ** self.b2
            elif s.grp_fit is not None:
                product = grp + self.b1 * (x - x0) + self.b2 * (u - u0)
            self.table[r, year] = (product, x, u, self.share(r))
            if s.finance.cost_level > 0:
                national += self.budget(r, max(product, 0.0))
        self.federal_inflow = int(national * s.finance.federal_pool)

    def budget(self, r: str, product: float) -> int:
        f, total = self.s.finance, 0
        for i in self.w.inside[r]:
            if self.w.member[i]:
                share = self.w.population[i] / self.w.regional_population[r]
                self.inflow[i] = minor(f.own_share * 1000 * product * share * self.years_a_step)
                total += self.inflow[i]
        pool = int(total * f.regional_pool)
        self.reserve_inflow[r] = int(pool * self.s.policy.inclusion)
        self.pool_inflow[r] = pool - self.reserve_inflow[r]
        return total

    def book(self, r: str, **amounts: int) -> None:
        page = self.ledger.setdefault((r, self.year(self.t)), dict.fromkeys(FLOWS, 0))
        for name, amount in amounts.items():
            page[name] += amount

    def obligations(self, i: str) -> tuple[int, int, int]:
        """What place i owes a year for running what it has, its fees, and what that saves (minor units)."""
        running = fees = saving = 0
        for k in self.w.kinds:
            if self.status[i, k] in ("operating", "down"):
                event = self.event[i, k]
                cost = sum(event["paid"])
                if event["source"] == "initial":
                    cost = minor(self.w.technology(k, "cost") * self.s.finance.cost_level * self.size_factor(i))
                running += int(cost * self.w.technology(k, "running_cost"))
                saving += int(cost * self.w.technology(k, "saving"))
                fees += int(event["paid"][3] * self.s.finance.private_fee)
        return running, fees, saving

    def flows(self) -> None:
        self.federal += self.federal_inflow
        self.book("federal", federal_inflow=self.federal_inflow)
        for r in self.w.regions:
            self.pool[r] += self.pool_inflow[r]
            self.reserve[r] += self.reserve_inflow[r]
            self.book(r, regional_inflow=self.pool_inflow[r] + self.reserve_inflow[r])
            for i in self.w.inside[r]:
                if self.w.member[i]:
                    self.keep_house(r, i)

    def keep_house(self, r: str, i: str) -> None:
        running, fee, saved = (int(amount * self.years_a_step) for amount in self.obligations(i))
        available = self.balance[i] + self.inflow[i] + saved
        due = self.arrears[i] + running + fee
        paid = min(available, due)
        self.balance[i], self.arrears[i] = available - paid, due - paid
        fees = min(fee, paid)
        self.book(r, own_inflow=self.inflow[i], saved=saved, fees_paid=fees, running_paid=paid - fees)

    def size_factor(self, i: str) -> float:
        f = self.s.finance
        return (self.w.population[i] / f.reference_population) ** f.cost_elasticity

    def cost(self, i: str, k: str) -> int:
        f = self.s.finance
        millions = self.w.technology(k, "cost") * f.cost_level * self.size_factor(i)
        millions *= 1 - self.s.platform.cost_cut * self.platform[self.w.region[i], k]
        millions *= 1 + f.supply_premium * (1 - self.supply(k))
        millions *= 1 + self.s.policy.protection_cost * self.s.policy.protection
        renewed = self.spell[i, k] > (0 if (i, k) in self.w.initial else 1)
        return minor(millions * f.renewal if renewed else millions)

    def enqueue(self, wants: list[dict[str, Any]]) -> None:
        for want in wants:
            i, k = want["place"], want["technology"]
            cost, benefit = self.cost(i, k), self.w.technology(k, "benefit")
            want["value"] = benefit / cost if cost else math.inf
            want["tie"] = int(bits(self.run, draws.TIE, i, k, self.spell[i, k]))
            self.queue.append(want)
        self.queue.sort(key=lambda want: (-want["value"], want["wanted"], want["tie"]))

    def serve(self) -> None:
        held = {r: sorted(self.holding(i) for i in self.w.inside[r] if self.w.member[i]) for r in self.w.regions}
        median = {r: counts[(len(counts) - 1) // 2] for r, counts in held.items() if counts}
        self.queue = [want for want in self.queue if not self.paid(want, median)]

    def paid(self, want: dict[str, Any], median: dict[str, int]) -> bool:
        i, k, f = want["place"], want["technology"], self.s.finance
        r, cost = self.w.region[i], self.cost(i, k)
        private = int(cost * f.private_share)
        public = cost - private
        reserve = self.reserve[r] if self.holding(i) <= median[r] else 0
        regional = min(int(public * f.regional_share), reserve + self.pool[r])
        federal = 0
        if want["source"] in ("leaders", "platform"):
            federal = min(int(public * f.federal_share), self.federal)
        own = public - regional - federal
        if own > self.balance[i]:
            return False
        self.balance[i] -= own
        self.reserve[r] -= min(reserve, regional)
        self.pool[r] -= regional - min(reserve, regional)
        self.federal -= federal
        self.adopt(want)["paid"] = (own, regional, federal, private)
        self.book(r, own_spent=own, regional_spent=regional, federal_spent=federal, private_spent=private)
        return True

    def record(self) -> None:
        for r in self.w.regions:
            towns = self.w.inside[r]
            held = self.pool[r] + self.reserve[r] + sum(self.balance[i] for i in towns)
            waits = sum(self.w.region[want["place"]] == r for want in self.queue)
            self.book(r, arrears=sum(self.arrears[i] for i in towns), balance=held, unpaid=waits)
        self.book("federal", balance=self.federal)

    def named_events(self) -> list[tuple[Any, ...]]:
        """Events as `build.named_events` gives them, for row 0."""
        names = ("place", "technology", "spell", "wanted", "adopted", "operating", "ended", "source", "guide")
        return sorted((0, *(event[name] for name in names), *event["paid"]) for event in self.events)
