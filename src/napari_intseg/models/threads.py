"""How PyTorch's threads wait for each other."""

import os


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user's environment says otherwise.

    By default they spin. On a laptop that does something else besides, each then takes the
    processor from the thread it waits for, and a click of 40 ms was seen to take seconds. Only
    works before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
