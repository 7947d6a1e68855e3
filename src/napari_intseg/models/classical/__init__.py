"""Models without a network: random walker, region growing, GrabCut, level set."""
