"""From texts to token ids, fast: the pieces between spaces are tokenised once, and remembered."""

import json
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Int64s = npt.NDArray[np.int64]
#: All are ``str``, or all are ``bytes`` in UTF-8. Triton gives an array of bytes.
Texts = Sequence[str] | Sequence[bytes] | npt.NDArray[np.object_]


class Ids(NamedTuple):
    """The token ids of texts."""

    #: (t,), at least one. The ids of one text stand together.
    flat: Int64s
    #: (n,) where the first id of each text is in ``flat``.
    starts: Int64s
    #: (n,) how many tokens each text has, ``before`` and ``after`` included.
    lengths: Int64s
    #: The special tokens around each text that are not in ``flat``.
    before: Sequence[int] = ()
    after: Sequence[int] = ()

    def rows(self) -> list[list[int]]:
        """All ids of each text."""
        around = len(self.before) + len(self.after)
        ends = (self.starts + self.lengths - around).tolist()
        inner = [self.flat[start:end] for start, end in zip(self.starts.tolist(), ends, strict=True)]
        return [[*self.before, *ids.tolist(), *self.after] for ids in inner]


class Whole:
    """Tokenises each text as a whole, with any tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: Texts) -> Ids:
        encodings = self._tokenizer.encode_batch_fast([*map(_decoded, texts)])
        lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
        ids = chain.from_iterable(each.ids for each in encodings)
        flat = np.fromiter(chain(ids, [0]), np.int64, lengths.sum() + 1)
        return Ids(flat, np.cumsum(lengths) - lengths, lengths)


class Pieces:
    """Tokenises each piece between two spaces, and remembers its ids. So a piece that comes again costs
    one look-up.

    The ids are those of the tokenizer, if it treats the pieces independently (:func:`is_local`). When memory
    is full, the pieces are forgotten.
    """

    #: Pieces and words in memory, about 200 bytes each, and their characters. A call may exceed both.
    MOST, MOST_CHARS = 1 << 18, 1 << 25

    #: Words and punctuation as BERT splits them, if a piece consists of ``_ASCII``.
    _WORDS = re.compile(r"[0-9A-Za-z]+|[!-/:-@\[-`{-~]")
    _ASCII = re.compile(r"[!-~\t\n\r]*")

    def __init__(self, tokenizer: Any) -> None:
        state = json.loads(tokenizer.to_str())
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._lower = bool(state["normalizer"]["lowercase"])
        added = [re.escape(token["content"]) for token in state["added_tokens"]]
        self._added = re.compile("|".join(added) or "(?!)", re.IGNORECASE)
        # The special tokens around a text, seen at a text of one token.
        probe = self._tokenizer.encode("a")
        begin, end = probe.special_tokens_mask.index(0), probe.special_tokens_mask[::-1].index(0)
        self._before, self._after = probe.ids[:begin], probe.ids[len(probe.ids) - end :]
        truncation = state["truncation"] or {"max_length": np.iinfo(np.int64).max}
        self._room = truncation["max_length"] - begin - end
        self._lock = Lock()
        self.forget()

    def __call__(self, texts: Texts) -> Ids:
        with self._lock:
            try:
                if len(self._numbers) + len(self._words) > self.MOST or self._chars > self.MOST_CHARS:
                    self.forget()
                return self._find(texts)
            except BaseException:  # a piece may have a number and no ids
                self.forget()
                raise

    def __len__(self) -> int:
        """How many pieces are in memory."""
        return len(self._numbers)

    def forget(self) -> None:
        """Empty the memory."""
        self._numbers, self._words = _Numbers(), _Words(self._tokenizer.model)
        self._chars = 0
        #: The ids of piece i are ids[ends[i] : ends[i + 1]].
        self._ids, self._ends = array("q", [0]), array("q", [1])

    def _find(self, texts: Texts) -> Ids:
        kind: Any
        kind, space = (bytes, b" ") if len(texts) and isinstance(texts[0], bytes) else (str, " ")
        counts = np.fromiter(map(kind.count, texts, repeat(space)), np.int64, len(texts)) + 1
        # The lists of the pieces live one at a time, which keeps them in the processor's cache.
        pieces = chain.from_iterable(map(kind.split, texts, repeat(space)))
        numbers = np.fromiter(map(self._numbers.__getitem__, pieces), np.int64, counts.sum())
        self._learn()
        ends = np.asarray(self._ends)
        first, tokens = ends[numbers], ends[numbers + 1] - ends[numbers]
        total = np.concatenate([[0], np.cumsum(tokens)])
        # One more id, so that flat is not empty.
        places = np.arange(total[-1] + 1)
        places[:-1] += np.repeat(first - total[:-1], tokens)
        places[-1] = 0
        texts_end = np.concatenate([[0], total[np.cumsum(counts)]])
        lengths = np.minimum(np.diff(texts_end), self._room) + len(self._before) + len(self._after)
        # Not np.asarray, which makes a long long of an array("q"). OpenVINO takes int64 alone.
        flat = np.frombuffer(self._ids, np.int64)[places]
        return Ids(flat, texts_end[:-1], lengths, self._before, self._after)

    def _learn(self) -> None:
        """Store the ids of the new pieces. The words of a piece in ASCII are tokenised once."""
        new = [*map(_decoded, self._numbers.new)]
        self._numbers.new.clear()
        self._chars += sum(map(len, new))
        plain = [self._ASCII.fullmatch(piece) and not self._added.search(piece) for piece in new]
        others = [piece for piece, is_plain in zip(new, plain, strict=True) if not is_plain]
        encodings = iter(self._tokenizer.encode_batch_fast(others, add_special_tokens=False))
        for piece, is_plain in zip(new, plain, strict=True):
            if is_plain:
                for word in self._WORDS.findall(piece.lower() if self._lower else piece):
                    self._ids.extend(self._words[word])
            else:
                self._ids.extend(next(encodings).ids)
            self._ends.append(len(self._ids))


class _Numbers(dict[str | bytes, int]):
    """Numbers pieces in the order in which they first come, and lists those that are new."""

    def __init__(self) -> None:
        self.new: list[str | bytes] = []

    def __missing__(self, piece: str | bytes) -> int:
        self.new.append(piece)
        self[piece] = number = len(self)
        return number


class _Words(dict[str, "array[int]"]):
    """The ids of words, found by ``model`` when they are first asked for.

    The garbage collector does not visit arrays, as it does lists.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def __missing__(self, word: str) -> "array[int]":
        self[word] = ids = array("q", [token.id for token in self._model.tokenize(word)])
        return ids


