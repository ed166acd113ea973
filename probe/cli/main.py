"""The `probe` command: which commands there are, and how every ending becomes a sentence and an exit code.

A command returns its exit code (nothing means 0) or raises. Beside the codes that `probe --help` lists there is 141, by
the shell's habit: the reader of our output went away (`probe ... | head`).
"""

import errno
import io
import os
import re
import sys
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name: (where the command is, what the list of commands says about it). Help reads this table and imports nothing.
COMMANDS = {
    "monitor": ("probe.cli.monitor:monitor", "Watch sessions, and say what happened."),
    "exporter": ("probe.cli.exporter:exporter", "Metrics for Prometheus, and a status page."),
    "check": ("probe.cli.check:check", "One fresh connection to each target, judged."),
    "doctor": ("probe.cli.doctor:doctor", "Say why a connection fails, and what to do."),
    "compare": (
        "probe.cli.compare:compare",
        "Whether a period, a region or a load run is worse than another.",
    ),
    "report": ("probe.cli.report:report", "What the monitor saw, as a page, JSON or Markdown."),
    "export": ("probe.cli.export:export", "What the monitor has kept, as CSV, Parquet or lines of JSON."),
    "endpoints": ("probe.cli.endpoints:endpoints", "Every endpoint of the broker, measured by phase."),
    "load": ("probe.cli.load:load", "Put a server of your own under load, and say what it took."),
    "verify": ("probe.cli.verify:verify", "Suites of tests against each target, with what they saw."),
    "explain": ("probe.cli.explain:explain", "A verdict's code in words, and what to do."),
    "targets": (
        "probe.cli.targets_command:targets",
        "The configuration as understood, and where each value came from.",
    ),
    "gateway": (
        "probe.cli.gateway:gateway",
        "A read-only REST gateway over a real MetaTrader 5 terminal.",
    ),
    "sim": ("probe.cli.sim:sim", "The simulator: brokers on this machine, with faults on demand."),
}
OURS = {"probe", "exporters", "loadtests", "reports"}
# Longer than any option value a person would have to see again, shorter than any credential.
LONGEST_WORD_REPEATED = 15
STANDARD_OUTPUT = 1
COMPLETION = "_PROBE_COMPLETE"  # the variable in which a shell's completion asks, as click names it


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell completes what somebody is still typing
                return None
            raise click.UsageError(_no_such_command(cmd_name), ctx)
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    epilog="Exit codes: 0 healthy or done, 1 errors found, 2 usage or configuration, 3 degraded, "
    "4 could not judge, 70 a bug of ours, 130 interrupted, 143 terminated.",
)
@click.version_option(package_name="tradeprobe", message="tradeprobe %(version)s")
def cli() -> None:
    """Say whether a connection to a trading broker is healthy, and if not, why.

    Try it against the built-in simulator; nothing leaves this machine:

        probe check sim:pocketoption
    """


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; whatever happens ends as an exit code and at most a few lines on standard error."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):  # not every one knows our signs; Windows has some into pipes
            output.reconfigure(errors="replace")
    try:
        if COMPLETION in os.environ:
            from probe.cli.completion import complete

            return complete(cli, COMPLETION)
        with cli.make_context("probe", list(arguments)) as context:
            code: int | None = cli.invoke(context)
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except click.exceptions.NoArgsIsHelpError as request:
        request.show()
        return 2
    except click.ClickException as error:
        _print_usage_error(error, arguments)
        return 2
    except Exception as error:  # noqa: BLE001 - the top of the program: what is not handled here is a traceback
        if isinstance(error, BrokenPipeError) and _output_has_no_reader():
            return 141
        return _print_failure(error)
    return code or 0


def _no_such_command(word: str) -> str:
    if not re.fullmatch(r"[A-Za-z-]{1,15}", word):
        # Not repeated: it may be a credential whose command was forgotten.
        return "the first word must be a command, as in `probe check TARGET`"
    from probe.model.errors import near_miss

    meant = near_miss(word.lower(), COMMANDS)
    hint = f" Did you mean {meant!r}?" if meant else ""
    return f"there is no command {word!r}.{hint} The commands are: {', '.join(COMMANDS)}"


def _print_usage_error(error: click.ClickException, arguments: list[str]) -> None:
    message = error.format_message()
    # click repeats what it does not understand, and that may be a credential in the wrong place.
    values = [value for argument in arguments for value in (argument, argument.partition("=")[2])]
    for value in sorted(values, key=len, reverse=True):
        if len(value) > LONGEST_WORD_REPEATED and not value.startswith("--"):
            message = message.replace(value, "***").replace(repr(value)[1:-1], "***")
    context = error.ctx if isinstance(error, click.UsageError) else None
    click.echo(f"error: {message}" if message.endswith((".", "?")) else f"error: {message}.", err=True)
    click.echo(f"Try `{context.command_path if context else 'probe'} --help`.", err=True)


def _output_has_no_reader() -> bool:
    """Whether a broken pipe was ours to write to, and not a socket's that somebody forgot to handle."""
    import select

    if not hasattr(select, "poll"):  # Windows reports a closed pipe as another error
        return False
    output = select.poll()
    output.register(STANDARD_OUTPUT, 0)
    if not output.poll(0):
        return False
    # What is still buffered goes nowhere, or the interpreter complains about it when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), STANDARD_OUTPUT)
    return True


def _print_failure(error: Exception) -> int:
    from probe.model.errors import ProbeError

    if os.environ.get("TRADEPROBE_DEBUG", "").lower() not in ("", "0", "false", "no", "off"):
        import traceback

        traceback.print_exception(error)
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ProbeError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        click.echo("error: no space is left to write to. Make room, and try again.", err=True)
        return 2
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        click.echo(
            "error: this process has no file handles left (host.fd-limit). Raise the limit (ulimit -n), and try again.",
            err=True,
        )
        return 1
    # Neither the traceback nor the exception's text: both can hold a credential.
    click.echo(
        f"error: this is a bug of ours, not of your set-up: {type(error).__name__} in {_place(error.__traceback__)}. "
        "Please report this line and what you ran, without its credential. TRADEPROBE_DEBUG=1 shows the "
        "traceback; read it before you share it, it can hold a credential.",
        err=True,
    )
    return 70


def _place(traceback: TracebackType | None) -> str:
    """The innermost line of our own code."""
    place = "an unknown place"
    while traceback:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] in OURS:
            place = f"{module}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
