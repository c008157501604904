"""Reads and checks the parameters of requests."""

from collections.abc import Mapping

from dashboard.queries.filters import Filter
from dashboard.queries.incidents import Wanted
from dashboard.queries.ranking import Sorting
from dashboard.store.orders import SORTS

#: The most characters of a parameter.
MOST_CHARACTERS = 1000
MOST_ROWS = 500
_MOST_OFFSET = 1 << 31

FILTER = ("key", "from", "to", "text", "cluster", "incident", "window", "selection", "revisions")
SORTING = ("sort", "order")


class ParameterError(ValueError):
    """A parameter is unknown or wrong. The text is one sentence that names it and says what to do."""


class Parameters:
    """The query of a request. ``known``: the names that it may have."""

    def __init__(self, query: Mapping[str, str], *known: str) -> None:
        self._query = query
        for name in query:
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "there are none"
                raise ParameterError(f"no such parameter {name[:40]!r}; {there_are}")

    def text(self, name: str) -> str | None:
        """A text; ``None``: it is not given."""
        value = self._query.get(name)
        if value is not None and len(value) > MOST_CHARACTERS:
            raise ParameterError(f"{name} is longer than {MOST_CHARACTERS} characters; make it shorter")
        return value

    def needed(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if value is None:
            raise ParameterError(f"{name} is missing; give it")
        return value

    def integer(self, name: str, least: int = -(1 << 62), most: int = 1 << 62) -> int | None:
        """An integer; ``None``: it is not given."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = int(value)
        except ValueError:
            found = least - 1
        if not least <= found <= most:
            what = f"an integer from {least} to {most}"
            raise ParameterError(f"{name} is {value[:40]!r}; it must be {what}")
        return found

    def needed_integer(self, name: str) -> int:
        """An integer that must be there."""
        self.needed(name)
        found = self.integer(name)
        assert found is not None
        return found

    def choice(self, name: str, *values: str) -> str | None:
        """One of ``values``; ``None``: it is not given."""
        value = self.text(name)
        if value is not None and value not in values:
            raise ParameterError(f"{name} is {value[:40]!r}; it must be one of {', '.join(values)}")
        return value

    def filter(self) -> Filter:
        """The conditions on rows."""
        return Filter(
            key=self.text("key"),
            start=self.integer("from"),
            end=self.integer("to"),
            text=self.text("text") or None,
            cluster=self.integer("cluster", -(1 << 31), (1 << 31) - 1),
            incident=self.text("incident"),
            window=self.integer("window"),
            selection=self.text("selection"),
            all_revisions=self.choice("revisions", "latest", "all") == "all",
        )

    def sorting(self) -> Sorting:
        """The order of rows."""
        return Sorting(self.choice("sort", *SORTS) or "window", self.choice("order", "desc", "asc") != "asc")

    def part(self, limit: int = 100, most: int = MOST_ROWS) -> tuple[int, int]:
        """Offset and limit."""
        offset = self.integer("offset", 0, _MOST_OFFSET) or 0
        given = self.integer("limit", 0, most)
        return offset, limit if given is None else given

    def incidents(self) -> Wanted:
        """The conditions on incidents."""
        return Wanted(
            key=self.text("key"),
            kind=self.choice("kind", "events", "drift"),
            state=self.text("state"),
            start=self.integer("from"),
            end=self.integer("to"),
            mark=self.choice("mark", "expected", "real", "none"),
        )
