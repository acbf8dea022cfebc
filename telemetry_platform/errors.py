"""The one tree of errors: what went wrong is the class, what to do about it is in the message."""


class TelemetryError(Exception):
    """Base of every error this product raises on purpose; the CLI prints it without a traceback."""


class SettingsError(TelemetryError):
    """A setting cannot be used as it stands."""


class GameRegistryError(TelemetryError):
    """A game's registry entry or key store cannot be used as it stands."""


class SecretFileError(TelemetryError):
    """A secret can be neither read nor made, or its file holds something else."""


class MissingProgramError(TelemetryError):
    """A program or file this machine needs is not there."""


class PortTakenError(TelemetryError):
    """Another process listens on a port the stack needs."""


class StackError(TelemetryError):
    """A process of the local stack did not start, died, or belongs to someone else."""


class CollectorError(TelemetryError):
    """The collector refused a request or could not be reached."""


class BatchRefusedError(CollectorError):
    """The collector answered that it will not take this request, however often it is sent."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TopicError(TelemetryError):
    """A topic's settings void what the product promises of its records."""


class LakeError(TelemetryError):
    """The lake refused a read or a write."""


class LogTruncated(LakeError):
    """A commit that is asked for is no longer in a table's log, or never was."""


class TableBusy(LakeError):
    """Another process writes to the table."""


class LeaseLost(LakeError):
    """This process may no longer write to the table: its lease has expired or was taken over."""


class WarehouseError(TelemetryError):
    """The warehouse refused a statement, or a newer version is already there."""


class VerificationError(TelemetryError):
    """The numbers in gold differ from the simulator's truth."""


class ContractError(TelemetryError):
    """A schema cannot be read, is no schema, or takes a name that is taken."""


class UnreadableFileError(TelemetryError):
    """A file cannot be read to its end."""


class RatesFileError(TelemetryError):
    """A file of exchange rates holds lines that are none."""
