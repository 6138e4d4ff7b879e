"""`--web` as it is typed, the same for every command that has a live page."""

from typing import Annotated

import typer

Web = Annotated[bool, typer.Option("--web", help="Also show it on a page in the browser; its address is printed.")]
WebPort = Annotated[
    int | None,
    typer.Option(
        "--web-port",
        min=1,
        max=65535,
        metavar="PORT",
        help="The port of that page; implies --web.",
        show_default="one that is free",
    ),
]
