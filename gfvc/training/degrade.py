def build_degraded(frames, cache, seed):
    raise ValueError
