"""`python -m apiv2`."""

from apiv2.cli import main

raise SystemExit(main())
