"""A pipeline of Hugging Face, with a tiny model of our own: `python examples/frameworks/transformers_pipeline.py`."""

import tempfile
from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline

import vedette

words = Path(tempfile.mkdtemp()) / "vocab.txt"
words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "day"]))
config = BertConfig(
    vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1},
)  # fmt: skip
classify = pipeline(
    "text-classification",
    model=BertForSequenceClassification(config).eval(),
    tokenizer=BertTokenizerFast(vocab_file=str(words)),
)

monitor = vedette.Monitor("moods", classes=["bad", "good"])
classify = monitor.watch(classify)
classify("good day")
classify(["good day", "bad day", "bad bad day"])
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "text_words"], window="all").select(
        "metric", "feature", "value"
    )
)
