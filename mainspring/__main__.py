"""``python -m mainspring``."""

from mainspring.cli.quick import main

main()
