"""Durations and byte counts as people read them, with two or three significant digits."""


def format_duration(seconds: float) -> str:
    """0.4 s, 45 s, 12 min, 3.5 h, 12 days."""
    if seconds < 99.5:
        return with_unit(seconds, "s")
    if seconds < 99 * 60:
        return with_unit(seconds / 60, "min")
    return with_unit(seconds / 3600, "h") if seconds < 72 * 3600 else with_unit(seconds / 86400, "days")


def format_bytes(count: float) -> str:
    """0.4 kB, 45 kB, 170 MB, 2.6 GB."""
    for unit, size in (("kB", 1e3), ("MB", 1e6)):
        if count < 999.5 * size:
            return with_unit(count / size, unit)
    return with_unit(count / 1e9, "GB")


def with_unit(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
