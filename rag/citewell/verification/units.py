"""Units of measurement and their spellings, as a table. Nothing is converted: 20 s and 20,000 ms are two things."""

from __future__ import annotations

import re

# Spellings whose case does not matter, with their plural in -s; a space also stands for a hyphen.
_WORDS = {
    "%": "%, pct",
    "percentage point": "percentage point, percent point, % point, point, pt, pp",
    "x": "times, fold",
    "dimension": "dimensional, dimension, dim, d",
    "ns": "nanosecond, nanosec",
    "μs": "microsecond, microsec",
    "ms": "millisecond, millisec, msec",
    "s": "second, sec",
    "min": "minute, min",
    "h": "hour, hr",
    "day": "day",
    "week": "week, wk",
    "month": "month",
    "year": "year, yr",
    "decade": "decade",
    "century": "century, centuries",
    "bit": "bit",
    "byte": "byte",
    "KB": "kilobyte",
    "MB": "megabyte",
    "GB": "gigabyte, gig",
    "TB": "terabyte",
    "PB": "petabyte",
    "Kb": "kilobit, kbps",
    "Mb": "megabit, mbps",
    "Gb": "gigabit, gbps",
    "FLOP": "flop, floating point operation",
    "MFLOP": "mflop, megaflop",
    "GFLOP": "gflop, gigaflop",
    "TFLOP": "tflop, teraflop",
    "PFLOP": "pflop, petaflop",
    "frame/s": "fps, frames per second",
    "Hz": "hertz",
    "kHz": "kilohertz",
    "MHz": "megahertz",
    "GHz": "gigahertz",
    "nm": "nanometer, nanometre",
    "μm": "micrometer, micrometre, micron",
    "mm": "millimeter, millimetre",
    "cm": "centimeter, centimetre",
    "m": "meter, metre",
    "km": "kilometer, kilometre",
    "Å": "angstrom, ångström",
    "inch": "inch, inches",
    "foot": "feet, foot, ft",
    "mile": "mile",
    "pixel": "px, pixel",
    "μg": "microgram, mcg",
    "mg": "milligram",
    "g": "gram",
    "kg": "kilogram, kilo",
    "tonne": "ton, tonne",
    "pound": "lb, pound",
    "kDa": "kilodalton, kda",
    "mL": "milliliter, millilitre, ml",
    "μL": "microliter, microlitre, μl",
    "L": "liter, litre",
    "nM": "nanomolar",
    "μM": "micromolar",
    "mM": "millimolar",
    "mmHg": "mmhg",
    "mol": "mole, mol",
    "mV": "millivolt",
    "V": "volt",
    "eV": "electronvolt",
    "mW": "milliwatt",
    "W": "watt",
    "kW": "kilowatt",
    "MW": "megawatt",
    "kWh": "kilowatt hour, kwh",
    "J": "joule",
    "kJ": "kilojoule",
    "kcal": "kilocalorie, kcal",
    "T": "tesla",
    "K": "kelvin",
    "°C": "°c, degree celsius, degrees celsius, degrees c",
    "°F": "°f, degree fahrenheit, degrees fahrenheit, degrees f",
    "°": "°, degree, deg",
    "dB": "db, decibel",
    "dBm": "dbm",
    "ppm": "ppm, parts per million",
    "ppb": "ppb, parts per billion",
    "dollar": "dollar, usd, us dollar",
    "euro": "euro, eur",
}
# Spellings in which capital letters matter.
_SYMBOLS = {
    "x": "x X", "ns": "ns", "μs": "μs us", "ms": "ms", "s": "s", "min": "min", "h": "h", "KB": "KB kB KiB",
    "MB": "MB MiB", "GB": "GB GiB", "TB": "TB TiB", "PB": "PB PiB", "Kb": "Kb kb kbit Kbit", "Mb": "Mb Mbit",
    "Gb": "Gb Gbit", "Hz": "Hz", "kHz": "kHz KHz", "MHz": "MHz", "GHz": "GHz", "THz": "THz", "nm": "nm", "μm": "μm um",
    "mm": "mm", "cm": "cm", "m": "m", "km": "km", "Å": "Å", "pg": "pg", "ng": "ng", "μg": "μg ug", "mg": "mg", "g": "g",
    "kg": "kg", "μL": "uL ul", "L": "L", "nM": "nM", "μM": "μM uM", "mM": "mM", "mV": "mV", "V": "V", "kV": "kV",
    "eV": "eV", "keV": "keV", "MeV": "MeV", "GeV": "GeV", "TeV": "TeV", "mW": "mW", "W": "W", "kW": "kW", "MW": "MW",
    "GW": "GW", "J": "J", "kJ": "kJ", "mA": "mA", "Pa": "Pa", "hPa": "hPa", "kPa": "kPa", "MPa": "MPa", "GPa": "GPa",
    "N": "N", "K": "K",
}  # fmt: skip
CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound sterling", "¥": "yen"}


def _by_spelling() -> tuple[dict[str, str], dict[str, str]]:
    spelled = {
        form: name
        for name, forms in _WORDS.items()
        for singular in forms.split(", ")
        for form in (singular, singular + "s")
    }
    return spelled, {symbol: name for name, symbols in _SYMBOLS.items() for symbol in symbols.split()}


_SPELLED, _BY_SYMBOL = _by_spelling()
_UNIT = re.compile(r"[ -]?((?:%|°|[A-Za-zμÅå])[A-Za-zö]*(?:[ -]?[a-zA-Z]+){0,2})")
_AREA = re.compile(r"[kcmnμ]?m[23](?!\w)")
_WORD_END = re.compile(r"(?<=[A-Za-zö%°])(?=[ -]|$)|(?<=%)")
_PER = re.compile(r"(?:/| ?per | an? (?=second|minute|hour|day|week|month|year))(?=[A-Za-zμ])")


def unit_at(text: str, start: int) -> tuple[str, int]:
    """Returns the unit that begins at `start`, after a space or hyphen at most, and where it ends.

    "ms/step" and "tokens per second" are one unit each if their first half is one. Without a unit it is
    ("", start).
    """
    unit, end = _simple_unit(text, start)
    if unit and (per := _PER.match(text, end)) is not None:
        below, below_end = _simple_unit(text, per.end())
        if below:
            return f"{unit}/{below}", below_end
    return unit, end


def _simple_unit(text: str, start: int) -> tuple[str, int]:
    match = _UNIT.match(text, start)
    if match is None:
        return "", start
    # The longest of three, two or one words; "%" needs no space behind it.
    if (area := _AREA.match(text, match.start(1))) is not None:
        return area[0], area.end()
    for cut in reversed(list(_WORD_END.finditer(match[1]))):
        form = match[1][: cut.start()].strip()
        name = _BY_SYMBOL.get(form) or _SPELLED.get(form.lower().replace("-", " "))
        end = match.start(1) + cut.start()
        if name and (form == "%" or not text[end : end + 1].isalnum()):  # "5 m2" has no unit known here
            return name, end
    return "", start
