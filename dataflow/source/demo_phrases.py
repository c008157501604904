"""The words of the demo stream: phrases for each family of messages, and values of their parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Family:
    """One kind of normal message. ``weight``: how often the family comes, relative to the other families.

    ``services``: who writes the messages. ``phrases``: texts with ``{parameters}``.
    """

    weight: int
    services: tuple[str, ...]
    phrases: tuple[str, ...]


def _one_of(words: str) -> Callable[[Random], str]:
    choices = words.split()
    return lambda rng: rng.choice(choices)


#: The services with an interface for merchants.
APIS = ("checkout-api", "payments-api", "refunds-api", "merchant-portal", "payout-worker")
#: Name of a parameter in a phrase -> what makes a value for the parameter.
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

#: The messages of normal operation, by family.
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

#: The messages of a burst: the certificate for the gateways has expired. Normal traffic has none of these.
BURST = Family(
    0,
    ("payments-api", "checkout-api"),
    (
        "Payment {payment} failed: TLS handshake with {gateway} refused, certificate expired",
        "{gateway} refused the connection for payment {payment}: certificate has expired",
        "Cannot reach {gateway}, client certificate expired, {amount} {currency} not authorised",
        "{card} payment {payment} aborted after {attempt} attempts: TLS error from {gateway}",
        "TLS alert certificate_expired from {gateway}, payment {payment} not captured",
        "Authorisation of {amount} {currency} failed, {gateway} closed the connection: expired certificate",
    ),
)

#: The messages of three families in the words of the new ledger, which replaces the old one step by step.
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

#: The texts of planted anomalies, by kind. The texts of a kind take turns.
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
