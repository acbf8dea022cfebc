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
