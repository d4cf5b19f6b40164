"""The command line program `lmanet`, one module per verb, registered in `__main__.VERBS`.

A verb has

    HELP                    a line for `lmanet --help`
    add_arguments(parser)   declares its options and ends in `parser.set_defaults(run=run)`
    run(arguments)          does it; ValueError and OSError are for what the user can mend

and imports PyTorch, and what needs it, only when it runs.
"""
