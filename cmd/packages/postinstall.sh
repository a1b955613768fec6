#!/bin/sh
# Makes the data folder, and restarts a manager that runs with the program before. Its instances go on running. A new
# manager is not started: its settings come first.
set -e
install -d -m 0700 -o dkv -g dkv /var/lib/dkv
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart dkvmanager.service
fi
