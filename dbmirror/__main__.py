"""`python -m dbmirror`, for a Python whose scripts are not on PATH."""

from dbmirror.cli import main

if __name__ == "__main__":
    main(prog_name="dbmirror")
