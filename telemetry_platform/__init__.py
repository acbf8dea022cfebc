"""An open-source lakehouse for game telemetry."""
