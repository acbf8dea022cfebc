"""What every JVM of the product is started with, whoever starts it."""

# With C1 alone a JVM reserves 48 MB for compiled code. Spark fills that within a minute, and the JVM then says
# `CodeCache is full. Compiler has been disabled.` and interprets whatever is new.
CODE_CACHE = "-XX:ReservedCodeCacheSize=256m"

# The machine's own language must not matter: under a Turkish one "i" is no small "I", and under an Arabic one numbers
# have other digits, those in the names of Delta's log files among them.
LOCALE = (
    "-Duser.language=en",
    "-Duser.country=US",
    "-Duser.script=",
    "-Duser.variant=",
    "-Duser.extensions=",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
)

# The JVM's own warnings go to standard output by default, into the middle of what a command prints.
WARNINGS = ("-XX:+DisplayVMOutputToStderr", "-Xlog:all=off:stdout", "-Xlog:all=warning:stderr")

# C1 alone and the serial collector: what runs for a minute or two is over before C2 has paid for itself.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)

_COMMON = (CODE_CACHE, "-XX:+UseSerialGC", "-XX:-UsePerfData", *LOCALE, *WARNINGS)


def jvm_options(*, is_short_lived: bool) -> tuple[str, ...]:
    """Options of a JVM that runs for a command, or (`is_short_lived` false) for as long as the stack does."""
    return (*(SHORT_LIVED if is_short_lived else ()), *_COMMON)
