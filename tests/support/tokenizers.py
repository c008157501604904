"""Small tokenizers in the form of MiniLM's (BERT) and of MPNet's."""

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

_WORDS = ("the", "un", "disk", "failed", "10", "caf\xe9", "cafe", "able")
_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABC0123456789\u03c3\u65e5"
_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def small_tokenizer(form: str, *, max_length: int | None = 12, **normalizer: bool) -> Any:
    """``form``: bert or mpnet. ``normalizer``: the parameters of ``BertNormalizer``."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if form == "mpnet":
        special = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
    tokens = [*special, *_WORDS, *_CHARACTERS, *_MARKS, *(f"##{each}" for each in (*_WORDS, *_CHARACTERS))]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    model = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20)
    tokenizer: Any = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(
        [AddedToken(each, lstrip=each == "<mask>", normalized=each == "<unk>") for each in special]
    )
    ids = {token: vocabulary[token] for token in special}
    if form == "mpnet":
        tokenizer.post_processor = processors.RobertaProcessing(
            ("</s>", ids["</s>"]), ("<s>", ids["<s>"]), add_prefix_space=False
        )
    else:
        around = [(token, ids[token]) for token in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=around)
    if max_length:
        tokenizer.enable_truncation(max_length)
    return tokenizer


def saved(tokenizer: Any, folder: Path, pad_id: int) -> Path:
    """Its ``tokenizer.json``, as the export writes it: with a padding id."""
    path = folder / "tokenizer.json"
    tokenizer.enable_padding(pad_id=pad_id)
    tokenizer.save(str(path))
    return path
