"""Messages for Slack's incoming webhooks.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
https://docs.slack.dev/messaging/formatting-message-text (which characters are escaped).
"""

from collections.abc import Mapping
from typing import Any

#: Most characters of a text in a section block, and of a plain message.
_MOST_OF_SECTION, _MOST_OF_TEXT = 3000, 4000
#: Most characters of a key and of an example: the context block shows several examples.
_MOST_OF_KEY, _MOST_OF_EXAMPLE, _MOST_EXAMPLES = 200, 300, 5
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_TITLES = {
    "open": "New incident",
    "updated": "Incident goes on",
    "reopened": "Incident is open again",
    "closed": "Incident is over",
    "merged": "Incident is merged",
    "withdrawn": "Incident is withdrawn",
    "provisional": "New incident (provisional)",
    "confirmed": "Provisional incident is confirmed",
}


def slack(row: Mapping[str, Any]) -> dict[str, Any]:
    """The message about a row of ``ALERT``. Nothing in the row can mention a person or a channel."""
    kind = " (drift)" if row["kind"] == "drift" else ""
    title = f"{_TITLES.get(row['state'], row['state'])}{kind}: {escaped(row['key'], _MOST_OF_KEY)}"
    blocks = [_section(title), _section(escaped(row["message"], _MOST_OF_SECTION))]
    # The message shows the text of the first example.
    examples = (
        [] if row["state"] in ("merged", "withdrawn", "confirmed") else row["examples"][1:_MOST_EXAMPLES]
    )
    texts = [escaped(example["text"], _MOST_OF_EXAMPLE) or " " for example in examples]
    texts.append(f"incident {row['incident']}, {row['count']} in all, p = {row['p_value']:.1g}")
    blocks.append({"type": "context", "elements": [_text(text) for text in texts]})
    return {"text": f"{title}: {escaped(row['message'], _MOST_OF_TEXT - len(title) - 2)}", "blocks": blocks}


def escaped(text: str, most: int) -> str:
    """``text`` as Slack's markup, cut to at most ``most`` characters.

    >>> escaped("a < b", 100), escaped("a < b", 6)
    ('a &lt; b', 'a ...')
    """
    whole = "".join(_ESCAPED.get(each, each) for each in text)
    if len(whole) <= most:
        return whole
    kept, length = [], len("...")
    for each in text:
        part = _ESCAPED.get(each, each)
        length += len(part)
        if length > most:
            break
        kept.append(part)
    return "".join(kept) + "..."


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text or " ")}


def _text(text: str) -> dict[str, Any]:
    # `verbatim`: Slack looks for no links and no names in the text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