def _decoded(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text


def is_local(state: Mapping[str, Any]) -> bool:
    """Whether a tokenizer (``tokenizer.json``) gives a text the ids of its pieces between spaces, between
    special tokens, and cuts it on the right.
    """
    truncation = state["truncation"] or {"direction": "Right", "stride": 0, "strategy": "LongestFirst"}
    parts = ("normalizer", "pre_tokenizer", "model")
    kinds = [(state[part] or {}).get("type") for part in parts]
    around = (state["post_processor"] or {}).get("type")
    return (
        kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"]
        and around in (None, "TemplateProcessing", "BertProcessing", "RobertaProcessing")
        and truncation["direction"] == "Right"
        and truncation["stride"] == 0
        and truncation["strategy"] != "OnlySecond"
        and all(re.fullmatch("[!-~]+", token["content"]) for token in state["added_tokens"])
    )


#: Texts that show whether a tokenizer is what ``is_local`` takes it for.
_DIFFICULT = (
    "",
    "  Two  words, 3.14 [MASK]<mask>a [CLS]x  <MASK> ",
    "caf\u00e9 \u0301a \u65e5\u672c\u8a9e \u0130I\u03a3 \u03a3 \ufb01 \U0001f600\u200d\x00\ufffd",
    "\u3000\u00a0\u2028z\t\r\n.\x0bb\x7f",
    "unaffable ##ing " + "x" * 300 + " word" * 2000,
)


def tokenise(tokenizer: Any) -> Callable[[Texts], Ids]:
    """The fastest way to the ids that ``tokenizer``, which does not pad, gives: with its truncation and its
    special tokens.
    """
    whole = Whole(tokenizer)
    if not is_local(json.loads(tokenizer.to_str())):
        return whole
    pieces = Pieces(tokenizer)
    return pieces if pieces(_DIFFICULT).rows() == whole(_DIFFICULT).rows() else whole
