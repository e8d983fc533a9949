"""A run in parts: shares of its cells inferred anywhere, merged to what one process gives."""
