"""``sidecar completion``: what a shell needs to complete commands and options.

The script that is printed asks this program what may follow; ``cli.main`` answers, since it is the
program itself that is asked.
"""

import click

from sidecar.cli.help import Command, Example
from sidecar.cli.main import PROGRAM, complete_variable, sidecar


@click.command(
    "completion",
    cls=Command,
    examples=(
        Example("For bash, from the next shell on:", "sidecar completion bash >> ~/.bashrc"),
        Example("For this shell alone:", 'eval "$(sidecar completion bash)"'),
        Example(
            "For zsh, in a directory of $fpath:",
            "sidecar completion zsh > ~/.zfunc/_sidecar",
        ),
        Example(
            "For fish:",
            "sidecar completion fish \\\n  > ~/.config/fish/completions/sidecar.fish",
        ),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that lets SHELL complete commands, options and their words.

    It works for the program as `sidecar`, found on the PATH. bash has to be 4.4 or newer.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(sidecar, {}, PROGRAM, complete_variable()).source()
    # click's script for fish parts an answer at every comma, those of a description too.
    click.echo(script.replace('string split ","', 'string split --max 1 ","'), nl=False)
