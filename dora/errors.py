"""What a user reads when something is wrong: one sentence with the fault, one with the remedy."""


class DoraError(Exception):
    """A fault that the user can mend: a bad option, a checkpoint of another architecture.

    The command line prints it without a traceback and exits with status 2.

    Args:
        message: what is wrong and where; names the file or option.
        remedy: what to do or type next.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


class ConfigError(DoraError):
    """An option that contradicts itself or another one, found when the configuration is built."""
