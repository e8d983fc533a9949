"""Merged blobs → buildings that touch along straight walls."""
