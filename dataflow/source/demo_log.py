"""What the demo stream says: the operations log of a payments company that does not exist.

:func:`record` is a pure function of ``(plan, index)``, so any event can be made on its own: after a
restart, in another worker, in a test. Nothing in it depends on the platform or on the order of calls.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

#: Event time between two events: 150 in a window of ten minutes.
SPACING = timedelta(seconds=4)
#: Nearly all events arrive within seconds, some up to this much after they happened.
MAX_LAG = timedelta(minutes=2)
#: One planted anomaly, somewhere, in each run of so many events.
ANOMALY_EVERY = 180
#: From this share of the stream on, three families speak the words of the new ledger.
DRIFT_FROM = 0.55


@dataclass(frozen=True)
class Plan:
    """All that the stream depends on. ``start``: event time of the first event, with a zone."""

    seed: int = 7
    events: int = 3600
    start: datetime = datetime(2026, 3, 2, 6, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Family:
    """One kind of routine message: how often it comes (in parts of the whole), who says it, how."""

    weight: int
    services: tuple[str, ...]
    phrases: tuple[str, ...]


def record(plan: Plan, index: int) -> dict[str, Any]:
    """Event ``index`` (0 <= index < plan.events): ``id, ts, text, service, label, drift``.

    ``label`` is the kind of a planted anomaly and ``None`` for all others; ``drift`` is true where the
    text is of the vocabulary that comes with the new ledger.
    """
    rng = Random(f"{plan.seed}:{index}")
    lag = timedelta(seconds=rng.expovariate(1 / 3) if rng.random() < 0.9 else rng.uniform(5, 120))
    ts = plan.start + index * SPACING + rng.random() * SPACING - min(lag, MAX_LAG)
    label, drift = anomaly(plan, index), False
    if label is not None:
        service, text = rng.choice(APIS), _planted(plan, index, label)
    else:
        name = rng.choices(tuple(ROUTINE), [family.weight for family in ROUTINE.values()])[0]
        drift = name in NEW_LEDGER and index >= DRIFT_FROM * plan.events
        family = NEW_LEDGER[name] if drift else ROUTINE[name]
        service = rng.choice(family.services)
        text = _fill(rng.choice(family.phrases), rng)
    return {
        "id": f"pay-{index:06d}",
        "ts": ts.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "text": text,
        "service": service,
        "label": label,
        "drift": drift,
    }


def anomaly(plan: Plan, index: int) -> str | None:
    """The kind of anomaly planted at ``index``; kinds take turns, so none comes in a burst."""
    turn, place = divmod(index, ANOMALY_EVERY)
    if place != Random(f"{plan.seed}:place:{turn}").randrange(ANOMALY_EVERY):
        return None
    return tuple(PLANTED)[turn % len(PLANTED)]


def _planted(plan: Plan, index: int, kind: str) -> str:
    phrases = list(PLANTED[kind])
    Random(f"{plan.seed}:{kind}").shuffle(phrases)
    round_ = index // ANOMALY_EVERY // len(PLANTED)
    return _fill(phrases[round_ % len(phrases)], Random(f"{plan.seed}:{index}:text"))


def _fill(phrase: str, rng: Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: PARAMETERS[match[1]](rng), phrase)


def _one_of(words: str) -> Callable[[Random], str]:
    choices = words.split()
    return lambda rng: rng.choice(choices)


#: The services that write the log.
APIS = ("checkout-api", "payments-api", "refunds-api", "merchant-portal", "payout-worker")
#: Placeholder in a text -> what makes a value.
PARAMETERS: dict[str, Callable[[Random], str]] = {
    "api": lambda rng: rng.choice(APIS),
    "amount": lambda rng: f"{rng.lognormvariate(3.6, 1):.2f}",
    "attempt": lambda rng: str(rng.randint(2, 5)),
    "bank": _one_of("Lloyds Santander Nordea ING Commerzbank Rabobank BBVA Handelsbanken"),
    "card": _one_of("Visa Mastercard Amex Maestro Discover"),
    "count": lambda rng: str(rng.randint(3, 900)),
    "currency": _one_of("EUR EUR EUR GBP GBP USD CHF SEK PLN"),
    "database": _one_of("ledger-db-1 ledger-db-2 merchants-db payments-db"),
    "gateway": _one_of("Adyen Worldpay Checkout.com Stripe Nexi"),
    "host": lambda rng: f"10.{rng.randint(0, 40)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
    "merchant": lambda rng: f"m-{rng.randint(1000, 9999)}",
    "ms": lambda rng: str(int(rng.lognormvariate(5, 0.6))),
    "payment": lambda rng: f"p-{rng.randint(100000, 999999)}",
    "percent": lambda rng: f"{rng.uniform(88, 99.9):.1f} %",
    "pod": lambda rng: f"{rng.choice(APIS)}-{rng.randrange(16**4):04x}",
    "queue": _one_of("settlement payouts webhooks notifications ledger-entries"),
    "risk": lambda rng: f"0.{rng.randint(1, 64):02d}",
    "seconds": lambda rng: f"{rng.uniform(1, 4):.1f} s",
    "shard": lambda rng: str(rng.randint(0, 31)),
    "status": _one_of("500 502 503 504 408"),
    "table": _one_of("entries balances payouts merchants disputes"),
    "version": lambda rng: f"{rng.randint(2, 6)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
}

#: What the log says day in, day out, by family.
ROUTINE = {
    "authorisation": Family(
        20,
        ("payments-api", "checkout-api"),
        (
            "Payment {payment} of {amount} {currency} authorised by {gateway} in {ms} ms",
            "{gateway} approved {card} payment {payment}, {amount} {currency}",
            "Captured {amount} {currency} for payment {payment} through {gateway}",
            "3-D Secure challenge passed, payment {payment} authorised for {amount} {currency}",
            "{card} payment {payment} for merchant {merchant} captured: {amount} {currency}",
        ),
    ),
    "decline": Family(
        9,
        ("payments-api", "checkout-api"),
        (
            "Payment {payment} declined by issuer: insufficient funds",
            "{gateway} declined {card} payment {payment}: card expired",
            "Payment {payment} refused, the issuer answered do not honour",
            "{card} payment {payment} declined: wrong security code",
        ),
    ),
    "refund": Family(
        9,
        ("refunds-api",),
        (
            "Refund of {amount} {currency} to {card} card for payment {payment} accepted",
            "Partial refund {amount} {currency} booked for merchant {merchant}",
            "Refund for payment {payment} sent to {gateway}",
            "Customer refund {amount} {currency} completed after {count} minutes",
        ),
    ),
    "queue": Family(
        11,
        ("ledger-writer", "payout-worker"),
        (
            "Queue {queue}: {count} messages waiting, {ms} processed since last report",
            "Consumer of queue {queue} caught up, lag is {count} messages",
            "Batch of {count} messages taken from queue {queue} in {ms} ms",
            "Queue {queue} depth {count}, oldest message {seconds}",
        ),
    ),
    "retry": Family(
        9,
        ("webhook-sender",),
        (
            "Webhook to merchant {merchant} failed with HTTP {status}, retry {attempt} of 5",
            "Retrying webhook delivery for merchant {merchant} after HTTP {status}",
            "Webhook for merchant {merchant} delivered on attempt {attempt}",
            "Merchant {merchant} endpoint timed out, webhook rescheduled, attempt {attempt}",
        ),
    ),
    "slow_query": Family(
        9,
        ("ledger-db", "merchants-db"),
        (
            "Slow query on {database}: SELECT from {table} took {seconds}",
            "Slow query on {database}: UPDATE {table} took {seconds}, {count} rows",
            "{database}: query on table {table} exceeded 1 s, took {seconds}",
            "{database}: checkpoint complete, {count} buffers written in {seconds}",
        ),
    ),
    "login": Family(
        9,
        ("auth", "merchant-portal"),
        (
            "User of merchant {merchant} logged in to the portal from {host}",
            "Session for merchant {merchant} refreshed, client {host}",
            "Portal login for merchant {merchant} failed from {host}: wrong password",
            "Two-factor code accepted for merchant {merchant}, login from {host}",
        ),
    ),
    "probe": Family(
        9,
        ("kubelet",),
        (
            "Readiness probe of pod {pod} succeeded in {ms} ms",
            "Pod {pod} is healthy, uptime {count} minutes",
            "Liveness probe of pod {pod} answered 200 in {ms} ms",
            "Autoscaler keeps pod count of {pod} at {attempt}",
        ),
    ),
    "fraud": Family(
        9,
        ("fraud-score",),
        (
            "Fraud score {risk} for payment {payment}, accepted",
            "Fraud check of payment {payment} passed, score {risk}, no rule matched",
            "Fraud model scored payment {payment} {risk} in {ms} ms",
            "Velocity rule checked for {card} card, fraud score {risk}",
        ),
    ),
    "payout": Family(
        6,
        ("payout-worker",),
        (
            "Payout of {amount} {currency} to merchant {merchant} sent to {bank}",
            "{bank} confirmed payout file with {count} transfers",
            "Daily settlement for merchant {merchant} is {amount} {currency}, bank {bank}",
        ),
    ),
    "change": Family(
        3,
        ("deploy",),
        (
            "Deployment of {api} {version} finished, {attempt} pods updated",
            "Rolling update of {api} to version {version} started",
            "Configuration of {api} reloaded, {attempt} keys changed",
            "TLS certificate of {api} renewed for 90 days",
        ),
    ),
}

#: The same duties after the new ledger is deployed, in its own words.
NEW_LEDGER = {
    "queue": Family(
        11,
        ("ledger-next",),
        (
            "Stream shard {shard} checkpoint committed at sequence {payment}",
            "Shard {shard} leader elected, {count} entries replicated in {ms} ms",
            "Stream shard {shard} compacted {count} segments",
        ),
    ),
    "slow_query": Family(
        9,
        ("ledger-next",),
        (
            "Raft snapshot of shard {shard} installed in {seconds}",
            "Shard {shard} read index confirmed by quorum in {ms} ms",
            "Raft log of shard {shard} truncated to {count} entries",
        ),
    ),
    "retry": Family(
        9,
        ("ledger-next",),
        (
            "Saga {payment} compensated step {attempt}, continues",
            "Saga {payment} completed {attempt} steps in {ms} ms",
            "Saga coordinator re-drove {count} pending sagas on shard {shard}",
        ),
    ),
}

#: What does not belong, by kind. Each text is used once in turn.
PLANTED = {
    "security": (
        "Root shell opened on the bastion by an unknown user, audit trail switched off",
        "Customer card numbers are being uploaded to a pastebin site",
        "Private signing key found in a public code repository",
        "Backdoor binary discovered in the build server, reverse connection to Tor exit node",
        "Someone disabled the firewall and opened remote desktop to the whole internet",
    ),
    "corruption": (
        "Checksum mismatch: block 88213 holds random bytes instead of ledger entries",
        "Balance of account 4711 is NaN after restoring the backup",
        "Archive is truncated, last 4 GB of the journal are filled with zeros",
        "Index points to rows that no longer exist, database refuses to start",
        "Double-entry books differ by 93 million, entries of last year vanished",
    ),
    "chat": (
        "hey, does anybody know who left the birthday cake in the kitchen on the 4th floor?",
        "lol sorry wrong window, see you all at the pub at six",
        "Can you pick up the kids today? I am stuck in a meeting",
        "Happy new year everyone, thanks for the great work on the project!",
        "my cat walked over the keyboard, please ignore this",
    ),
    "language": (
        "Der Drucker im dritten Stock hat schon wieder kein Papier",
        "Mañana no hay clases porque llueve demasiado en la ciudad",
        "今天下午三点在会议室开会,请大家准时参加",
        "Le train de Lyon partira avec vingt minutes de retard",
        "Завтра будет холодно, возьмите тёплую одежду",
    ),
    "hardware": (
        "Disk /dev/nvme1n1 reports 512 reallocated sectors, file system is now read-only",
        "Machine check exception: uncorrectable memory error in DIMM slot B2",
        "Power supply 2 failed, chassis temperature 94 degrees, fans at full speed",
        "RAID controller battery is dead, array degraded, two drives missing",
        "Water leak detected under the floor of rack row 12",
    ),
}
