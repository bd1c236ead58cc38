"""The price in force for a usage date, as known on a settlement date.

A copy on purpose of the models int_list_prices_known, int_contracts_known and int_prices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from callbill.base.catalogue import Claim, Seeds
from callbill.verify.contracts import ContractTerms
from callbill.verify.money import WHOLE_DISCOUNT, divide


@dataclass(frozen=True)
class Contract:
    """A version of a contract: its terms, the settlement date it is known from, its file, and when
    that arrived, if it matters. Versions of one file stand in the order of their lines."""

    terms: ContractTerms
    known_from: date
    source_file_id: str
    arrived_on: date | None = None

    @property
    def moment(self) -> tuple[date, date]:
        """When it became known: within a settlement date the later arrival is the later."""
        return self.known_from, self.arrived_on or date.min


@dataclass(frozen=True)
class Price:
    """What is in force for a usage date. Prices are in 10^-8 CNY a price unit, the discount in
    10^-6; it is None for an agreed price."""

    list_price: int
    discount: int | None
    contract_price: int


@dataclass(frozen=True)
class PriceTerms:
    """What calls of a usage date may cost: a price for each step of a ladder, or one for all."""

    period: str | None
    tiers: tuple[int, ...]
    prices: tuple[Price, ...]
    # As in Price.
    discount: int | None

    @property
    def costs(self) -> tuple[object, ...]:
        """What decides a cost. By which way a price came to be does not."""
        prices = tuple((price.list_price, price.contract_price) for price in self.prices)
        return self.period, self.tiers, prices

    def price_of(self, step: int | None) -> Price:
        return self.prices[0 if step is None else self.tiers.index(step)]

    def group(self, usage_date: date) -> tuple[str, date]:
        """The calls that are counted together: of a day, of a month, or all."""
        if self.period == "month":
            return "month", usage_date.replace(day=1)
        return self.period or "", date.min if self.period == "ever" else usage_date


@dataclass(frozen=True)
class AccountAttribute:
    """What a line of a file says of an account: an attribute's value for usage from a date on, from
    which settlement date it is known, and when the file arrived."""

    owner_uin: str
    name: str
    value: str
    effective_from: date
    known_from: date
    arrived_on: date
    source_file_id: str
    line: int


@dataclass(frozen=True, order=True)
class _ListPrice:
    effective_from: date
    known_from: date
    # Where one price has to stand for a ladder, it is that of the first step that costs.
    price: int
    period: str | None = None
    # Of each step the calls before it, and its price.
    steps: tuple[tuple[int, int], ...] = ()


class PriceBook:
    """Seeds and contracts, asked for the price of a usage date as known on another date."""

    def __init__(
        self,
        seeds: Seeds,
        contracts: Iterable[Contract],
        claims: Iterable[Claim] = (),
        account_attributes: Iterable[AccountAttribute] = (),
    ) -> None:
        self._claims: defaultdict[str, list[Claim]] = defaultdict(list)
        for claim in claims:
            self._claims[claim.action].append(claim)
        # What is known of accounts, by account.
        self.account_attributes: defaultdict[str, list[AccountAttribute]] = defaultdict(list)
        for said in account_attributes:
            self.account_attributes[said.owner_uin].append(said)
        self.product_of = {code: product for code, product, _ in seeds["components"]}
        self.calls_per_unit = {code: int(calls) for code, _, calls in seeds["components"]}
        self._list_prices: defaultdict[str, list[_ListPrice]] = defaultdict(list)
        ladders: defaultdict[tuple[str, ...], list[list[str]]] = defaultdict(list)
        for row in seeds["list_prices"]:
            ladders[tuple(row[:3])].append(row[3:])
        for (code, effective_from, known_from), prices in ladders.items():
            # Prices always have 8 decimals.
            steps = sorted(
                (int(tier[0]) if tier else 0, int(price.replace(".", "")))
                for price, *tier in prices
            )
            period = prices[0][2] if len(prices[0]) > 1 else None
            self._list_prices[code].append(
                _ListPrice(
                    date.fromisoformat(effective_from),
                    date.fromisoformat(known_from),
                    next((price for _tier, price in steps if price), 0),
                    period,
                    tuple(steps) if period else (),
                )
            )
        self._contracts: defaultdict[tuple[str, str], list[Contract]] = defaultdict(list)
        by_start: defaultdict[tuple[str, str, date], list[Contract]] = defaultdict(list)
        for contract in contracts:
            terms = contract.terms
            key = (terms.owner_uin, terms.component_code, terms.effective_from)
            by_start[key].append(contract)
        for (owner_uin, component_code, _), versions in by_start.items():
            self._contracts[owner_uin, component_code] += _news(versions)

    def component(
        self, action: str, usage_date: date, known_on: date, attributes: str = "", owner: str = ""
    ) -> str | None:
        """The component that claims a record of an account: of the claims that ask for attributes
        which it has, those that ask for most; of these the last one that is in effect."""
        known = [
            claim
            for claim in self._claims.get(action, ())
            if claim.known_from <= known_on
            # A claim without a date is in effect since ever.
            and (claim.effective_from <= usage_date or claim.effective_from == date.min)
        ]
        if any(claim.attributes for claim in known):
            has = self._attributes(attributes, owner, usage_date, known_on)
            known = [claim for claim in known if has.issuperset(claim.attributes)]
        if not known:
            return None
        return max(
            known,
            key=lambda claim: (len(claim.attributes), claim.effective_from, claim.known_from),
        ).component_code

    def _attributes(
        self, attributes: str, owner: str, usage_date: date, known_on: date
    ) -> set[str]:
        """What a record says itself, and what is known of its account beside that."""
        values: dict[str, str] = {}
        known = [
            said
            for said in self.account_attributes.get(owner, ())
            if said.effective_from <= usage_date and said.known_from <= known_on
        ]
        for name in {said.name for said in known}:
            # What began last counts, of that what became known last, of one date the later arrival.
            moments = [
                ((said.effective_from, said.known_from, said.arrived_on), said)
                for said in known
                if said.name == name
            ]
            last = max(moment for moment, _said in moments)
            last_lines: dict[str, AccountAttribute] = {}
            for moment, said in sorted(moments, key=lambda one: one[1].line):
                if moment == last:
                    last_lines[said.source_file_id] = said
            values[name] = min(said.value for said in last_lines.values()).replace(";", "%3B")
        values |= dict(pair.split("=", 1) for pair in attributes.split(";") if pair)
        return {f"{name}={value}" for name, value in values.items()}

    def rated_component(
        self, action: str, usage_date: date, known_on: date, attributes: str = "", owner: str = ""
    ) -> str | None:
        """The component that claims a record, if it has a list price."""
        component = self.component(action, usage_date, known_on, attributes, owner)
        is_rated = component is not None and self.is_rated(component, usage_date, known_on)
        return component if is_rated else None

    def catalogue_dates(self, owner: str = "") -> list[date]:
        """The settlement dates from which a claim, a list price or an attribute of an account is
        known."""
        said = (said.known_from for said in self.account_attributes.get(owner, ()))
        claims = (claim.known_from for some in self._claims.values() for claim in some)
        prices = (price.known_from for some in self._list_prices.values() for price in some)
        return sorted({*claims, *prices, *said})

    def is_rated(self, component_code: str, usage_date: date, known_on: date) -> bool:
        """Whether a list price is known. Without one a call is not billed."""
        return self._list_price(component_code, usage_date, known_on) is not None

    def price(self, owner_uin: str, component_code: str, usage_date: date, known_on: date) -> Price:
        """The price of the contract that covers the usage date and began last; without one, the
        list price."""
        list_price = self._list_price(component_code, usage_date, known_on)
        if list_price is None:
            raise LookupError(f"{component_code} has no list price for {usage_date}")
        terms = self._terms_in_force(
            owner_uin, component_code, usage_date, known_on, list_price.price
        )
        return _price_of(terms, list_price.price)

    def terms(
        self, owner_uin: str, component_code: str, usage_date: date, known_on: date
    ) -> PriceTerms:
        """What calls of a usage date may cost. At an agreed price that does not depend on how
        much."""
        list_price = self._list_price(component_code, usage_date, known_on)
        if list_price is None:
            raise LookupError(f"{component_code} has no list price for {usage_date}")
        terms = self._terms_in_force(
            owner_uin, component_code, usage_date, known_on, list_price.price
        )
        if list_price.period is None or (terms and terms.discount is None):
            price = _price_of(terms, list_price.price)
            return PriceTerms(None, (), (price,), price.discount)
        return PriceTerms(
            list_price.period,
            tuple(tier for tier, _price in list_price.steps),
            tuple(_price_of(terms, price) for _tier, price in list_price.steps),
            terms.discount if terms else WHOLE_DISCOUNT,
        )

    def has_ladder(self, component_code: str, known_on: date) -> bool:
        """Whether a ladder of a component is known."""
        return any(
            list_price.period and list_price.known_from <= known_on
            for list_price in self._list_prices.get(component_code, ())
        )

    def _terms_in_force(
        self,
        owner_uin: str,
        component_code: str,
        usage_date: date,
        known_on: date,
        list_price: int,
    ) -> ContractTerms | None:
        versions: defaultdict[date, list[Contract]] = defaultdict(list)
        for contract in self._contracts.get((owner_uin, component_code), ()):
            if contract.known_from <= known_on and contract.terms.effective_from <= usage_date:
                versions[contract.terms.effective_from].append(contract)
        for effective_from in sorted(versions, reverse=True):
            terms = _terms_that_count(versions[effective_from], list_price)
            if usage_date < terms.effective_to:
                return terms
        return None

    def dates_of_news(self, owner_uin: str, component_code: str) -> list[date]:
        """The settlement dates from which an account's prices may be known otherwise."""
        contracts = self._contracts.get((owner_uin, component_code), ())
        list_prices = self._list_prices.get(component_code, ())
        return sorted({c.known_from for c in contracts} | {p.known_from for p in list_prices})

    def _list_price(
        self, component_code: str, usage_date: date, known_on: date
    ) -> _ListPrice | None:
        """Of the list prices that began by the usage date the last, in its latest known version."""
        known = [
            list_price
            for list_price in self._list_prices.get(component_code, ())
            if list_price.effective_from <= usage_date and list_price.known_from <= known_on
        ]
        return max(known) if known else None


