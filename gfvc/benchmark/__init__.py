"""How fast the codec is on this machine: `gfvc bench`."""
