"""MiniLM's network and its tokenizer, loaded; blocks, so run it in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from antiphon.errors import ProviderUnavailable

_WINDOW_TOKENS = 256
_MAX_CHARACTERS = 16_384
"""Far more than the window holds; the tokenizer reads the whole text before it cuts the tokens."""
_START, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_ERRORS_ONLY = 3

Floats = NDArray[np.float32]


class MiniLmModel:
    """The network and the tokenizer."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load both. Raises `ProviderUnavailable` for a damaged vocabulary."""
        self._tokenizer = _tokenizer(folder / "vocab.txt")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.enable_cpu_mem_arena = False  # it keeps the memory of the longest text for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def vector(self, text: str) -> Floats:
        """Return the mean of the vectors of all tokens, with length 1."""
        # one text a call: no padding, memory for one text only, and the same vector alone and among others
        characters = text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode()  # halves of characters are refused
        ids = np.array([self._tokenizer.encode(characters).ids], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (tokens,) = cast("list[Floats]", self._session.run(None, inputs))
        mean = tokens[0].mean(axis=0)
        return mean / np.linalg.norm(mean)


def _tokenizer(path: Path) -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate(path.read_text("utf-8", "replace").split("\n"))}
    if not {_START, _END, _UNKNOWN} <= vocabulary.keys():
        raise ProviderUnavailable("the vocabulary of minilm is damaged: run `antiphon models pull minilm`")
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [(token, vocabulary[token]) for token in (_START, _END)]
    tokenizer.post_processor = TemplateProcessing(single=f"{_START} $A {_END}", special_tokens=ends)
    tokenizer.enable_truncation(_WINDOW_TOKENS)
    return tokenizer
