"""What all cases share: a tiny model, and a server that nobody may ask."""

from __future__ import annotations

import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch

from geounet.model import ModelCard, Segmenter, save_model
from geounet.networks.registry import build


@pytest.fixture(scope="session")
def tiny_model():
    """A point-wise model on disk: bright pixels are buildings."""
    network = build("pointwise", {})
    torch.nn.init.constant_(network.head.weight, 4.0)
    torch.nn.init.constant_(network.head.bias, 0.0)
    card = ModelCard(name="bright", network="pointwise", receptive_field=0, bytes_per_pixel=64)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:  # that nobody may look into
        Path(folder).chmod(0o755)
        path = Path(folder) / "bright.safetensors"
        save_model(path, Segmenter(card, network))
        yield path


@pytest.fixture(scope="session")
def loopback():
    """A server on this machine that counts what it is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.hits += 1
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.hits = 0
    http.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()
