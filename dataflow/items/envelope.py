"""The envelope of a dead letter: how the record was read, so that the record can be decoded again.

An envelope is a JSON object with these fields; those that a record does not have are absent:

==================================  ========================================================================
field                               meaning
==================================  ========================================================================
``arrival``                         when the record was read, RFC 3339
``message_key``                     the key of the message; ``message_key_base64`` if it is not UTF-8
``message_ts``                      the time of the message, RFC 3339
``message_headers``                 the headers of the message that were read, an object
``format``, ``header``, ...         the metadata of :func:`dataflow.items.schemas.raw_schema`
==================================  ========================================================================

The dead letter of an event that the model refused holds the text in place of the record. Its format is
:data:`EVENT_FORMAT`, and its envelope has the other columns of the event: ``id``, ``key``, ``ts`` and
``attributes``.
"""

from base64 import b64encode

import orjson
import pyarrow as pa

from dataflow.clock import rfc3339

#: The format of a record that is an event (see :func:`dataflow.decode.formats.read_events`).
EVENT_FORMAT = "event"
#: The envelope of a dead letter about which nothing is known.
UNKNOWN = "{}"


def of_records(raw: pa.RecordBatch) -> list[bytes]:
    """The envelopes of the rows of ``RAW``, whose schema has metadata.

    >>> from dataflow.items.schemas import raw_schema
    >>> row = {"raw": b"a", "partition": "p", "offset": 0, "arrival": 0, "message_key": b"k"}
    >>> of_records(pa.RecordBatch.from_pylist([row], schema=raw_schema("text")))
    [b'{"format":"text","arrival":"1970-01-01T00:00:00.000000Z","message_key":"k"}']
    """
    metadata = {name.decode(): value.decode() for name, value in (raw.schema.metadata or {}).items()}
    arrivals, stamps = (raw.column(name).cast(pa.int64()).to_pylist() for name in ("arrival", "message_ts"))
    keys, headers = (raw.column(name).to_pylist() for name in ("message_key", "message_headers"))
    return [
        orjson.dumps(
            metadata
            | {"arrival": rfc3339(arrival)}
            | ({} if key is None else _key(key))
            | ({} if stamp is None else {"message_ts": rfc3339(stamp)})
            | ({} if header is None else {"message_headers": orjson.Fragment(header)})
        )
        for arrival, key, stamp, header in zip(arrivals, keys, stamps, headers, strict=True)
    ]


def of_events(events: pa.RecordBatch) -> list[bytes]:
    """The envelopes of rows of ``EVENT``.

    >>> of_events(pa.record_batch({"id": ["p:0"], "key": ["k"], "ts": [0], "attributes": ['{"a":1}']}))
    [b'{"format":"event","id":"p:0","key":"k","ts":"1970-01-01T00:00:00.000000Z","attributes":{"a":1}}']
    """
    columns = [events.column(name).to_pylist() for name in ("id", "key", "attributes")]
    times = events.column("ts").cast(pa.int64()).to_pylist()
    return [
        orjson.dumps(
            {
                "format": EVENT_FORMAT,
                "id": id,
                "key": key,
                "ts": rfc3339(ts),
                "attributes": orjson.Fragment(attributes),
            }
        )
        for id, key, attributes, ts in zip(*columns, times, strict=True)
    ]


def _key(key: bytes) -> dict[str, str]:
    try:
        return {"message_key": key.decode()}
    except UnicodeDecodeError:
        return {"message_key_base64": b64encode(key).decode()}
