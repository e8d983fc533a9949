"""What the QGIS plugin Deepness does with an ONNX file, written from its documented keys.

It wants one input of square tiles with a fixed edge, divides bytes by 255, standardises, sets what
lies below the threshold to 0, and takes the largest channel, or of a single one what is left.
"""

from __future__ import annotations

import json

import numpy as np
import onnxruntime


class Plugin:
    """A model as the plugin sees it."""

    def __init__(self, path):
        """Open it and read its metadata; an odd file raises."""
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (self._given,) = self._session.get_inputs()
        (made,) = self._session.get_outputs()
        *_, self.bands, high, wide = self._given.shape
        assert isinstance(wide, int), "the plugin puts the edge into a spin box"
        assert high == wide == self._value("tile_size", int)
        assert made.shape[2:] == [high, wide]
        self.tile = wide
        assert self._value("model_type", str).capitalize() == "Segmentor"
        names = self._value("class_names", dict)
        self.names = [names[str(number)] for number in range(len(names))]
        self.channels = max(made.shape[1], 2)  # a single channel stands for two
        assert len(self.names) == self.channels
        self.resolution = self._value("resolution", float)
        self.overlap = self._value("tiles_overlap", int)
        self.threshold = self._value("seg_thresh", float)
        assert self._value("seg_small_segment", int) == 0
        mean, std = (self._value(f"standardization_{word}", list) for word in ("mean", "std"))
        assert len(mean) == len(std) == self.bands
        self._mean, self._std = np.array(mean, np.float32), np.array(std, np.float32)

    def _value(self, key, kind):
        return kind(json.loads(self._session.get_modelmeta().custom_metadata_map[key]))

    def labels(self, tiles):
        """Return `(batch, tile, tile)` classes, 0 the background, of bytes with bands last."""
        x = (np.float32(tiles[..., : self.bands] * (1 / 255)) - self._mean) / self._std
        (maps,) = self._session.run(None, {self._given.name: x.transpose(0, 3, 1, 2)})
        maps[maps < self.threshold] = 0
        return (maps != 0)[:, 0].astype(int) if maps.shape[1] == 1 else maps.argmax(axis=1)
