#!/bin/sh
# Makes the user as whom the manager runs.
set -e
if ! getent passwd dkv >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/dkv --no-create-home --shell /usr/sbin/nologin dkv
fi
