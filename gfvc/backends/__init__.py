"""Where the networks run: PyTorch, or an inference engine, behind the one interface of `base.Backend`."""
