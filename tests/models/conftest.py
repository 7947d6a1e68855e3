import importlib.util

import pytest


@pytest.fixture(scope="session")
def det_state_dict(shared):
    """Make the deterministic weights of a fixture's JSON, its overrides applied."""
    spec = importlib.util.spec_from_file_location(
        "det_weights", shared / "parity" / "det_weights.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make(info: dict) -> dict:
        state_dict = module.det_state_dict(info["shapes"])
        for name, factor in info.get("overrides", {}).items():
            state_dict[name] = state_dict[name] * factor
        return state_dict

    return make
