"""Models from and to other tools: ONNX files with metadata, state dicts."""
