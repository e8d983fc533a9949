"""Work on many machines: Dask hands units out, and again where a worker died."""
