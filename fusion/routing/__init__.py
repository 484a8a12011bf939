"""Which adapter answers a text whose task nobody names: routers, their state on disk, rejection. Imports target."""