def _price_of(terms: ContractTerms | None, list_price: int) -> Price:
    if terms is None:
        return Price(list_price, WHOLE_DISCOUNT, list_price)
    return Price(list_price, terms.discount, _price_under(terms, list_price))


def _news(versions: Iterable[Contract]) -> list[Contract]:
    """The versions of a contract without those that only repeat it: a list that is delivered every
    night says the same every night."""
    moments: defaultdict[tuple[date, date], dict[str, Contract]] = defaultdict(dict)
    for version in versions:
        moments[version.moment][version.source_file_id] = version
    news: list[Contract] = []
    said: set[ContractTerms] = set()
    for moment in sorted(moments):
        says = {version.terms for version in moments[moment].values()}
        if len(says) != 1 or says != said:
            news += moments[moment].values()
        said = says
    return news


def _price_under(terms: ContractTerms, list_price: int) -> int:
    if terms.discount is None:
        return terms.price or 0
    return divide(list_price * terms.discount, WHOLE_DISCOUNT)


def _terms_that_count(versions: Sequence[Contract], list_price: int) -> ContractTerms:
    """The latest known version counts, within a file the last line. Of files of one arrival it is
    the lowest price, then the earliest end, then a discount before an agreed price."""
    newest = max(version.moment for version in versions)
    last_of_file = {v.source_file_id: v.terms for v in versions if v.moment == newest}
    return min(
        last_of_file.values(),
        key=lambda terms: (
            _price_under(terms, list_price),
            terms.effective_to,
            terms.discount is None,
            terms.discount,
        ),
    )
