"""The cookie stores of browsers."""
