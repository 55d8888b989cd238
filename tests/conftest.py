"""What every test shares: a quiet TensorFlow, a seed that changes each run and is printed, the real data's folder."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest


@pytest.fixture
def seed():
    """A new seed each run; pytest shows it with the failure."""
    value = int(np.random.SeedSequence().entropy % 2**31)
    print(f"seed={value}")
    keras.utils.set_random_seed(value)
    return value


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data sets, or a skip that says how to give one."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SEQKERAS_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found in {folder}; set SEQKERAS_DATA to its folder")
    return folder
