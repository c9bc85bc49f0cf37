"""The subcommands of `gfvc`, one module each: `add_arguments(parser)` and `run(args) -> exit code`."""
