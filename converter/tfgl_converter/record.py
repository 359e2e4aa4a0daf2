"""conversion.json: which passes ran, and which source nodes each written node stands for."""

from __future__ import annotations

import json

from .formats.source_model import SourceModel
from .passes import PassRecord


def record_bytes(record: PassRecord, source: SourceModel, input_format: str) -> bytes:
    """The file's bytes; the same for the same model, wherever it lies.

    >>> from tfgl.ir.graph import Graph
    >>> record_bytes(PassRecord(), SourceModel(Graph({}), "model"), "tf_hub")[:28]
    b'{"source":{"format":"tf_hub"'
    """
    about = {"format": input_format, "signature": source.signature_key, "tags": list(source.tags)}
    members = {"source": about, **record.to_json()}
    return json.dumps(members, separators=(",", ":")).encode()
