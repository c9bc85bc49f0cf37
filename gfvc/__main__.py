"""`python -m gfvc` is the `gfvc` command."""

from .cli import main

raise SystemExit(main())
