"""The models that come with the package, a table a family; `registry.MODELS` joins them."""
