"""Numbers for people."""


def to_size(amount: int) -> str:
    """Bytes for people: `1.4 MB`, decimal units as download tools use them."""
    value = float(amount)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
