"""Models that run on another machine, by dask.distributed."""
