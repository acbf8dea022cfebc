"""What every JVM of the product is started with, whoever starts it."""

from typing import Literal

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

# How a JVM compiles what it runs often. C1 alone costs the least for a minute or two: C2 has not paid for itself by
# then. Over millions of rows its code pays, but only of what is hot: by the usual bounds C2 compiles so much that it
# takes a quarter of a run's time (benchmarks/daily/README.md).
Compilation = Literal["quick", "hot", "full"]
_COMPILATION: dict[Compilation, tuple[str, ...]] = {
    "quick": ("-XX:TieredStopAtLevel=1",),
    "hot": (
        "-XX:Tier4InvocationThreshold=200000",
        "-XX:Tier4MinInvocationThreshold=60000",
        "-XX:Tier4CompileThreshold=400000",
        "-XX:Tier4BackEdgeThreshold=2000000",
    ),
    "full": (),
}

_COMMON = (CODE_CACHE, "-XX:+UseSerialGC", "-XX:-UsePerfData", *LOCALE, *WARNINGS)


def jvm_options(compilation: Compilation) -> tuple[str, ...]:
    """Options of a JVM: `quick` for a command, `hot` for much data, `full` for what runs as long as the stack does."""
    return (*_COMPILATION[compilation], *_COMMON)
