"""What a shell asks when somebody presses Tab: click's scripts for bash, zsh and fish, and what may stand in a place."""

import os

import click
from click.shell_completion import CompletionItem, get_completion_class


def complete(cli: click.Command, variable: str) -> int:
    """
    Args:
        variable: Holds `bash_source` when a shell wants the script, and `bash_complete` when the script asks.
    """
    shell, _, wish = os.environ[variable].partition("_")
    kind = get_completion_class(shell)
    if kind is None or wish not in ("source", "complete"):
        raise click.UsageError(
            f"{variable} is bash_source, zsh_source or fish_source; docs/packaging.md shows its use"
        )
    completing = kind(cli, {}, "probe", variable)
    if wish == "source":
        click.echo(completing.source().encode(), nl=False)
        return 0
    words, unfinished = completing.get_completion_args()
    # Where nothing else is known a file can be meant: as TARGET, after --config, --store and many more.
    found = completing.get_completions(words, unfinished) or [CompletionItem(unfinished, type="file")]
    click.echo("\n".join(map(completing.format_completion, found)).encode())
    return 0
