"""What was done is written down beside the labels, and done again from the file."""

import subprocess
import sys

from skimage import data, io

io.imsave("coins.png", data.coins(), check_contrast=False)
program = [sys.executable, "-m", "napari_intseg.cli.main"]
clicks = ["--click", "124,44", "--click", "124,74:-"]
segment = ["segment", "coins.png", "-o", "coin_labels.png", "--overwrite", *clicks]
subprocess.run([*program, *segment], check=True)
replay = ["replay", "coin_labels.png.journal.jsonl", "coins.png", "--compare", "coin_labels.png"]
subprocess.run([*program, *replay], check=True)  # fails if a pixel differs
