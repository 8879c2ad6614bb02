"""``python -m mainspring``."""

from mainspring.cli.main import main

main()
