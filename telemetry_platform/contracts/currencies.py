"""Currencies of the contract and the size of their minor units (ISO 4217)."""

from telemetry_platform.contracts.schemas import envelope

# Every currency that is not listed here divides into hundredths.
WITHOUT_DECIMALS = (
    *("BIF", "BYR", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
WITH_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
WITH_FOUR_DECIMALS = ("CLF", "UYW")


def currencies() -> frozenset[str]:
    """Codes an event may name."""
    return frozenset(envelope()["$defs"]["currency"]["enum"])


def minor_unit_decimals(currency: str) -> int:
    """Digits of a currency's minor unit after the point of the major one: 2 for EUR, 0 for JPY."""
    if currency in WITHOUT_DECIMALS:
        return 0
    if currency in WITH_THREE_DECIMALS:
        return 3
    return 4 if currency in WITH_FOUR_DECIMALS else 2
